// Threads and their registers.
#include "bind.h"
#include "machine.h"

static const char *const register_name_list[EMU_REG_END] = {
    "c0",   "c1",      "c2",  "c3",       "c4",   "c5",   "c6",    "c7",   "c8",   "c9",  "c10",    "c11",
    "c12",  "c13",     "c14", "c15",      "c16",  "c17",  "c18",   "c19",  "c20",  "c21", "c22",    "c23",
    "c24",  "c25",     "c26", "c27",      "c28",  "c29",  "c30",   "csp",  "pcc",  "ddc", "ctpidr", "rcsp",
    "rddc", "rctpidr", "cid", "ctpidrro", "nzcv", "cpsr", "cctlr", "fpcr", "fpsr", "el",
};

static nb::list register_names() {
    nb::list names;
    for (int i = 0; i < EMU_REG_END; i++) {
        if (i >= EMU_V0)
            names.append(nb::str(("v" + std::to_string(i - EMU_V0)).c_str()));
        else
            names.append(nb::str(register_name_list[i] ? register_name_list[i] : ""));
    }
    return names;
}

static nb::int_ register_value(int reg, struct emu_cap value) {
    if (reg < EMU_CAP_COUNT) return bits_of(value);
    return reg >= EMU_V0 ? wide_int(value.hi, value.lo) : nb::int_(value.lo);
}

void Machine::check_thread(int thread) const {
    if (!emu_thread_exists(emu, thread))
        throw nb::index_error(("no thread " + std::to_string(thread)).c_str());
}

void Machine::check_register(int reg) {
    if (reg < 0 || reg >= EMU_REG_END || (reg < EMU_V0 && !register_name_list[reg]))
        throw nb::index_error(("no register " + std::to_string(reg)).c_str());
}

int Machine::add_thread(nb::handle mode) {
    check_idle();
    bool system = nb::isinstance<nb::str>(mode) ? mode.equal(nb::str("system"))
                                                : nb::cast<int>(mode) == EMU_MODE_SYSTEM;
    if (nb::isinstance<nb::str>(mode) && !system && !mode.equal(nb::str("user")))
        throw nb::value_error("a thread's mode is \"user\" or \"system\"");
    int thread = emu_thread_new(emu, system ? EMU_MODE_SYSTEM : EMU_MODE_USER);
    if (thread < 0) throw std::runtime_error("too many threads");
    return thread;
}

void Machine::remove_thread(int thread) {
    check_idle();
    check_thread(thread);
    emu_thread_free(emu, thread);
}

nb::list Machine::threads() const {
    check_idle();
    nb::list out;
    for (int i = 0; i < emu_thread_limit(emu); i++)
        if (emu_thread_exists(emu, i)) out.append(i);
    return out;
}

nb::int_ Machine::get(int thread, int reg) const {
    check_idle();
    check_thread(thread);
    check_register(reg);
    return register_value(reg, emu_get(emu, thread, static_cast<enum emu_reg>(reg)));
}

void Machine::set(int thread, int reg, nb::int_ value) {
    check_idle();
    check_thread(thread);
    check_register(reg);
    if (reg >= EMU_CAP_COUNT && !fits(value, reg >= EMU_V0 ? 128 : 64))
        throw nb::value_error("this register is narrower than the value");
    emu_set(emu, thread, static_cast<enum emu_reg>(reg), cap_of_bits(value));
}

nb::tuple Machine::registers(int thread) const {
    check_idle();
    check_thread(thread);
    nb::list out;
    for (int i = 0; i < EMU_REG_END; i++)
        out.append(register_value(i, emu_get(emu, thread, static_cast<enum emu_reg>(i))));
    return nb::tuple(out);
}

void Machine::set_word(int thread, int reg, uint64_t value) {
    check_idle();
    check_thread(thread);
    if (reg < 0 || reg > 30) throw nb::index_error("X registers are 0 to 30");
    emu_set(emu, thread, static_cast<enum emu_reg>(reg), {value, 0, 0});
}

nb::tuple Machine::words(int thread) const {
    check_idle();
    check_thread(thread);
    PyObject *out = PyTuple_New(9);
    if (!out) throw nb::python_error();
    for (int i = 0; i < 9; i++) {
        uint64_t word = emu_get(emu, thread, static_cast<enum emu_reg>(i)).lo;
        PyTuple_SET_ITEM(out, i, PyLong_FromUnsignedLongLong(word));
    }
    return nb::steal<nb::tuple>(out);
}

nb::int_ Machine::get_sysreg(int thread, const char *name) const {
    check_idle();
    check_thread(thread);
    struct emu_cap value;
    if (emu_get_sysreg(emu, thread, name, &value)) throw nb::key_error(name);
    return bits_of(value);
}

void Machine::set_sysreg(int thread, const char *name, nb::int_ value) {
    check_idle();
    check_thread(thread);
    if (emu_set_sysreg(emu, thread, name, cap_of_bits(value))) throw nb::key_error(name);
}

void bind_machine_registers(MachineClass &c) {
    c.def("add_thread", &Machine::add_thread, "mode"_a = EMU_MODE_USER)
        .def("remove_thread", &Machine::remove_thread, "thread"_a)
        .def("threads", &Machine::threads)
        .def("get", &Machine::get, "thread"_a, "reg"_a)
        .def("set", &Machine::set, "thread"_a, "reg"_a, "value"_a)
        .def("registers", &Machine::registers, "thread"_a)
        .def("set_word", &Machine::set_word, "thread"_a, "reg"_a, "value"_a)
        .def("words", &Machine::words, "thread"_a)
        .def("get_sysreg", &Machine::get_sysreg, "thread"_a, "name"_a)
        .def("set_sysreg", &Machine::set_sysreg, "thread"_a, "name"_a, "value"_a);
}

void bind_register_names(nb::module_ &m) { m.def("register_names", &register_names); }

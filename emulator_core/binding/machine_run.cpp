// Running, and what stops it: engines, breakpoints, watchpoints, crossings.
#include "bind.h"
#include "machine.h"

#include <stdexcept>

static void pack_number(std::string &out, uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++) out.push_back(static_cast<char>(value >> 8 * i));
}

static void pack_cap(std::string &out, const struct emu_cap &c) {
    pack_number(out, c.lo, 8);
    pack_number(out, c.hi, 8);
    pack_number(out, c.tag, 8);
}

static void pack_crossing(std::string &out, const struct emu_crossing &c) {
    pack_number(out, c.tick, 8);
    pack_number(out, static_cast<uint32_t>(c.thread), 4);
    for (uint8_t byte : {c.kind, c.cn, c.cm, c.failed}) pack_number(out, byte, 1);
    pack_number(out, c.from, 8);
    pack_number(out, c.to, 8);
    for (const struct emu_cap *cap : {&c.target, &c.paired, &c.pcc, &c.number, &c.result})
        pack_cap(out, *cap);
    for (const struct emu_cap &argument : c.argument) pack_cap(out, argument);
}

static const char *const engine_names[] = {"interp", "jit"};

static enum emu_engine engine_named(const char *text) {
    const std::string name = text;
    if (name == "interp") return EMU_ENGINE_INTERP;
    if (name != "jit") throw nb::value_error("an engine is jit or interp");
    if (emu_jit_missing()) throw nb::value_error(emu_jit_missing());
    return EMU_ENGINE_JIT;
}

void Machine::check_idle() const {
    if (busy) throw std::runtime_error("the machine is running");
}

struct emu_stop Machine::run(int thread, uint64_t max_ticks) {
    check_idle();
    check_thread(thread);
    struct emu_stop stop;
    busy = true;
    {
        nb::gil_scoped_release released;
        emu_run(emu, thread, max_ticks, &stop);
    }
    busy = false;
    return stop;
}

// As run(), but a system call comes as X0 to X8 instead of a stop.
nb::object Machine::run_call(int thread, uint64_t max_ticks) {
    struct emu_stop stop = run(thread, max_ticks);
    return stop.kind == EMU_STOP_SYSCALL ? nb::object(words(thread)) : nb::cast(stop);
}

nb::tuple Machine::run_until_changed(int thread, int reg, bool bounds, uint64_t max_ticks) {
    check_idle();
    check_thread(thread);
    check_register(reg);
    uint64_t pc = 0;
    bool changed;
    busy = true;
    {
        nb::gil_scoped_release released;
        changed = emu_run_until_changed(emu, thread, static_cast<enum emu_reg>(reg), bounds, max_ticks, &pc);
    }
    busy = false;
    return nb::make_tuple(changed, pc);
}

void Machine::interrupt() { emu_interrupt(emu); }
uint64_t Machine::ticks() const { return emu_ticks(emu); }
void Machine::set_ticks(uint64_t ticks) {
    check_idle();
    emu_set_ticks(emu, ticks);
}

void Machine::use_step_engine(int thread, bool on) {
    check_idle();
    check_thread(thread);
    emu_use_step_engine(emu, thread, on);
}

const char *Machine::engine() const { return engine_names[emu_engine(emu)]; }
void Machine::set_engine(const char *name) {
    check_idle();
    emu_set_engine(emu, engine_named(name));
}

uint64_t Machine::translations() const { return emu_translations(emu); }
void Machine::add_breakpoint(uint64_t address) {
    check_idle();
    emu_break_add(emu, address);
}

void Machine::remove_breakpoint(uint64_t address) {
    check_idle();
    if (emu_break_remove(emu, address)) throw nb::key_error("no breakpoint is there");
}

nb::list Machine::breakpoints() const {
    check_idle();
    std::vector<uint64_t> list(emu_breakpoints(emu, nullptr, 0));
    emu_breakpoints(emu, list.data(), list.size());
    nb::list out;
    for (uint64_t address : list) out.append(address);
    return out;
}

int Machine::add_watchpoint(uint64_t address, uint64_t size, unsigned access) {
    check_idle();
    int id = emu_watch_add(emu, address, size, access);
    if (id < 0) throw nb::value_error("a watchpoint is a range of at least one byte and a set of accesses");
    return id;
}

void Machine::remove_watchpoint(int id) {
    check_idle();
    if (emu_watch_remove(emu, id)) throw nb::key_error("no such watchpoint");
}

void Machine::set_ring_limit(size_t crossings) { emu_set_ring_limit(emu, crossings); }
nb::list Machine::crossings() {
    check_idle();
    nb::list out;
    while (size_t n = emu_crossings(emu, drained.data(), drained.size()))
        for (size_t i = 0; i < n; i++) out.append(nb::cast(drained[i]));
    return out;
}

// The same as bytes, as recordings keep them: FORMAT.md of sessions, "Crossings".
nb::bytes Machine::crossings_packed() {
    check_idle();
    std::string out;
    while (size_t n = emu_crossings(emu, drained.data(), drained.size()))
        for (size_t i = 0; i < n; i++) pack_crossing(out, drained[i]);
    return nb::bytes(out.data(), out.size());
}

void bind_machine_run(MachineClass &c) {
    c.def("run_call", &Machine::run_call, "thread"_a, "max_ticks"_a)
        .def("run", &Machine::run, "thread"_a, "max_ticks"_a)
        .def("run_until_changed", &Machine::run_until_changed, "thread"_a, "reg"_a, "bounds"_a, "max_ticks"_a)
        .def("interrupt", &Machine::interrupt)
        .def_prop_rw("ticks", &Machine::ticks, &Machine::set_ticks)
        .def_prop_rw("engine", &Machine::engine, &Machine::set_engine)
        .def_prop_ro("translations", &Machine::translations)
        .def("use_step_engine", &Machine::use_step_engine, "thread"_a, "on"_a)
        .def("add_breakpoint", &Machine::add_breakpoint, "address"_a)
        .def("remove_breakpoint", &Machine::remove_breakpoint, "address"_a)
        .def("breakpoints", &Machine::breakpoints)
        .def("add_watchpoint", &Machine::add_watchpoint, "address"_a, "size"_a, "access"_a)
        .def("remove_watchpoint", &Machine::remove_watchpoint, "watch"_a)
        .def("crossings", &Machine::crossings)
        .def("crossings_packed", &Machine::crossings_packed)
        .def("set_ring_limit", &Machine::set_ring_limit, "crossings"_a);
}

void bind_engines(nb::module_ &m) {
    m.def("jit_missing", &emu_jit_missing);
    m.def("default_engine", [] { return engine_names[emu_default_engine()]; });
    m.def(
        "set_default_engine",
        [](const char *name, int64_t look) {
            if (emu_set_default_engine(engine_named(name), look))
                throw nb::value_error("expected at least one tick between looks");
        },
        "name"_a, "look"_a = 4096);
}

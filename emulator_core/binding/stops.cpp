// Why the machine stopped, what crossed, what is not mapped.
#include "bind.h"
#include "values.h"

void bind_stops(nb::module_ &m) {
    nb::class_<struct emu_fault>(m, "Fault", nb::is_final())
        .def_ro("kind", &emu_fault::kind)
        .def_ro("access", &emu_fault::access)
        .def_ro("address", &emu_fault::address)
        .def_ro("size", &emu_fault::size)
        .def_ro("reg", &emu_fault::reg)
        .def_prop_ro("cap", [](const struct emu_fault &f) { return bits_of(f.cap); })
        .def_ro("needed", &emu_fault::needed)
        .def_ro("esr", &emu_fault::esr)
        .def_ro("immediate", &emu_fault::immediate);
    nb::class_<struct emu_stop>(m, "Stop", nb::is_final())
        .def_ro("kind", &emu_stop::kind)
        .def_ro("thread", &emu_stop::thread)
        .def_ro("tick", &emu_stop::tick)
        .def_ro("pc", &emu_stop::pc)
        .def_prop_ro("fault",
                     [](const struct emu_stop &s) -> nb::object {
                         return s.kind == EMU_STOP_FAULT ? nb::cast(s.fault) : nb::none();
                     })
        .def_ro("watch", &emu_stop::watch)
        .def_ro("address", &emu_stop::address)
        .def_ro("size", &emu_stop::size)
        .def_ro("value", &emu_stop::value)
        .def_ro("instruction", &emu_stop::instruction)
        .def_ro("access", &emu_stop::access)
        .def_ro("clause", &emu_stop::clause);
    nb::class_<struct emu_crossing>(m, "Crossing", nb::is_final())
        .def_ro("tick", &emu_crossing::tick)
        .def_ro("thread", &emu_crossing::thread)
        .def_prop_ro("kind",
                     [](const struct emu_crossing &c) { return static_cast<enum emu_crossing_kind>(c.kind); })
        .def_ro("cn", &emu_crossing::cn)
        .def_ro("cm", &emu_crossing::cm)
        .def_prop_ro("failed",
                     [](const struct emu_crossing &c) { return static_cast<enum emu_pair_check>(c.failed); })
        .def_ro("origin", &emu_crossing::from)
        .def_ro("to", &emu_crossing::to)
        .def_prop_ro("target", [](const struct emu_crossing &c) { return bits_of(c.target); })
        .def_prop_ro("paired", [](const struct emu_crossing &c) { return bits_of(c.paired); })
        .def_prop_ro("pcc", [](const struct emu_crossing &c) { return bits_of(c.pcc); })
        .def_prop_ro("number", [](const struct emu_crossing &c) { return bits_of(c.number); })
        .def_prop_ro("result", [](const struct emu_crossing &c) { return bits_of(c.result); })
        .def_prop_ro("argument", [](const struct emu_crossing &c) {
            nb::list out;
            for (const struct emu_cap &argument : c.argument) out.append(bits_of(argument));
            return nb::tuple(out);
        });
}

void bind_unmapped(nb::module_ &m) {
    static PyObject *type = PyErr_NewException("emulator_core._core.Unmapped", PyExc_Exception, nullptr);
    m.attr("Unmapped") = nb::handle(type);
    nb::register_exception_translator([](const std::exception_ptr &p, void *) {
        try {
            std::rethrow_exception(p);
        } catch (const Unmapped &e) {
            nb::object address = nb::int_(e.address);
            nb::object exception = nb::handle(type)(address);
            nb::setattr(exception, "address", address);
            PyErr_SetObject(type, exception.ptr());
        }
    });
}

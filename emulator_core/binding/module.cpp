// The Python face of the machine; a file a subject (bind.h). Nothing else includes Python.
#include "bind.h"
#include "machine.h"

// The class stands before its subjects, and everything that its defaults and results name before it.
void bind_machine(nb::module_ &m) {
    m.attr("PAGE") = static_cast<int>(EMU_PAGE);
    m.attr("GRANULE") = static_cast<int>(EMU_GRANULE);
    m.attr("HOSTCALL_HLT") = static_cast<int>(EMU_HOSTCALL_HLT);
    MachineClass machine(m, "Machine", nb::is_final());
    machine.def(nb::init<>());
    bind_machine_memory(machine);
    bind_machine_registers(machine);
    bind_machine_run(machine);
    bind_machine_served(machine);
    bind_machine_state(machine);
}

NB_MODULE(_core, m) {
    nb::set_leak_warnings(false); // what a program keeps at its end is no leak
    bind_capability(m);
    bind_capability_instructions(m);
    bind_enums(m);
    bind_unmapped(m);
    bind_stops(m);
    bind_snapshot(m);
    bind_machine(m);
    bind_register_names(m);
    bind_engines(m);
    bind_isa(m);
}

// The words of the machine.
#include "bind.h"
#include "values.h"

enum class Prot { R = EMU_PROT_R, W = EMU_PROT_W, X = EMU_PROT_X };
enum class CapProt { LOAD = EMU_CAP_LOAD, LOAD_FAULT = EMU_CAP_LOAD_FAULT, STORE = EMU_CAP_STORE };
enum class Watch { READ = EMU_WATCH_READ, WRITE = EMU_WATCH_WRITE, TAG = EMU_WATCH_TAG };

void bind_enums(nb::module_ &m) {
    nb::enum_<Prot>(m, "Prot", nb::is_arithmetic(), nb::is_flag())
        .value("R", Prot::R)
        .value("W", Prot::W)
        .value("X", Prot::X);
    nb::enum_<CapProt>(m, "CapProt", nb::is_arithmetic(), nb::is_flag())
        .value("LOAD", CapProt::LOAD)
        .value("LOAD_FAULT", CapProt::LOAD_FAULT)
        .value("STORE", CapProt::STORE);
    nb::enum_<Watch>(m, "Watch", nb::is_arithmetic(), nb::is_flag())
        .value("READ", Watch::READ)
        .value("WRITE", Watch::WRITE)
        .value("TAG", Watch::TAG);
    nb::enum_<enum emu_mode>(m, "Mode", nb::is_arithmetic())
        .value("USER", EMU_MODE_USER)
        .value("SYSTEM", EMU_MODE_SYSTEM);
    nb::enum_<enum emu_stop_kind>(m, "StopKind", nb::is_arithmetic())
        .value("BUDGET", EMU_STOP_BUDGET)
        .value("INTERRUPT", EMU_STOP_INTERRUPT)
        .value("SYSCALL", EMU_STOP_SYSCALL)
        .value("HOSTCALL", EMU_STOP_HOSTCALL)
        .value("FAULT", EMU_STOP_FAULT)
        .value("BREAKPOINT", EMU_STOP_BREAKPOINT)
        .value("WATCHPOINT", EMU_STOP_WATCHPOINT)
        .value("RING_FULL", EMU_STOP_RING_FULL)
        .value("DEVICE", EMU_STOP_DEVICE)
        .value("UNSUPPORTED", EMU_STOP_UNSUPPORTED)
        .value("HALT", EMU_STOP_HALT)
        .value("ABSENT", EMU_STOP_ABSENT);
    nb::enum_<enum emu_fault_kind>(m, "FaultKind", nb::is_arithmetic())
        .value("NONE", EMU_FAULT_NONE)
        .value("UNMAPPED", EMU_FAULT_UNMAPPED)
        .value("PAGE_PERMISSION", EMU_FAULT_PAGE_PERMISSION)
        .value("ALIGNMENT", EMU_FAULT_ALIGNMENT)
        .value("PC_ALIGNMENT", EMU_FAULT_PC_ALIGNMENT)
        .value("SP_ALIGNMENT", EMU_FAULT_SP_ALIGNMENT)
        .value("CAP_TAG", EMU_FAULT_CAP_TAG)
        .value("CAP_SEALED", EMU_FAULT_CAP_SEALED)
        .value("CAP_BOUNDS", EMU_FAULT_CAP_BOUNDS)
        .value("CAP_PERMISSION", EMU_FAULT_CAP_PERMISSION)
        .value("UNDEFINED", EMU_FAULT_UNDEFINED)
        .value("BRK", EMU_FAULT_BRK)
        .value("SYSTEM_ACCESS", EMU_FAULT_SYSTEM_ACCESS)
        .value("CAP_PAGE", EMU_FAULT_CAP_PAGE);
    nb::enum_<enum emu_access>(m, "Access", nb::is_arithmetic())
        .value("FETCH", EMU_FETCH)
        .value("READ", EMU_READ)
        .value("WRITE", EMU_WRITE)
        .value("READ_CAP", EMU_READ_CAP)
        .value("WRITE_CAP", EMU_WRITE_CAP);
    nb::enum_<enum emu_crossing_kind>(m, "CrossingKind", nb::is_arithmetic())
        .value("PAIR", EMU_CROSSING_PAIR)
        .value("SENTRY", EMU_CROSSING_SENTRY)
        .value("FAILED", EMU_CROSSING_FAILED);
    nb::enum_<enum emu_pair_check>(m, "PairCheck", nb::is_arithmetic(), nb::is_flag())
        .value("CN_TAG", EMU_PAIR_CN_TAG)
        .value("CM_TAG", EMU_PAIR_CM_TAG)
        .value("CN_SEALED", EMU_PAIR_CN_SEALED)
        .value("CM_SEALED", EMU_PAIR_CM_SEALED)
        .value("OTYPE", EMU_PAIR_OTYPE)
        .value("BSP", EMU_PAIR_BSP)
        .value("EXECUTE", EMU_PAIR_EXECUTE)
        .value("EXECUTIVE", EMU_PAIR_EXECUTIVE);
}

/* Capability system registers: who may touch them and what they hold is the table of sysreg.h. */
#include "exec_morello.h"

EXEC(MRS_C_I_C) {
    struct cap value;
    if (!caps_enabled(cpu) || !sysreg_read_cap(cpu, word, &value)) return FAULT;
    c_set(cpu, rd(word), value);
    return NEXT;
}

EXEC(MSR_C_I_C) {
    if (!caps_enabled(cpu)) return FAULT;
    return sysreg_write_cap(cpu, word, c_get(cpu, rd(word))) ? NEXT : FAULT;
}

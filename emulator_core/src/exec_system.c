/* System registers, PSTATE, waiting, and the instructions that make an exception. */
#include "exec.h"

enum { EL0, EL1, EL2, EL3 };
enum { EC_WFX = 0x01, EC_SVC = 0x15, EC_HVC = 0x16, EC_SMC = 0x17 };

static uint64_t control(struct cpu *cpu, enum sys_word name) { return cpu->sys.word[name]; }
static uint32_t immediate16(uint32_t word) { return field(word, 5, 16); }
static uint32_t syndrome(unsigned class, uint32_t iss) { return class << 26 | 1u << 25 | iss; }

/* ---- registers ----------------------------------------------------------------------------------------- */

EXEC(mrs_aarch64_instrs_system_register_system) {
    uint64_t value;
    if (!sysreg_read(cpu, word, &value)) return FAULT;
    x_set(cpu, field(word, 0, 5), value);
    return NEXT;
}

EXEC(msr_reg_aarch64_instrs_system_register_system) {
    return sysreg_write(cpu, word, x_get(cpu, field(word, 0, 5))) ? NEXT : FAULT;
}

static enum outcome pstate_assign(struct cpu *cpu, uint32_t mask, bool set) {
    cpu->pstate = set ? cpu->pstate | mask : cpu->pstate & ~mask;
    cpu_refresh(cpu);
    return NEXT;
}

/* EL0 may mask interrupts only if SCTLR_EL1.UMA lets it. */
static bool may_mask(struct cpu *cpu, uint32_t word) {
    if (el_get(cpu) != EL0 || control(cpu, SYS_SCTLR_EL1) >> 9 & 1) return true;
    trap_to(cpu, el1_or_host(cpu), system_syndrome(0x18, word, false));
    return false;
}

enum {
    FIELD_UAO = 0x03,
    FIELD_PAN = 0x04,
    FIELD_SP = 0x05,
    FIELD_SSBS = 0x31,
    FIELD_DAIF_SET = 0x36,
    FIELD_DAIF_CLEAR = 0x37
};

/* MSR <field>, #imm: op1 and op2 are the two digits of the field's number. */
EXEC(msr_imm_aarch64_instrs_system_register_cpsr) {
    unsigned name = field(word, 16, 3) << 4 | field(word, 5, 3), operand = field(word, 8, 4);
    if (field(word, 16, 3) == 0 && el_get(cpu) == EL0) return undefined(cpu);
    switch (name) {
    case FIELD_UAO: return pstate_assign(cpu, PSTATE_UAO, operand & 1);
    case FIELD_PAN: return pstate_assign(cpu, PSTATE_PAN, operand & 1);
    case FIELD_SSBS: return pstate_assign(cpu, PSTATE_SSBS, operand & 1);
    case FIELD_SP: return is_executive(cpu) ? pstate_assign(cpu, PSTATE_SP, operand & 1) : NEXT;
    case FIELD_DAIF_SET:
    case FIELD_DAIF_CLEAR:
        return may_mask(cpu, word) ? pstate_assign(cpu, operand << 6, name == FIELD_DAIF_SET) : FAULT;
    default: return undefined(cpu);
    }
}

/* ---- hints and barriers -------------------------------------------------------------------------------- */

/* A wait that SCTLR (nTWI, nTWE), HCR (TWI, TWE) or SCR (TWI, TWE) turns into an exception; index 1 is WFE.
 */
static bool wait_trapped(struct cpu *cpu, unsigned index) {
    uint32_t esr = syndrome(EC_WFX, 0x1e << 20 | index);
    unsigned el = el_get(cpu), target = EL0;
    if (el == EL0 && !(control(cpu, SYS_SCTLR_EL1) >> (index ? 18 : 16) & 1))
        target = el1_or_host(cpu);
    else if (el <= EL1 && el2_enabled(cpu) && control(cpu, SYS_HCR_EL2) >> (13 + index) & 1)
        target = EL2;
    else if (el <= EL2 && control(cpu, SYS_SCR_EL3) >> (12 + index) & 1)
        target = EL3;
    if (target) trap_to(cpu, target, esr);
    return target != EL0;
}

EXEC(wfe_aarch64_instrs_system_hints) {
    (void)word;
    return wait_trapped(cpu, 1) ? FAULT : NEXT;
}

/* Bare metal that waits for an interrupt waits for ever: there is none. Under a kernel a wait ends at once.
 */
EXEC(wfi_aarch64_instrs_system_hints) {
    (void)word;
    if (wait_trapped(cpu, 0)) return FAULT;
    return cpu->mode == EMU_MODE_SYSTEM ? trap_stop(cpu, EMU_STOP_HALT, 0) : NEXT;
}

/* ---- exceptions ---------------------------------------------------------------------------------------- */

EXEC(svc_aarch64_instrs_system_exceptions_runtime_svc) {
    if (cpu->mode == EMU_MODE_USER) return trap_stop(cpu, EMU_STOP_SYSCALL, immediate16(word));
    return exception_call(cpu, el1_or_host(cpu), syndrome(EC_SVC, immediate16(word)));
}

EXEC(hvc_aarch64_instrs_system_exceptions_runtime_hvc) {
    bool secure = !(control(cpu, SYS_SCR_EL3) & 1), enabled = control(cpu, SYS_SCR_EL3) >> 8 & 1;
    if (el_get(cpu) == EL0 || (el_get(cpu) == EL1 && secure) || !enabled) return undefined(cpu);
    return exception_call(cpu, EL2, syndrome(EC_HVC, immediate16(word)));
}

EXEC(smc_aarch64_instrs_system_exceptions_runtime_smc) {
    bool to_el2 = el_get(cpu) == EL1 && el2_enabled(cpu) && control(cpu, SYS_HCR_EL2) >> 19 & 1;
    if (el_get(cpu) == EL0) return undefined(cpu);
    if (to_el2) {
        trap_to(cpu, EL2, syndrome(EC_SMC, immediate16(word)));
        return FAULT;
    }
    if (control(cpu, SYS_SCR_EL3) >> 7 & 1) return undefined(cpu);
    return exception_call(cpu, EL3, syndrome(EC_SMC, immediate16(word)));
}

EXEC(brk_aarch64_instrs_system_exceptions_debug_breakpoint) {
    return breakpoint_instruction(cpu, immediate16(word));
}

/* Halting debug is off, so HLT is undefined; one immediate is the way out to the monitor. */
EXEC(hlt_aarch64_instrs_system_exceptions_debug_halt) {
    bool hostcall = cpu->mode == EMU_MODE_USER && immediate16(word) == EMU_HOSTCALL_HLT;
    return hostcall ? trap_stop(cpu, EMU_STOP_HOSTCALL, immediate16(word)) : undefined(cpu);
}

EXEC(eret_aarch64_instrs_branch_unconditional_eret) {
    (void)word;
    return el_get(cpu) == EL0 ? undefined(cpu) : exception_return(cpu);
}

/* Undefined here: debug state is never entered; there is no pointer authentication and no SB. */
static enum outcome absent(struct cpu *cpu, uint32_t word) {
    (void)word;
    return undefined(cpu);
}
EXEC(dcps1_aarch64_instrs_system_exceptions_debug_exception) { return absent(cpu, word); }
EXEC(dcps2_aarch64_instrs_system_exceptions_debug_exception) { return absent(cpu, word); }
EXEC(dcps3_aarch64_instrs_system_exceptions_debug_exception) { return absent(cpu, word); }
EXEC(drps_aarch64_instrs_branch_unconditional_dret) { return absent(cpu, word); }
EXEC(ereta_aarch64_instrs_branch_unconditional_eret) { return absent(cpu, word); }
EXEC(bra_aarch64_instrs_branch_unconditional_register) { return absent(cpu, word); }
EXEC(blra_aarch64_instrs_branch_unconditional_register) { return absent(cpu, word); }
EXEC(reta_aarch64_instrs_branch_unconditional_register) { return absent(cpu, word); }
EXEC(sb_aarch64_instrs_system_barriers_sb) { return absent(cpu, word); }
EXEC(sysl_aarch64_instrs_system_sysops) { return absent(cpu, word); }

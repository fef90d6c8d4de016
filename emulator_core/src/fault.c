/* Faults and exceptions: what keeps an instruction from retiring, and where bare metal takes it. */
#include "fault.h"
#include "access.h"
#include "slots.h"

#include <string.h>

enum { EL0, EL1, EL2, EL3 };

/* Exception classes, ESR bits 31..26. A class from a lower EL is one less than from the same. */
enum {
    EC_UNKNOWN = 0x00,
    EC_ILLEGAL_STATE = 0x0e,
    EC_SYSTEM_REGISTER = 0x18,
    EC_FETCH_ABORT = 0x20,
    EC_PC_ALIGNMENT = 0x22,
    EC_DATA_ABORT = 0x24,
    EC_SP_ALIGNMENT = 0x26,
    EC_BRK = 0x3c,
};
enum { ESR_EC_LSB = 26, ESR_WNR = 1 << 6 };
#define ESR_IL ((uint32_t)1 << 25)

/* Status codes of aborts, ESR bits 5..0. */
static uint32_t status_code(struct cpu *cpu, enum emu_fault_kind kind) {
    switch (kind) {
    case EMU_FAULT_UNMAPPED: return cpu->mode == EMU_MODE_USER || cpu->translating ? 0x07 : 0x10;
    case EMU_FAULT_PAGE_PERMISSION: return 0x0f;
    case EMU_FAULT_ALIGNMENT: return 0x21;
    case EMU_FAULT_CAP_TAG: return 0x28;
    case EMU_FAULT_CAP_SEALED: return 0x29;
    case EMU_FAULT_CAP_BOUNDS: return 0x2a;
    case EMU_FAULT_CAP_PERMISSION: return 0x2b;
    case EMU_FAULT_CAP_PAGE: return 0x2c;
    default: return 0;
    }
}

static bool is_capability_fault(enum emu_fault_kind kind) {
    return kind >= EMU_FAULT_CAP_TAG && kind <= EMU_FAULT_CAP_PERMISSION;
}

static bool is_abort(enum emu_fault_kind kind) {
    return kind == EMU_FAULT_UNMAPPED || kind == EMU_FAULT_PAGE_PERMISSION || kind == EMU_FAULT_ALIGNMENT ||
           kind == EMU_FAULT_CAP_PAGE || is_capability_fault(kind);
}

/* ---- routing ------------------------------------------------------------------------------------------- */

static uint64_t word(struct cpu *cpu, unsigned name) { return cpu->sys.word[name]; }
static bool non_secure(struct cpu *cpu) { return word(cpu, SYS_SCR_EL3) & 1; }
static bool general_exceptions_to_el2(struct cpu *cpu) {
    return non_secure(cpu) && word(cpu, SYS_HCR_EL2) >> 27 & 1;
}
static bool host_extensions(struct cpu *cpu) { return non_secure(cpu) && word(cpu, SYS_HCR_EL2) >> 34 & 1; }

static bool caps_disabled_at_el2(struct cpu *cpu) {
    uint64_t cptr = word(cpu, SYS_CPTR_EL2);
    return non_secure(cpu) && (host_extensions(cpu) ? !(cptr >> 18 & 1) : cptr >> 9 & 1);
}

bool caps_enabled_at(struct cpu *cpu, unsigned el) {
    if (cpu->mode == EMU_MODE_USER) return true;
    bool host = host_extensions(cpu) && word(cpu, SYS_HCR_EL2) >> 27 & 1;
    unsigned cpacr = word(cpu, SYS_CPACR_EL1) >> 18 & 3;
    if (!(word(cpu, SYS_CPTR_EL3) >> 9 & 1)) return false;
    if (el == EL3) return true;
    if (caps_disabled_at_el2(cpu)) return false;
    if (el == EL2) return true;
    if (!host && !(cpacr & 1)) return false;
    if (el == EL1) return true;
    return host ? (word(cpu, SYS_CPTR_EL2) >> 18 & 3) != 1 : cpacr != 1;
}

static unsigned higher(unsigned a, unsigned b) { return a > b ? a : b; }

/* TargetELForCapabilityExceptions. */
static unsigned capability_target(struct cpu *cpu) {
    unsigned lowest = EL3;
    if (caps_enabled_at(cpu, EL1))
        lowest = general_exceptions_to_el2(cpu) ? EL2 : EL1;
    else if (caps_enabled_at(cpu, EL2) && non_secure(cpu))
        lowest = EL2;
    return higher(lowest, cpu_el(cpu));
}

static unsigned fault_target(struct cpu *cpu, enum emu_fault_kind kind) {
    if (is_capability_fault(kind)) return capability_target(cpu);
    return higher(cpu_el(cpu), general_exceptions_to_el2(cpu) ? EL2 : EL1);
}

/* ---- syndromes ----------------------------------------------------------------------------------------- */

static uint32_t exception_class(const struct emu_fault *f) {
    if (is_abort(f->kind)) return f->access == EMU_FETCH ? EC_FETCH_ABORT : EC_DATA_ABORT;
    switch (f->kind) {
    case EMU_FAULT_PC_ALIGNMENT: return EC_PC_ALIGNMENT;
    case EMU_FAULT_SP_ALIGNMENT: return EC_SP_ALIGNMENT;
    case EMU_FAULT_BRK: return EC_BRK;
    case EMU_FAULT_SYSTEM_ACCESS: return EC_SYSTEM_REGISTER;
    default: return EC_UNKNOWN;
    }
}

static uint32_t syndrome(struct cpu *cpu, const struct emu_fault *f, unsigned target) {
    uint32_t class = exception_class(f);
    if (is_abort(f->kind) && target == cpu_el(cpu)) class++;
    uint32_t iss = is_abort(f->kind) ? status_code(cpu, f->kind) : f->immediate;
    bool wrote = f->access == EMU_WRITE || f->access == EMU_WRITE_CAP;
    if (class >> 1 == EC_DATA_ABORT >> 1 && wrote) iss |= ESR_WNR;
    return class << ESR_EC_LSB | ESR_IL | iss;
}

void fault_set(struct cpu *cpu, const struct emu_fault *f) {
    cpu->fault = *f;
    cpu->absent = false;
    cpu->fault_target = fault_target(cpu, f->kind);
    if (!f->esr) cpu->fault.esr = syndrome(cpu, f, cpu->fault_target);
    cpu->faulted = true;
}

void trap_to(struct cpu *cpu, unsigned target_el, uint32_t esr) {
    fault_set(cpu, &(struct emu_fault){.kind = EMU_FAULT_SYSTEM_ACCESS, .reg = EMU_REG_NONE, .esr = esr});
    cpu->fault.address = pc_get(cpu);
    cpu->fault_target = higher(target_el, cpu_el(cpu));
}

static enum outcome plain_fault(struct cpu *cpu, enum emu_fault_kind kind, uint32_t immediate) {
    fault_set(cpu, &(struct emu_fault){.kind = kind,
                                       .access = EMU_FETCH,
                                       .address = pc_get(cpu),
                                       .size = 4,
                                       .reg = EMU_REG_NONE,
                                       .immediate = immediate});
    return FAULT;
}

enum outcome undefined(struct cpu *cpu) { return plain_fault(cpu, EMU_FAULT_UNDEFINED, 0); }
enum outcome breakpoint_instruction(struct cpu *cpu, uint32_t immediate) {
    return plain_fault(cpu, EMU_FAULT_BRK, immediate);
}

enum outcome system_access(struct cpu *cpu) {
    struct cap pcc = pcc_get(cpu);
    plain_fault(cpu, EMU_FAULT_SYSTEM_ACCESS, 0);
    cpu->fault.reg = EMU_PCC;
    cpu->fault.cap = (struct emu_cap){pcc.lo, pcc.hi, pcc.tag};
    cpu->fault.needed = CAP_PERM_SYSTEM;
    cpu->fault_target = capability_target(cpu);
    return FAULT;
}

enum outcome fault_capability(struct cpu *cpu, enum emu_fault_kind kind, struct va va, enum emu_access access,
                              uint32_t needed) {
    fault_set(cpu, &(struct emu_fault){.kind = kind,
                                       .access = access,
                                       .address = va.address,
                                       .reg = va.reg,
                                       .cap = {va.cap.lo, va.cap.hi, va.cap.tag},
                                       .needed = needed});
    return FAULT;
}

/* ---- exceptions ---------------------------------------------------------------------------------------- */

static const uint16_t esr_of[] = {0, SYS_ESR_EL1, SYS_ESR_EL2, SYS_ESR_EL3};
static const uint16_t far_of[] = {0, SYS_FAR_EL1, SYS_FAR_EL2, SYS_FAR_EL3};
static const uint16_t spsr_of[] = {0, SYS_SPSR_EL1, SYS_SPSR_EL2, SYS_SPSR_EL3};
static const uint16_t sctlr_of[] = {0, SYS_SCTLR_EL1, SYS_SCTLR_EL2, SYS_SCTLR_EL3};
static const uint16_t cctlr_of[] = {0, SYS_CCTLR_EL1, SYS_CCTLR_EL2, SYS_CCTLR_EL3};
static const uint16_t celr_of[] = {0, SYSCAP_CELR_EL1, SYSCAP_CELR_EL2, SYSCAP_CELR_EL3};
static const uint16_t cvbar_of[] = {0, SYSCAP_CVBAR_EL1, SYSCAP_CVBAR_EL2, SYSCAP_CVBAR_EL3};
enum { SCTLR_SPAN = 23, SCTLR_DSSBS = 44, VECTOR_LOWER = 0x400, VECTOR_SPX = 0x200, VECTOR_SIZE = 0x800 };

uint32_t spsr_get(struct cpu *cpu) { return cpu->pstate | flags_get(cpu) << 28; }

/*   vector offset   000 same EL, SP_EL0     200 same EL, SP_ELx     400 from a lower EL */
static uint64_t vector_offset(struct cpu *cpu, unsigned target) {
    if (target > cpu_el(cpu)) return VECTOR_LOWER;
    return cpu->pstate & PSTATE_SP && is_executive(cpu) ? VECTOR_SPX : 0;
}

static uint32_t pstate_at_entry(struct cpu *cpu, unsigned target) {
    uint64_t sctlr = word(cpu, sctlr_of[target]);
    uint32_t pstate = PSTATE_SP | target << PSTATE_EL_LSB | PSTATE_DAIF;
    if (cpu->pstate & PSTATE_PAN || (target == EL1 && !(sctlr >> SCTLR_SPAN & 1))) pstate |= PSTATE_PAN;
    if (sctlr >> SCTLR_DSSBS & 1) pstate |= PSTATE_SSBS;
    if (caps_enabled_at(cpu, target) && word(cpu, cctlr_of[target]) & CCTLR_C64E) pstate |= PSTATE_C64;
    return pstate;
}

void exception_take(struct cpu *cpu, unsigned target, uint32_t esr, uint64_t return_address) {
    uint64_t offset = vector_offset(cpu, target);
    bool caps = caps_enabled_at(cpu, target);
    struct cap pcc = pcc_get(cpu);
    cpu->sys.word[spsr_of[target]] = spsr_get(cpu);
    cpu->sys.word[esr_of[target]] = esr;
    cpu->sys.cap[celr_of[target]] =
        caps ? cap_set_value(pcc, return_address) : (struct cap){return_address, 0, false};
    cpu->pstate = pstate_at_entry(cpu, target);
    struct cap vector = caps ? cpu->sys.cap[cvbar_of[target]] : pcc;
    uint64_t start = cpu->sys.cap[cvbar_of[target]].lo & ~(uint64_t)(VECTOR_SIZE - 1);
    branch_to_cap(cpu, cap_set_value(vector, start | offset));
    cpu_refresh(cpu);
}

static bool has_address(enum emu_fault_kind kind) { return is_abort(kind) || kind == EMU_FAULT_PC_ALIGNMENT; }

bool fault_deliver(struct cpu *cpu) {
    cpu->faulted = false;
    if (cpu->mode == EMU_MODE_USER || cpu->absent) return false;
    if (has_address(cpu->fault.kind)) cpu->sys.word[far_of[cpu->fault_target]] = cpu->fault.address;
    exception_take(cpu, cpu->fault_target, cpu->fault.esr, pc_get(cpu));
    return true;
}

/* SVC, HVC and SMC retire, and return to the instruction after them. */
enum outcome exception_call(struct cpu *cpu, unsigned target_el, uint32_t esr) {
    exception_take(cpu, higher(target_el, cpu_el(cpu)), esr, pc_get(cpu) + 4);
    return BRANCH;
}

/* ---- return -------------------------------------------------------------------------------------------- */

static bool return_is_legal(struct cpu *cpu, uint32_t spsr) {
    unsigned target = spsr >> PSTATE_EL_LSB & 3;
    if (spsr & 0x12 || (target == EL0 && spsr & PSTATE_SP)) return false;
    if (target == EL2 && !non_secure(cpu)) return false;
    if (target == EL1 && general_exceptions_to_el2(cpu)) return false;
    return target <= cpu_el(cpu);
}

enum {
    PSTATE_FROM_SPSR = PSTATE_DAIF | PSTATE_PAN | PSTATE_UAO,
    PSTATE_LEGAL = 0xd | PSTATE_IL | PSTATE_SSBS
};

/* SetPSTATEFromPSR. */
static void pstate_restore(struct cpu *cpu, uint32_t spsr) {
    uint32_t pstate = spsr & PSTATE_FROM_SPSR;
    if (return_is_legal(cpu, spsr)) {
        pstate |= spsr & PSTATE_LEGAL;
        if (caps_enabled_at(cpu, spsr >> PSTATE_EL_LSB & 3)) pstate |= spsr & PSTATE_C64;
    } else {
        pstate |= (cpu->pstate & (0xd | PSTATE_SSBS)) | PSTATE_IL;
        if (caps_enabled_at(cpu, cpu_el(cpu))) pstate |= cpu->pstate & PSTATE_C64;
    }
    cpu->pstate = pstate;
    flags_set(cpu, spsr >> 28);
}

enum outcome exception_return(struct cpu *cpu) {
    unsigned el = cpu_el(cpu);
    struct cap celr = cpu->sys.cap[celr_of[el]];
    struct cap target = caps_enabled_at(cpu, el) ? celr : cap_set_value(pcc_get(cpu), celr.lo);
    bool permitted = cap_check_permissions(pcc_get(cpu), CAP_PERM_SYSTEM | CAP_PERM_EXECUTE);
    pstate_restore(cpu, (uint32_t)word(cpu, spsr_of[el]));
    exclusive_clear(cpu);
    if (!permitted || cap_is_exponent_out_of_range(target)) target.tag = false;
    branch_to_cap(cpu, target);
    cpu_refresh(cpu);
    return BRANCH;
}

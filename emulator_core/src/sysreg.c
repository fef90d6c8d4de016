/* Access to system registers: find the row, ask its gates and traps, then read or write where the value
 * stands. */
#include "exec.h"

#include <stdlib.h>
#include <string.h>

enum { EL0, EL1, EL2, EL3, NO };
enum gate {
    H = 1 << 0,
    P = 1 << 1,
    X = 1 << 2,
    S = 1 << 3,
    V = 1 << 4,
    F = 1 << 5,
    C = 1 << 6,
    O = 1 << 7,
    W = 1 << 8,
    Z = 1 << 9,
};
enum trap {
    TRAP_NONE,
    TRAP_VM,
    TRAP_TID1,
    TRAP_TID2,
    TRAP_TID3,
    TRAP_ACTLR,
    TRAP_CPAC,
    TRAP_DEBUG,
    TRAP_DEBUG_ROM,
    TRAP_OSLOCK,
    TRAP_ERR,
    TRAP_UCT,
    TRAP_UMA,
    TRAP_VCT,
    TRAP_PCT,
    TRAP_FRQ,
    TRAP_VT,
    TRAP_PT,
    TRAP_PS,
};
enum { EC_SYSTEM_REGISTER = 0x18, EC_CAPABILITY_REGISTER = 0x2a };
enum { READ = 1, WRITE = 2, BOTH = 3 };

struct row {
    uint16_t key, gates; /* key: op0 op1 CRn CRm op2, as bits 20..5 of MRS */
    uint8_t read_el, write_el, trap, cap;
};
#define KEY(op0, op1, crn, crm, op2) (op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2)
static const struct row rows[] = {
#define REG(name, op0, op1, crn, crm, op2, read, write, gates, trap, cap)                                    \
    {KEY(op0, op1, crn, crm, op2), gates, read, write, TRAP_##trap, SYSCAP_##cap},
#include "sysreg.inc"
#undef REG
};

/* How HCR_EL2 has EL2 stand to EL0 and EL1: E2H clear (or no EL2), E2H alone, E2H and TGE. */
enum regime { GUEST = 1, HYBRID = 2, HOST = 4, ANY = 7 };
enum { AT0 = 1 << EL0, AT1 = 1 << EL1, AT2 = 1 << EL2 };

/* An access from one of els is trapped to target while (word & mask) != 0 equals set. */
struct trap_rule {
    uint8_t trap, direction, els, regimes, target;
    uint16_t reg;
    uint64_t mask;
    bool set;
};
#define BIT(n) ((uint64_t)1 << (n))
static const struct trap_rule trap_rules[] = {
    {TRAP_VM, READ, AT1, ANY, EL2, SYS_HCR_EL2, BIT(30), true},  /* TRVM */
    {TRAP_VM, WRITE, AT1, ANY, EL2, SYS_HCR_EL2, BIT(26), true}, /* TVM */
    {TRAP_TID1, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(16), true},
    {TRAP_TID2, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(17) | BIT(49), true}, /* TID2, TID4 */
    {TRAP_TID3, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(18), true},
    {TRAP_ACTLR, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(21), true}, /* TACR */
    {TRAP_CPAC, BOTH, AT1, ANY, EL2, SYS_CPTR_EL2, BIT(31), true}, /* TCPAC */
    {TRAP_CPAC, BOTH, AT1 | AT2, ANY, EL3, SYS_CPTR_EL3, BIT(31), true},
    {TRAP_DEBUG, BOTH, AT1, ANY, EL2, SYS_MDCR_EL2, BIT(8) | BIT(9), true}, /* TDE, TDA */
    {TRAP_DEBUG, BOTH, AT1 | AT2, ANY, EL3, SYS_MDCR_EL3, BIT(9), true},
    {TRAP_DEBUG_ROM, BOTH, AT1, ANY, EL2, SYS_MDCR_EL2, BIT(8) | BIT(11), true}, /* TDE, TDRA */
    {TRAP_DEBUG_ROM, BOTH, AT1 | AT2, ANY, EL3, SYS_MDCR_EL3, BIT(9), true},
    {TRAP_OSLOCK, BOTH, AT1, ANY, EL2, SYS_MDCR_EL2, BIT(8) | BIT(10), true}, /* TDE, TDOSA */
    {TRAP_OSLOCK, BOTH, AT1 | AT2, ANY, EL3, SYS_MDCR_EL3, BIT(10), true},
    {TRAP_ERR, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(36), true}, /* TERR */
    {TRAP_ERR, BOTH, AT1 | AT2, ANY, EL3, SYS_SCR_EL3, BIT(15), true},
    {TRAP_UCT, BOTH, AT0, GUEST | HYBRID, EL1, SYS_SCTLR_EL1, BIT(15), false},
    {TRAP_UCT, BOTH, AT0, HOST, EL2, SYS_SCTLR_EL2, BIT(15), false},
    {TRAP_UCT, BOTH, AT0, GUEST | HYBRID, EL2, SYS_HCR_EL2, BIT(17), true}, /* TID2 */
    {TRAP_UCT, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(17), true},
    {TRAP_UMA, BOTH, AT0, GUEST | HYBRID, EL1, SYS_SCTLR_EL1, BIT(9), false},
    {TRAP_UMA, BOTH, AT0, HOST, EL2, SYS_SCTLR_EL1, 0, false},
    {TRAP_VCT, BOTH, AT0, GUEST | HYBRID, EL1, SYS_CNTKCTL_EL1, BIT(1), false}, /* EL0VCTEN */
    {TRAP_VCT, BOTH, AT0, HOST, EL2, SYS_CNTHCTL_EL2, BIT(1), false},
    {TRAP_PCT, BOTH, AT0, GUEST | HYBRID, EL1, SYS_CNTKCTL_EL1, BIT(0), false}, /* EL0PCTEN */
    {TRAP_PCT, BOTH, AT0, HOST, EL2, SYS_CNTHCTL_EL2, BIT(0), false},
    {TRAP_PCT, BOTH, AT0 | AT1, GUEST, EL2, SYS_CNTHCTL_EL2, BIT(0), false}, /* EL1PCTEN */
    {TRAP_PCT, BOTH, AT0 | AT1, HYBRID, EL2, SYS_CNTHCTL_EL2, BIT(10), false},
    {TRAP_FRQ, READ, AT0, GUEST | HYBRID, EL1, SYS_CNTKCTL_EL1, BIT(0) | BIT(1), false},
    {TRAP_FRQ, READ, AT0, HOST, EL2, SYS_CNTHCTL_EL2, BIT(0) | BIT(1), false},
    {TRAP_VT, BOTH, AT0, GUEST | HYBRID, EL1, SYS_CNTKCTL_EL1, BIT(8), false}, /* EL0VTEN */
    {TRAP_VT, BOTH, AT0, HOST, EL2, SYS_CNTHCTL_EL2, BIT(8), false},
    {TRAP_PT, BOTH, AT0, GUEST | HYBRID, EL1, SYS_CNTKCTL_EL1, BIT(9), false}, /* EL0PTEN */
    {TRAP_PT, BOTH, AT0, HOST, EL2, SYS_CNTHCTL_EL2, BIT(9), false},
    {TRAP_PT, BOTH, AT0 | AT1, GUEST, EL2, SYS_CNTHCTL_EL2, BIT(1), false},   /* EL1PCEN */
    {TRAP_PT, BOTH, AT0 | AT1, HYBRID, EL2, SYS_CNTHCTL_EL2, BIT(11), false}, /* EL1PTEN */
    {TRAP_PS, BOTH, AT1, ANY, EL3, SYS_SCR_EL3, BIT(11), false},              /* ST */
};

/* Names for EL1's register while HCR_EL2.E2H gives its usual name to EL2's. */
static const struct twin {
    uint16_t el12, el1, el2;
} twins[] = {
    {SYS_SCTLR_EL12, SYS_SCTLR_EL1, SYS_SCTLR_EL2},
    {SYS_CPACR_EL12, SYS_CPACR_EL1, SYS_CPTR_EL2},
    {SYS_CCTLR_EL12, SYS_CCTLR_EL1, SYS_CCTLR_EL2},
    {SYS_TTBR0_EL12, SYS_TTBR0_EL1, SYS_TTBR0_EL2},
    {SYS_TTBR1_EL12, SYS_TTBR1_EL1, SYS_TTBR1_EL2},
    {SYS_TCR_EL12, SYS_TCR_EL1, SYS_TCR_EL2},
    {SYS_SPSR_EL12, SYS_SPSR_EL1, SYS_SPSR_EL2},
    {SYS_ELR_EL12, SYS_ELR_EL1, SYS_ELR_EL2},
    {SYS_AFSR0_EL12, SYS_AFSR0_EL1, SYS_AFSR0_EL2},
    {SYS_AFSR1_EL12, SYS_AFSR1_EL1, SYS_AFSR1_EL2},
    {SYS_ESR_EL12, SYS_ESR_EL1, SYS_ESR_EL2},
    {SYS_FAR_EL12, SYS_FAR_EL1, SYS_FAR_EL2},
    {SYS_MAIR_EL12, SYS_MAIR_EL1, SYS_MAIR_EL2},
    {SYS_AMAIR_EL12, SYS_AMAIR_EL1, SYS_AMAIR_EL2},
    {SYS_VBAR_EL12, SYS_VBAR_EL1, SYS_VBAR_EL2},
    {SYS_CONTEXTIDR_EL12, SYS_CONTEXTIDR_EL1, SYS_CONTEXTIDR_EL2},
    {SYS_CNTKCTL_EL12, SYS_CNTKCTL_EL1, SYS_CNTHCTL_EL2},
    {SYS_CNTP_TVAL_EL02, SYS_CNTP_TVAL_EL0, SYS_CNTHP_TVAL_EL2},
    {SYS_CNTP_CTL_EL02, SYS_CNTP_CTL_EL0, SYS_CNTHP_CTL_EL2},
    {SYS_CNTP_CVAL_EL02, SYS_CNTP_CVAL_EL0, SYS_CNTHP_CVAL_EL2},
    {SYS_CNTV_TVAL_EL02, SYS_CNTV_TVAL_EL0, SYS_CNTHV_TVAL_EL2},
    {SYS_CNTV_CTL_EL02, SYS_CNTV_CTL_EL0, SYS_CNTHV_CTL_EL2},
    {SYS_CNTV_CVAL_EL02, SYS_CNTV_CVAL_EL0, SYS_CNTHV_CVAL_EL2},
};

/* ---- who may ------------------------------------------------------------------------------------------- */

static int by_key(const void *key, const void *row) {
    return (int)*(const uint16_t *)key - (int)((const struct row *)row)->key;
}

static const struct row *find(uint32_t word) {
    uint16_t key = 1 << 15 | field(word, 5, 15);
    return bsearch(&key, rows, SYS_WORD_COUNT, sizeof *rows, by_key);
}

/* DC ZVA is trapped here, which DCZID_EL0.DZP tells. */
static bool zeroing_prohibited(struct cpu *cpu) {
    bool by_el2 = el_get(cpu) <= EL1 && cpu->sys.word[SYS_HCR_EL2] >> 28 & 1;
    return by_el2 || (el_get(cpu) == EL0 && !(cpu->sys.word[SYS_SCTLR_EL1] >> 14 & 1));
}

static bool e2h(struct cpu *cpu) { return cpu->sys.word[SYS_HCR_EL2] >> 34 & 1; }

bool el2_enabled(struct cpu *cpu) { return cpu->sys.word[SYS_SCR_EL3] & 1; }

unsigned el1_or_host(struct cpu *cpu) {
    return el2_enabled(cpu) && cpu->sys.word[SYS_HCR_EL2] >> 27 & 1 ? EL2 : EL1;
}

bool system_permitted(struct cpu *cpu) {
    return cap_check_permissions(pcc_get(cpu), CAP_PERM_SYSTEM | CAP_PERM_EXECUTE);
}

/* ESR of a trapped access: exception class, then
 *
 *    21 20 19  17 16  14 13  10 9   5 4    1  0
 *   | op0 | op2  | op1  | CRn  | Rt  | CRm  | is it a read | */
uint32_t system_syndrome(unsigned class, uint32_t word, bool read) {
    return class << 26 | 1u << 25 | field(word, 19, 2) << 20 | field(word, 5, 3) << 17 |
           field(word, 16, 3) << 14 | field(word, 12, 4) << 10 | field(word, 0, 5) << 5 |
           field(word, 8, 4) << 1 | read;
}

static uint32_t syndrome(unsigned class, uint32_t word, unsigned direction) {
    /* Of a capability access bit 20 is the direction; the register's op0 is 2 or 3. */
    return system_syndrome(class, word | (class == EC_CAPABILITY_REGISTER) << 20, direction == READ);
}

bool el2_hosts(struct cpu *cpu) {
    return el2_enabled(cpu) && e2h(cpu) && cpu->sys.word[SYS_HCR_EL2] >> 27 & 1;
}

static enum regime regime(struct cpu *cpu) {
    if (!el2_enabled(cpu) || !e2h(cpu)) return GUEST;
    return el2_hosts(cpu) ? HOST : HYBRID;
}

static bool trapped(struct cpu *cpu, const struct row *row, unsigned direction) {
    for (size_t i = 0; i < sizeof trap_rules / sizeof *trap_rules; i++) {
        const struct trap_rule *rule = &trap_rules[i];
        if (rule->trap != row->trap || !(rule->direction & direction) || !(rule->els >> el_get(cpu) & 1))
            continue;
        if (!(rule->regimes & regime(cpu)) || (rule->target == EL2 && !el2_enabled(cpu))) continue;
        if (((cpu->sys.word[rule->reg] & rule->mask) != 0) != rule->set) continue;
        trap_to(cpu, rule->target == EL1 ? el1_or_host(cpu) : rule->target,
                syndrome(EC_SYSTEM_REGISTER, cpu->word, direction));
        return true;
    }
    return false;
}

/* UNDEFINED whatever the controls say: the EL is too low, the name does not exist here. */
static bool exists(struct cpu *cpu, const struct row *row, unsigned direction) {
    unsigned lowest = direction == READ ? row->read_el : row->write_el;
    if (el_get(cpu) < lowest || lowest == NO) return false;
    if (row->gates & H && !(e2h(cpu) && (el_get(cpu) == EL2 || el2_enabled(cpu)))) return false;
    if (row->gates & Z && el_get(cpu) != EL3 && (el_get(cpu) == EL2 || el2_enabled(cpu))) return false;
    if (row->gates & P && !(cpu->pstate & PSTATE_SP)) return false;
    return !(row->gates & X) || is_executive(cpu);
}

static bool needs_system(struct cpu *cpu, const struct row *row) {
    return row->gates & S || (row->gates & Z && el_get(cpu) == EL3) ||
           (row->gates & V && !(cctlr_get(cpu) & CCTLR_PERMVCT));
}

static bool allowed(struct cpu *cpu, const struct row *row, unsigned direction, bool capability) {
    if (!row || !exists(cpu, row, direction) || (capability ? row->cap == SYSCAP_NONE : row->gates & O)) {
        undefined(cpu);
        return false;
    }
    if (needs_system(cpu, row) && !system_permitted(cpu)) {
        system_access(cpu);
        cpu->fault.esr = capability ? syndrome(EC_CAPABILITY_REGISTER, cpu->word, direction)
                                    : syndrome(EC_SYSTEM_REGISTER, cpu->word, direction);
        return false;
    }
    if (trapped(cpu, row, direction)) return false;
    if (row->gates & F && !fp_enabled(cpu)) return false;
    return !(capability || row->gates & C) || caps_enabled(cpu);
}

/* ---- where values stand -------------------------------------------------------------------------------- */

/* The register that a row's name means here. */
static enum sys_word redirected(struct cpu *cpu, enum sys_word name) {
    bool host = el_get(cpu) == EL2 && e2h(cpu);
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++) {
        if (name == twins[i].el12) return twins[i].el1;
        if (host && name == twins[i].el1) return twins[i].el2;
    }
    return name;
}

static enum sys_cap capability_of(struct cpu *cpu, enum sys_word name) {
    enum sys_cap cap = rows[name].cap;
    if (cap == SYSCAP_DDC) return cpu->ddc_bank;
    bool own_thread_register = cap >= SYSCAP_CTPIDR_EL0 && cap - SYSCAP_CTPIDR_EL0 == el_get(cpu);
    return own_thread_register && !is_executive(cpu) ? SYSCAP_RCTPIDR_EL0 : cap;
}

struct cap sys_cap_get(struct cpu *cpu, enum sys_cap cap) {
    if (cap == cpu->sp_bank) return reg_get(cpu, R_SP);
    return cap == cpu->ddc_bank ? reg_get(cpu, R_DDC) : cpu->sys.cap[cap];
}

void sys_cap_set(struct cpu *cpu, enum sys_cap cap, struct cap value) {
    if (cap == cpu->sp_bank)
        reg_set(cpu, R_SP, value);
    else if (cap == cpu->ddc_bank)
        ddc_set(cpu, value);
    else
        cpu->sys.cap[cap] = value;
}

/* Bits of PSTATE that have a register of their own. */
static uint32_t pstate_mask(enum sys_word name) {
    switch (name) {
    case SYS_DAIF: return PSTATE_DAIF;
    case SYS_PAN: return PSTATE_PAN;
    case SYS_UAO: return PSTATE_UAO;
    case SYS_SSBS: return PSTATE_SSBS;
    case SYS_SPSel: return PSTATE_SP;
    case SYS_CurrentEL: return 3 << PSTATE_EL_LSB;
    default: return 0;
    }
}

/* A timer's TVAL is how far its CVAL, in the row after its CTL, is from now. */
static bool is_timer_value(enum sys_word name) {
    return name == SYS_CNTP_TVAL_EL0 || name == SYS_CNTV_TVAL_EL0 || name == SYS_CNTHP_TVAL_EL2 ||
           name == SYS_CNTHV_TVAL_EL2 || name == SYS_CNTPS_TVAL_EL1;
}

static uint64_t word_get(struct cpu *cpu, enum sys_word name) {
    if (rows[name].cap != SYSCAP_NONE) return sys_cap_get(cpu, capability_of(cpu, name)).lo;
    if (name == SYS_SPSel && !is_executive(cpu)) return 0;
    if (pstate_mask(name)) return cpu->pstate & pstate_mask(name);
    if (is_timer_value(name)) return (uint32_t)(cpu->sys.word[name + 2] - tick_get(cpu));
    switch (name) {
    case SYS_NZCV: return (uint64_t)flags_get(cpu) << 28;
    case SYS_FPCR: return cpu->fpcr;
    case SYS_FPSR: return cpu->fpsr;
    case SYS_CNTPCT_EL0: return tick_get(cpu);
    case SYS_CNTVCT_EL0: return tick_get(cpu) - cpu->sys.word[SYS_CNTVOFF_EL2];
    case SYS_MIDR_EL1:
        return el_get(cpu) == EL1 && el2_enabled(cpu) ? cpu->sys.word[SYS_VPIDR_EL2] : cpu->sys.word[name];
    case SYS_MPIDR_EL1:
        return el_get(cpu) == EL1 && el2_enabled(cpu) ? cpu->sys.word[SYS_VMPIDR_EL2] : cpu->sys.word[name];
    case SYS_DCZID_EL0: return cpu->sys.word[name] | (zeroing_prohibited(cpu) ? 1 << 4 : 0);
    default: return cpu->sys.word[name];
    }
}

static void pstate_set(struct cpu *cpu, enum sys_word name, uint32_t value) {
    if (name == SYS_SPSel && !is_executive(cpu)) return;
    uint32_t mask = pstate_mask(name);
    cpu->pstate = (cpu->pstate & ~mask) | (value & mask);
    cpu_refresh(cpu);
}

static void word_set(struct cpu *cpu, enum sys_word name, uint64_t value) {
    if (rows[name].cap != SYSCAP_NONE)
        sys_cap_set(cpu, capability_of(cpu, name), (struct cap){.lo = value});
    else if (pstate_mask(name))
        pstate_set(cpu, name, (uint32_t)value);
    else if (is_timer_value(name))
        cpu->sys.word[name + 2] = tick_get(cpu) + (uint64_t)(int32_t)value;
    else if (name == SYS_NZCV)
        flags_set(cpu, value >> 28 & 15);
    else if (name == SYS_FPCR)
        cpu->fpcr = (uint32_t)value;
    else if (name == SYS_FPSR)
        cpu->fpsr = (uint32_t)value;
    else
        cpu->sys.word[name] = rows[name].gates & W ? (uint32_t)value : value;
    if (rows[name].gates & S) cpu_refresh(cpu);
}

/* ---- access -------------------------------------------------------------------------------------------- */

static enum sys_word name_of(struct cpu *cpu, const struct row *row) {
    return redirected(cpu, (enum sys_word)(row - rows));
}

bool sysreg_read(struct cpu *cpu, uint32_t word, uint64_t *out) {
    const struct row *row = find(word);
    if (!allowed(cpu, row, READ, false)) return false;
    *out = word_get(cpu, name_of(cpu, row));
    return true;
}

bool sysreg_write(struct cpu *cpu, uint32_t word, uint64_t value) {
    const struct row *row = find(word);
    if (!allowed(cpu, row, WRITE, false)) return false;
    word_set(cpu, name_of(cpu, row), value);
    return true;
}

bool sysreg_read_cap(struct cpu *cpu, uint32_t word, struct cap *out) {
    const struct row *row = find(word);
    if (!allowed(cpu, row, READ, true)) return false;
    *out = sys_cap_get(cpu, capability_of(cpu, name_of(cpu, row)));
    return true;
}

bool sysreg_write_cap(struct cpu *cpu, uint32_t word, struct cap value) {
    const struct row *row = find(word);
    if (!allowed(cpu, row, WRITE, true)) return false;
    sys_cap_set(cpu, capability_of(cpu, name_of(cpu, row)), value);
    return true;
}

/* ---- by name: a debugger's access, which asks nobody --------------------------------------------------- */

static const char *const word_names[] = {
#define REG(name, ...) #name,
#include "sysreg.inc"
#undef REG
};
static const char *const cap_names[] = {
    "CSP_EL0",    "CSP_EL1",    "CSP_EL2",     "CSP_EL3",      "RCSP_EL0",   "DDC_EL0",
    "DDC_EL1",    "DDC_EL2",    "DDC_EL3",     "RDDC_EL0",     "CTPIDR_EL0", "CTPIDR_EL1",
    "CTPIDR_EL2", "CTPIDR_EL3", "RCTPIDR_EL0", "CTPIDRRO_EL0", "CID_EL0",    "CELR_EL1",
    "CELR_EL2",   "CELR_EL3",   "CVBAR_EL1",   "CVBAR_EL2",    "CVBAR_EL3",
};

static int index_of(const char *name, const char *const *names, int count) {
    for (int i = 0; i < count; i++)
        if (!strcmp(name, names[i])) return i;
    return -1;
}

int emu_get_sysreg(struct emu *emu, int thread, const char *name, struct emu_cap *out) {
    if (!emu_thread_exists(emu, thread)) return -1;
    struct cpu *cpu = emu->threads[thread];
    int cap = index_of(name, cap_names, SYSCAP_COUNT), word = index_of(name, word_names, SYS_WORD_COUNT);
    struct cap value = cap_null();
    if (cap >= 0)
        value = sys_cap_get(cpu, (enum sys_cap)cap);
    else if (word >= 0)
        value.lo = word_get(cpu, (enum sys_word)word);
    else
        return -1;
    *out = (struct emu_cap){value.lo, value.hi, value.tag};
    return 0;
}

int emu_set_sysreg(struct emu *emu, int thread, const char *name, struct emu_cap value) {
    if (!emu_thread_exists(emu, thread)) return -1;
    struct cpu *cpu = emu->threads[thread];
    int cap = index_of(name, cap_names, SYSCAP_COUNT), word = index_of(name, word_names, SYS_WORD_COUNT);
    if (cap >= 0)
        sys_cap_set(cpu, (enum sys_cap)cap, (struct cap){value.lo, value.hi, value.tag});
    else if (word >= 0)
        word_set(cpu, (enum sys_word)word, value.lo);
    else
        return -1;
    cpu_refresh(cpu);
    return 0;
}

/* What system registers hold, and where it stands. */
#include "sysreg_rows.h"
#include "softfloat.h"

#include <string.h>

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

/* ---- where values stand -------------------------------------------------------------------------------- */

/* The register that a row's name means here. */
static enum sys_word redirected(struct cpu *cpu, enum sys_word name) {
    bool host = el_get(cpu) == EL2 && el2_is_extended(cpu);
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++) {
        if (name == twins[i].el12) return twins[i].el1;
        if (host && name == twins[i].el1) return twins[i].el2;
    }
    return name;
}

static enum sys_cap capability_of(struct cpu *cpu, enum sys_word name) {
    enum sys_cap cap = sys_rows[name].cap;
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

/* DC ZVA is trapped here, which DCZID_EL0.DZP tells. */
static bool zeroing_prohibited(struct cpu *cpu) {
    bool by_el2 = el_get(cpu) <= EL1 && cpu->sys.word[SYS_HCR_EL2] >> 28 & 1;
    return by_el2 || (el_get(cpu) == EL0 && !(cpu->sys.word[SYS_SCTLR_EL1] >> 14 & 1));
}

/* A timer's TVAL is how far its CVAL, in the row after its CTL, is from now. */
static bool is_timer_value(enum sys_word name) {
    return name == SYS_CNTP_TVAL_EL0 || name == SYS_CNTV_TVAL_EL0 || name == SYS_CNTHP_TVAL_EL2 ||
           name == SYS_CNTHV_TVAL_EL2 || name == SYS_CNTPS_TVAL_EL1;
}

static uint64_t word_get(struct cpu *cpu, enum sys_word name) {
    if (sys_rows[name].cap != SYSCAP_NONE) return sys_cap_get(cpu, capability_of(cpu, name)).lo;
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
    if (sys_rows[name].cap != SYSCAP_NONE)
        sys_cap_set(cpu, capability_of(cpu, name), (struct cap){.lo = value});
    else if (pstate_mask(name))
        pstate_set(cpu, name, (uint32_t)value);
    else if (is_timer_value(name))
        cpu->sys.word[name + 2] = tick_get(cpu) + (uint64_t)(int32_t)value;
    else if (name == SYS_NZCV)
        flags_set(cpu, value >> 28 & 15);
    else if (name == SYS_FPCR)
        cpu->fpcr = (uint32_t)value & FPCR_BITS;
    else if (name == SYS_FPSR)
        cpu->fpsr = (uint32_t)value;
    else
        cpu->sys.word[name] = sys_rows[name].gates & W ? (uint32_t)value : value;
    if (sys_rows[name].gates & S) cpu_refresh(cpu);
}

/* ---- access -------------------------------------------------------------------------------------------- */

static enum sys_word name_of(struct cpu *cpu, const struct sys_row *row) {
    return redirected(cpu, (enum sys_word)(row - sys_rows));
}

bool sysreg_read(struct cpu *cpu, uint32_t word, uint64_t *out) {
    const struct sys_row *row = sys_row_find(word);
    if (!sys_row_allows(cpu, row, READ, false)) return false;
    *out = word_get(cpu, name_of(cpu, row));
    return true;
}

bool sysreg_write(struct cpu *cpu, uint32_t word, uint64_t value) {
    const struct sys_row *row = sys_row_find(word);
    if (!sys_row_allows(cpu, row, WRITE, false)) return false;
    word_set(cpu, name_of(cpu, row), value);
    return true;
}

bool sysreg_read_cap(struct cpu *cpu, uint32_t word, struct cap *out) {
    const struct sys_row *row = sys_row_find(word);
    if (!sys_row_allows(cpu, row, READ, true)) return false;
    *out = sys_cap_get(cpu, capability_of(cpu, name_of(cpu, row)));
    return true;
}

bool sysreg_write_cap(struct cpu *cpu, uint32_t word, struct cap value) {
    const struct sys_row *row = sys_row_find(word);
    if (!sys_row_allows(cpu, row, WRITE, true)) return false;
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

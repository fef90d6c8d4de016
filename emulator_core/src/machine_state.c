/* Registers by number, and what is saved of a thread. */
#include "exec.h"
#include "fault.h"
#include "machine.h"
#include "slots.h"
#include "softfloat.h"

#include <string.h>

/* ---- registers by number ------------------------------------------------------------------------------- */

static struct cap inside(struct emu_cap c) { return (struct cap){c.lo, c.hi, c.tag != 0}; }
static struct emu_cap outside(struct cap c) { return (struct emu_cap){c.lo, c.hi, c.tag}; }
static struct emu_cap number(uint64_t value) { return (struct emu_cap){value, 0, 0}; }

/* The banked registers; CSP and DDC are the executive ones of this EL. */
static enum sys_cap bank_of(const struct cpu *cpu, enum emu_reg reg) {
    unsigned el = cpu->pstate & PSTATE_SP ? cpu_el(cpu) : 0;
    switch (reg) {
    case EMU_CSP: return SYSCAP_CSP_EL0 + el;
    case EMU_DDC: return SYSCAP_DDC_EL0 + el;
    case EMU_CTPIDR: return SYSCAP_CTPIDR_EL0 + cpu_el(cpu);
    case EMU_RCSP: return SYSCAP_RCSP_EL0;
    case EMU_RDDC: return SYSCAP_RDDC_EL0;
    case EMU_RCTPIDR: return SYSCAP_RCTPIDR_EL0;
    case EMU_CID: return SYSCAP_CID_EL0;
    default: return SYSCAP_CTPIDRRO_EL0;
    }
}

struct emu_cap emu_get(struct emu *emu, int thread, enum emu_reg reg) {
    struct cpu *cpu = thread_of(emu, thread);
    if (!cpu) return number(0);
    if (reg <= 30) return outside(c_get(cpu, reg));
    if (reg == EMU_PCC) return outside(pcc_get(cpu));
    if (reg < EMU_CAP_COUNT) return outside(sys_cap_get(cpu, bank_of(cpu, reg)));
    if (reg >= EMU_V0)
        return (struct emu_cap){cpu->v[(reg - EMU_V0) & 31][0], cpu->v[(reg - EMU_V0) & 31][1], 0};
    switch (reg) {
    case EMU_NZCV: return number((uint64_t)flags_get(cpu) << 28);
    case EMU_CPSR: return number(spsr_get(cpu));
    case EMU_CCTLR: return number(cctlr_get(cpu));
    case EMU_FPCR: return number(cpu->fpcr);
    case EMU_FPSR: return number(cpu->fpsr);
    case EMU_EL: return number(cpu_el(cpu));
    default: return number(0);
    }
}

/* The pc of a debugger's PCC may be anything; it is looked at when it is fetched from. */
static void set_pcc(struct cpu *cpu, struct cap value) {
    reg_set(cpu, R_PCC, value);
    cpu->cv |= bit(R_PCC);
    cpu_refresh(cpu);
}

static void set_cctlr(struct cpu *cpu, uint64_t value) {
    static const uint16_t by_el[] = {SYS_CCTLR_EL0, SYS_CCTLR_EL1, SYS_CCTLR_EL2, SYS_CCTLR_EL3};
    cpu->sys.word[by_el[cpu_el(cpu)]] = (uint32_t)value;
    cpu_refresh(cpu);
}

enum {
    CPSR_WRITABLE = PSTATE_SP | 3 << PSTATE_EL_LSB | PSTATE_DAIF | PSTATE_SSBS | PSTATE_IL | PSTATE_SS |
    PSTATE_PAN | PSTATE_UAO | PSTATE_C64
};

static void set_cpsr(struct cpu *cpu, uint64_t value) {
    cpu->pstate = (uint32_t)value & CPSR_WRITABLE;
    flags_set(cpu, (unsigned)(value >> 28) & 15);
    cpu_refresh(cpu);
}

static int set_number(struct cpu *cpu, enum emu_reg reg, uint64_t value) {
    switch (reg) {
    case EMU_NZCV: flags_set(cpu, (unsigned)(value >> 28) & 15); return 0;
    case EMU_CPSR: set_cpsr(cpu, value); return 0;
    case EMU_CCTLR: set_cctlr(cpu, value); return 0;
    case EMU_FPCR: cpu->fpcr = (uint32_t)value & FPCR_BITS; return 0;
    case EMU_FPSR: cpu->fpsr = (uint32_t)value; return 0;
    case EMU_EL: set_cpsr(cpu, (spsr_get(cpu) & ~0xcu) | (value & 3) << PSTATE_EL_LSB); return 0;
    default: return -1;
    }
}

int emu_set(struct emu *emu, int thread, enum emu_reg reg, struct emu_cap value) {
    struct cpu *cpu = thread_of(emu, thread);
    if (!cpu || reg >= EMU_REG_END) return -1;
    if (reg <= 30)
        c_set(cpu, reg, inside(value));
    else if (reg == EMU_PCC)
        set_pcc(cpu, inside(value));
    else if (reg < EMU_CAP_COUNT)
        sys_cap_set(cpu, bank_of(cpu, reg), inside(value));
    else if (reg >= EMU_V0)
        v_set(cpu, reg - EMU_V0, (struct vector){value.lo, value.hi});
    else
        return set_number(cpu, reg, value.lo);
    return 0;
}

/* ---- canonical state of a thread ----------------------------------------------------------------------- */

void cpu_save(const struct cpu *cpu, struct thread_state *out) {
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < 31; i++) out->c[i] = reg_get(cpu, i);
    out->pcc = reg_get(cpu, R_PCC);
    out->sys = cpu->sys;
    out->sys.cap[cpu->sp_bank] = reg_get(cpu, R_SP);
    out->sys.cap[cpu->ddc_bank] = reg_get(cpu, R_DDC);
    memcpy(out->v, cpu->v, sizeof out->v);
    out->monitor = cpu->monitor;
    out->pstate = cpu->pstate;
    out->nzcv = flags_nibble(cpu->cv, cpu->fa, cpu->fb);
    out->fpcr = cpu->fpcr;
    out->fpsr = cpu->fpsr;
    out->mode = cpu->mode;
    out->present = 1;
}

void cpu_load(struct cpu *cpu, const struct thread_state *in) {
    cpu->cv = 0;
    for (unsigned i = 0; i < 31; i++) reg_set(cpu, i, in->c[i]);
    reg_set(cpu, R_PCC, in->pcc);
    cpu->sys = in->sys;
    memcpy(cpu->v, in->v, sizeof cpu->v);
    cpu->monitor = in->monitor;
    cpu->pstate = in->pstate;
    cpu->fpcr = in->fpcr;
    cpu->fpsr = in->fpsr;
    cpu->mode = in->mode;
    reg_set(cpu, R_SP, cpu->sys.cap[cpu->sp_bank]);
    reg_set(cpu, R_DDC, cpu->sys.cap[cpu->ddc_bank]);
    flags_set(cpu, in->nzcv);
    cpu_refresh(cpu);
}

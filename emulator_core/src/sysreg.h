/* System registers: what they hold and who may touch them. MRS and MSR of words and of capabilities share the
 * table.
 *
 * Words are 64 bits each; a register that stands elsewhere (NZCV, FPCR, PSTATE's fields, the low half of a
 * capability) has a row but its word is unused.
 */
#ifndef CVMDBG_SYSREG_H
#define CVMDBG_SYSREG_H

#include "capability.h"
#include "emu.h"

struct cpu;

enum sys_word {
#define REG(name, ...) SYS_##name,
#include "sysreg.inc"
#undef REG
    SYS_WORD_COUNT
};

/* Capability registers that exceptions and MSR use. CSP and DDC are banked by EL; the low half of each is the
 * word of the same name without its C: ELR_EL1, VBAR_EL1, TPIDR_EL0, SP_EL0. */
enum sys_cap {
    SYSCAP_CSP_EL0,
    SYSCAP_CSP_EL1,
    SYSCAP_CSP_EL2,
    SYSCAP_CSP_EL3,
    SYSCAP_RCSP_EL0,
    SYSCAP_DDC_EL0,
    SYSCAP_DDC_EL1,
    SYSCAP_DDC_EL2,
    SYSCAP_DDC_EL3,
    SYSCAP_RDDC_EL0,
    SYSCAP_CTPIDR_EL0,
    SYSCAP_CTPIDR_EL1,
    SYSCAP_CTPIDR_EL2,
    SYSCAP_CTPIDR_EL3,
    SYSCAP_RCTPIDR_EL0,
    SYSCAP_CTPIDRRO_EL0,
    SYSCAP_CID_EL0,
    SYSCAP_CELR_EL1,
    SYSCAP_CELR_EL2,
    SYSCAP_CELR_EL3,
    SYSCAP_CVBAR_EL1,
    SYSCAP_CVBAR_EL2,
    SYSCAP_CVBAR_EL3,
    SYSCAP_COUNT,
    /* Names that stand for one of the above. */
    SYSCAP_DDC = SYSCAP_COUNT,
    SYSCAP_CELR_EL12,
    SYSCAP_CVBAR_EL12,
    SYSCAP_NONE
};

/* Lives in struct cpu as `sys`. The selected CSP and DDC may be held by the register file; sys_cap_* know
 * where. */
struct sysregs {
    uint64_t word[SYS_WORD_COUNT];
    struct cap cap[SYSCAP_COUNT];
};

void sysreg_reset(struct cpu *, enum emu_mode);
struct cap sys_cap_get(struct cpu *, enum sys_cap);
void sys_cap_set(struct cpu *, enum sys_cap, struct cap);

/* MRS/MSR of a capability register: op0..op2 stand in word where MRS has them. false: cpu->fault is set. */
bool sysreg_read_cap(struct cpu *, uint32_t word, struct cap *out);
bool sysreg_write_cap(struct cpu *, uint32_t word, struct cap value);

/* The same of a 64-bit register. */
bool sysreg_read(struct cpu *, uint32_t word, uint64_t *out);
bool sysreg_write(struct cpu *, uint32_t word, uint64_t value);

/* PCC has System and Execute: CapIsSystemAccessEnabled. */
bool system_permitted(struct cpu *);
/* HCR_EL2 takes part: EL2Enabled. */
bool el2_enabled(struct cpu *);
/* EL2 is the kernel of EL0: E2H and TGE. */
bool el2_hosts(struct cpu *);
/* Where EL0's traps to EL1 go: EL2 under HCR_EL2.TGE. */
unsigned el1_or_host(struct cpu *);
/* ESR for a trapped MRS, MSR, SYS or SYSL. */
uint32_t system_syndrome(unsigned class, uint32_t word, bool read);

#endif

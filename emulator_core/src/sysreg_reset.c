/* What system registers hold at first: what the machine is, and what a kernel would have set up for EL0. */
#include "exec.h"

#include <string.h>

struct preset {
    uint16_t reg;
    uint64_t value;
};

/* What the features of the engine are: a Morello core (Rainier) without AArch32, GIC interface, PMU, SPE and
 * MPAM. */
static const struct preset identity[] = {
    {SYS_MIDR_EL1, 0x3f0f4120},
    {SYS_VPIDR_EL2, 0x3f0f4120},
    {SYS_MPIDR_EL1, 1ull << 31},
    {SYS_VMPIDR_EL2, 1ull << 31},
    {SYS_ID_AA64PFR0_EL1, 0x1100000010111111},    /* EL0 to EL3 in AArch64; half precision, RAS, CSV2, CSV3 */
    {SYS_ID_AA64PFR1_EL1, 1 << 20 | 2 << 4},      /* CE: Morello; SSBS with MSR */
    {SYS_ID_AA64DFR0_EL1, 1 << 20 | 1 << 12 | 6}, /* two breakpoints and watchpoints, Armv8 debug */
    /* Dot products, SM4, SM3, SHA-3, RDM, LSE, CRC, SHA-512, SHA-1, AES with PMULL. The core of Morello lacks
     * SM3, SM4, SHA-3 and SHA-512; their clauses execute here, so they are told. */
    {SYS_ID_AA64ISAR0_EL1,
     0x111ull << 36 | 1ull << 32 | 1 << 28 | 2 << 20 | 1 << 16 | 2 << 12 | 1 << 8 | 2 << 4},
    {SYS_ID_AA64ISAR1_EL1, 1 << 20 | 1},          /* LRCPC, DC CVAP */
    {SYS_ID_AA64MMFR0_EL1, 1 << 20 | 2 << 4 | 5}, /* granules of 4, 16 and 64 KiB, 16-bit ASID, 48-bit PA */
    {SYS_ID_AA64MMFR1_EL1, 1 << 28 | 2 << 20 | 2 << 12 | 1 << 8 | 2 << 4},
    {SYS_ID_AA64MMFR2_EL1, 1 << 4}, /* UAO */
    {SYS_CTR_EL0, 0x8444c004},      /* 64-byte lines */
    {SYS_DCZID_EL0, 4},             /* DC ZVA clears 64 bytes */
    {SYS_CLIDR_EL1, 0x0a200023},
    {SYS_CCSIDR_EL1, 0x701fe00a},
    {SYS_CNTFRQ_EL0, 1000000000}, /* a tick is a nanosecond */
    {SYS_OSLSR_EL1, 8},
};

/* Reset of the controls on bare metal: MMU off, alignment of the stack pointer checked. */
static const struct preset bare[] = {
    {SYS_SCTLR_EL1, 0x30d50838},
    {SYS_SCTLR_EL2, 0x30c50838},
    {SYS_SCTLR_EL3, 0x30c50838},
    {SYS_CPTR_EL2, 0x31ff},
    {SYS_HCR_EL2, 0},
};

/* What a kernel lets EL0 do: floating point and capabilities, DC ZVA and cache maintenance, CTR, the virtual
 * counter. */
static const struct preset hosted[] = {
    {SYS_SCTLR_EL1, 0x30d50838 | 1 << 26 | 1 << 18 | 1 << 16 | 1 << 15 | 1 << 14},
    {SYS_SCTLR_EL2, 0x30c50838},
    {SYS_SCTLR_EL3, 0x30c50838},
    {SYS_CPACR_EL1, 3 << 20 | 3 << 18},
    {SYS_CPTR_EL3, 1 << 9},
    {SYS_CNTKCTL_EL1, 1 << 1},
};

static void preset(struct cpu *cpu, const struct preset *list, size_t count) {
    for (size_t i = 0; i < count; i++) cpu->sys.word[list[i].reg] = list[i].value;
}

#define PRESET(cpu, list) preset(cpu, list, sizeof(list) / sizeof *(list))

void sysreg_reset(struct cpu *cpu, enum emu_mode mode) {
    memset(&cpu->sys, 0, sizeof cpu->sys);
    PRESET(cpu, identity);
    if (mode == EMU_MODE_SYSTEM)
        PRESET(cpu, bare);
    else
        PRESET(cpu, hosted);
    for (enum sys_cap cap = SYSCAP_DDC_EL0; mode == EMU_MODE_SYSTEM && cap <= SYSCAP_RDDC_EL0; cap++)
        cpu->sys.cap[cap] = cap_almighty();
}

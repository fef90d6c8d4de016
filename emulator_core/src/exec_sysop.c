/* SYS: maintenance of caches and TLBs, zeroing of a line, address translation. */
#include "access.h"
#include "access_parts.h"
#include "exec.h"
#include "stage1.h"

#include <stdlib.h>

enum { EL0, EL1, EL2, EL3 };
enum { LINE = 64 };

/* The line that a maintenance instruction names. In C64 the register is a capability; in A64 DDC authorises.
 */
static struct va line_of(struct cpu *cpu, uint32_t word) {
    unsigned t = field(word, 0, 5);
    if (t != 31) return va_base(cpu, t);
    if (in_c64(cpu)) return va_cap(c_get(cpu, 31), EMU_REG_NONE);
    return va_add(va_base(cpu, 0), -(int64_t)x_get(cpu, 0));
}

static struct va line_start(struct va va) { return va_add(va, -(int64_t)(va.address & (LINE - 1))); }

enum { ISS_CM = 1 << 8, ISS_WNR = 1 << 6 };

/* The fault is reported at the address in the register; that of maintenance as such (CM, WnR). */
static enum outcome line_fault(struct cpu *cpu, struct va va, uint32_t iss) {
    cpu->fault.address = va.address;
    cpu->fault.esr |= iss;
    return FAULT;
}

/* Cleaning and invalidating change nothing here: memory is coherent and code follows writes. The checks
 * remain. */
static enum outcome maintain(struct cpu *cpu, uint32_t word, uint32_t needed, enum emu_access access) {
    struct va va = line_of(cpu, word);
    struct translation where;
    bool ok =
        va_check(cpu, line_start(va), LINE, needed, access) && translate(cpu, va.address, 1, access, &where);
    return ok ? NEXT : line_fault(cpu, va, ISS_CM | ISS_WNR);
}

static enum outcome clean(struct cpu *cpu, uint32_t word) {
    return maintain(cpu, word, CAP_PERM_LOAD, EMU_READ);
}
static enum outcome invalidate(struct cpu *cpu, uint32_t word) {
    return maintain(cpu, word, CAP_PERM_STORE, EMU_WRITE);
}

/* DC ZVA is a store of zeros, so it clears tags. */
static enum outcome zero_line(struct cpu *cpu, uint32_t word) {
    const uint64_t zeros[2] = {0, 0};
    struct va va = line_of(cpu, word), start = line_start(va);
    if (!va_check(cpu, start, LINE, CAP_PERM_STORE, EMU_WRITE)) return line_fault(cpu, va, 0);
    for (int offset = 0; offset < LINE; offset += 16)
        if (!mem_store_pair(cpu, va_add(start, offset), 8, zeros, ACCESS_PLAIN))
            return line_fault(cpu, va, 0);
    return NEXT;
}

static enum outcome nothing(struct cpu *cpu, uint32_t word) {
    (void)cpu, (void)word;
    return NEXT;
}

/* Every thread's TLB, whatever part was named: more is always allowed. */
static enum outcome flush(struct cpu *cpu, uint32_t word) {
    (void)word;
    for (int i = 0; i < cpu->emu->thread_count; i++)
        if (cpu->emu->threads[i]) cpu_flush(cpu->emu->threads[i]);
    return NEXT;
}

/* ---- address translation ------------------------------------------------------------------------------- */

/* The EL whose access AT asks about, by op1 and op2: S1E1, S1E0 · S1E2, S12E1, S12E0 · S1E3. There is no
 * stage 2. */
static unsigned asked_el(uint32_t word) {
    unsigned op1 = field(word, 16, 3), op2 = field(word, 5, 3);
    if (op1 == 6) return EL3;
    if (op1 == 4) return op2 < 4 ? EL2 : op2 < 6 ? EL1 : EL0;
    return op2 < 2 ? EL1 : EL0;
}

enum { OUTER_SHAREABLE = 2, STATUS_PERMISSION_LEVEL_0 = 0x0c };

/*    63   56 55 48 47        12 11 10    8  7 6         1 0
 *   | memory |     | pa 47..12 | 1 |   | SH | status      | F |   PAR_EL1: F says that there is only a status
 */
static uint64_t par_of(uint64_t pa, uint8_t memory, uint8_t shareable) {
    return (uint64_t)memory << 56 | (pa & PAGE_MASK & (((uint64_t)1 << 48) - 1)) | 1 << 11 | shareable << 7;
}

static uint64_t par_failed(uint32_t status) { return 1 << 11 | status << 1 | 1; }

static enum outcome translate_address(struct cpu *cpu, uint32_t word) {
    static const uint16_t sctlr[] = {SYS_SCTLR_EL1, SYS_SCTLR_EL1, SYS_SCTLR_EL2, SYS_SCTLR_EL3};
    uint64_t va = x_get(cpu, field(word, 0, 5)), *par = &cpu->sys.word[SYS_PAR_EL1];
    unsigned el = asked_el(word), needed = field(word, 5, 1) ? EMU_PROT_W : EMU_PROT_R;
    if (!(cpu->sys.word[sctlr[el]] & 1)) {
        *par = par_of(va, 0, OUTER_SHAREABLE);
        return NEXT;
    }
    struct walk walk = stage1_walk(cpu, va, el);
    if (walk.absent) return page_absent(cpu, walk.pa, va, 1, EMU_READ), FAULT;
    if (walk.fault != WALK_OK)
        *par = par_failed(walk_status(&walk));
    else if (!(walk.prot & needed))
        *par = par_failed(STATUS_PERMISSION_LEVEL_0 | walk.level);
    else
        *par = par_of(walk.pa, walk.memory, walk.memory < 0x10 ? OUTER_SHAREABLE : walk.shareable);
    return NEXT;
}

/* ---- who may ---------------------------------------------------------------------------------------------
 */

enum { ALWAYS = 64, NEVER = 0 };
#define BIT(n) ((uint64_t)1 << (n))
enum { SCTLR_DZE = 14, SCTLR_UCI = 26 };
enum hcr_trap {
    TSW = BIT(22),
    TPC = BIT(23),
    TPU = BIT(24),
    TTLB = BIT(25),
    TDZ = BIT(28),
    TICAB = BIT(50),
    TOCU = BIT(52),
    TTLBIS = BIT(54)
};

/* lowest: EL that may. el0: bit of SCTLR that lets EL0. traps: bits of HCR_EL2 that keep EL0 and EL1 from it.
 * system: needs PCC.System. of_el2: does not exist while EL2 is disabled. */
struct sysop {
    uint16_t key; /* op1 CRn CRm op2, as bits 18..5 of SYS */
    uint8_t lowest, el0;
    uint64_t traps;
    bool system, of_el2;
    exec_fn *run;
};
/* clang-format off */
#define KEY(op1, crn, crm, op2) (op1 << 11 | crn << 7 | crm << 3 | op2)
#define CACHE(op1, crm, op2, traps, run) {KEY(op1, 7, crm, op2), EL1, ALWAYS, traps, true, false, run}
#define LINE_OF(op1, crm, lowest, el0, traps, run) {KEY(op1, 7, crm, 1), lowest, el0, traps, false, false, run}
#define TLBI(op1, crm, op2, lowest, traps) {KEY(op1, 8, crm, op2), lowest, ALWAYS, traps, true, false, flush}
#define TLBI_EL2(crm, op2) {KEY(4, 8, crm, op2), EL2, ALWAYS, NEVER, true, true, flush}
#define AT(op1, crm, op2, lowest, of_el2)                                                                    \
    {KEY(op1, 7, crm, op2), lowest, ALWAYS, NEVER, true, of_el2, translate_address}

static const struct sysop sysops[] = {
    CACHE(0, 1, 0, TPU | TICAB, nothing),                 /* IC IALLUIS */
    CACHE(0, 5, 0, TPU | TOCU, nothing),                  /* IC IALLU */
    CACHE(0, 6, 2, TSW, nothing),                         /* DC ISW */
    CACHE(0, 10, 2, TSW, nothing),                        /* DC CSW */
    CACHE(0, 14, 2, TSW, nothing),                        /* DC CISW */
    LINE_OF(0, 6, EL1, ALWAYS, TPC, invalidate),          /* DC IVAC */
    LINE_OF(3, 4, EL0, SCTLR_DZE, TDZ, zero_line),        /* DC ZVA */
    LINE_OF(3, 5, EL0, SCTLR_UCI, TPU | TOCU, clean),     /* IC IVAU */
    LINE_OF(3, 10, EL0, SCTLR_UCI, TPC, clean),           /* DC CVAC */
    LINE_OF(3, 11, EL0, SCTLR_UCI, TPU | TOCU, clean),    /* DC CVAU */
    LINE_OF(3, 12, EL0, SCTLR_UCI, TPC, clean),           /* DC CVAP */
    LINE_OF(3, 13, EL0, SCTLR_UCI, TPC, clean),           /* DC CVADP */
    LINE_OF(3, 14, EL0, SCTLR_UCI, TPC, clean),           /* DC CIVAC */
    AT(0, 8, 0, EL1, false), AT(0, 8, 1, EL1, false), AT(0, 8, 2, EL1, false), AT(0, 8, 3, EL1, false),
    AT(0, 9, 0, EL1, false), AT(0, 9, 1, EL1, false), AT(4, 8, 0, EL2, true), AT(4, 8, 1, EL2, true),
    AT(4, 8, 4, EL2, false), AT(4, 8, 5, EL2, false), AT(4, 8, 6, EL2, false), AT(4, 8, 7, EL2, false),
    AT(6, 8, 0, EL3, false), AT(6, 8, 1, EL3, false),
    TLBI(0, 3, 0, EL1, TTLB | TTLBIS), TLBI(0, 3, 1, EL1, TTLB | TTLBIS), TLBI(0, 3, 2, EL1, TTLB | TTLBIS),
    TLBI(0, 3, 3, EL1, TTLB | TTLBIS), TLBI(0, 3, 5, EL1, TTLB | TTLBIS), TLBI(0, 3, 7, EL1, TTLB | TTLBIS),
    TLBI(0, 7, 0, EL1, TTLB), TLBI(0, 7, 1, EL1, TTLB), TLBI(0, 7, 2, EL1, TTLB),
    TLBI(0, 7, 3, EL1, TTLB), TLBI(0, 7, 5, EL1, TTLB), TLBI(0, 7, 7, EL1, TTLB),
    TLBI_EL2(3, 0), TLBI_EL2(3, 1), TLBI_EL2(3, 5), TLBI_EL2(7, 0), TLBI_EL2(7, 1), TLBI_EL2(7, 5),
    TLBI(4, 0, 1, EL2, NEVER), TLBI(4, 0, 5, EL2, NEVER), TLBI(4, 3, 4, EL2, NEVER),
    TLBI(4, 3, 6, EL2, NEVER), TLBI(4, 4, 1, EL2, NEVER), TLBI(4, 4, 5, EL2, NEVER),
    TLBI(4, 7, 4, EL2, NEVER), TLBI(4, 7, 6, EL2, NEVER),
    TLBI(6, 3, 0, EL3, NEVER), TLBI(6, 3, 1, EL3, NEVER), TLBI(6, 3, 5, EL3, NEVER),
    TLBI(6, 7, 0, EL3, NEVER), TLBI(6, 7, 1, EL3, NEVER), TLBI(6, 7, 5, EL3, NEVER),
};
/* clang-format on */

static const struct sysop *find(uint32_t word) {
    for (size_t i = 0; i < sizeof sysops / sizeof *sysops; i++)
        if (sysops[i].key == field(word, 5, 14)) return &sysops[i];
    return NULL;
}

static bool exists(struct cpu *cpu, const struct sysop *op) {
    return op && el_get(cpu) >= op->lowest && (!op->of_el2 || el2_enabled(cpu));
}

/* The EL that an access is trapped to; EL0: none. */
static unsigned trap_target(struct cpu *cpu, const struct sysop *op) {
    unsigned el = el_get(cpu);
    bool host = el2_hosts(cpu);
    uint64_t sctlr = cpu->sys.word[host ? SYS_SCTLR_EL2 : SYS_SCTLR_EL1];
    if (el == EL0 && op->el0 != ALWAYS && !(sctlr >> op->el0 & 1)) return el1_or_host(cpu);
    if (el > EL1 || !el2_enabled(cpu) || (el == EL0 && host)) return EL0;
    return cpu->sys.word[SYS_HCR_EL2] & op->traps ? EL2 : EL0;
}

EXEC(sys_aarch64_instrs_system_sysops) {
    const struct sysop *op = find(word);
    if (!exists(cpu, op)) return undefined(cpu);
    if (op->system && !system_permitted(cpu)) {
        system_access(cpu);
        cpu->fault.esr = system_syndrome(0x18, word, false);
        return FAULT;
    }
    unsigned target = trap_target(cpu, op);
    if (!target) return op->run(cpu, word);
    trap_to(cpu, target, system_syndrome(0x18, word, false));
    return FAULT;
}

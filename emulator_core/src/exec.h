/* What a cold clause function sees: one thread's registers and checked memory.
 *
 * EXEC(clause) names the specification's clause; isa/generate.py finds these lines and builds the table from
 * them. Hot clauses live as slot operations (see slots.h); a clause stands in one place, there or here.
 */
#ifndef CVMDBG_EXEC_H
#define CVMDBG_EXEC_H

#include "capability.h"
#include "emu.h"
#include "state.h"

/* What became of the instruction. */
enum outcome {
    NEXT,   /* retired, go on at pc + 4 */
    BRANCH, /* retired, the clause set the pc */
    TRAP,   /* retired, the run stops behind it (SVC, hostcall): trap_stop said why */
    FAULT,  /* not retired: cpu->fault says why */
};

typedef enum outcome exec_fn(struct cpu *, uint32_t word);
#define EXEC(clause) enum outcome exec_##clause(struct cpu *cpu, uint32_t word)

/* The field of word at bit lsb. */
static inline uint32_t field(uint32_t word, unsigned lsb, unsigned width) {
    return word >> lsb & ((1u << width) - 1);
}
static inline int64_t signed_field(uint32_t word, unsigned lsb, unsigned width) {
    return (int64_t)((uint64_t)word << (64 - lsb - width)) >> (64 - width);
}

/* General registers. 31 is zero for x_*, the stack pointer for *_sp. Writing X clears the upper half and the
 * tag. */
uint64_t x_get(struct cpu *, unsigned n);
void x_set(struct cpu *, unsigned n, uint64_t value);
void w_set(struct cpu *, unsigned n, uint32_t value);
uint64_t x_get_sp(struct cpu *, unsigned n);
void x_set_sp(struct cpu *, unsigned n, uint64_t value);
struct cap c_get(struct cpu *, unsigned n); /* 31: null */
void c_set(struct cpu *, unsigned n, struct cap value);
struct cap c_get_sp(struct cpu *, unsigned n); /* 31: CSP (RCSP when Restricted) */
void c_set_sp(struct cpu *, unsigned n, struct cap value);
unsigned flags_get(struct cpu *); /* NZCV in bits 3..0 */
void flags_set(struct cpu *, unsigned nzcv);
bool condition_holds(struct cpu *, unsigned cond);

/* Special registers. ddc_get picks DDC or RDDC, and by EL; pcc_get has the value of the running instruction.
 */
struct cap pcc_get(struct cpu *);
struct cap ddc_get(struct cpu *);
void ddc_set(struct cpu *, struct cap value);
uint64_t pc_get(struct cpu *); /* absolute */
uint32_t cctlr_get(struct cpu *);
bool in_c64(struct cpu *);
bool is_executive(struct cpu *); /* not Restricted */
enum {
    CCTLR_TGEN0 = 1 << 0,
    CCTLR_TGEN1 = 1 << 1,
    CCTLR_DDCBO = 1 << 2,
    CCTLR_PCCBO = 1 << 3,
    CCTLR_ADRDPB = 1 << 4,
    CCTLR_C64E = 1 << 5,
    CCTLR_PERMVCT = 1 << 6,
    CCTLR_SBL = 1 << 7
};

/* Branches; they return BRANCH. branch_to_cap is BranchToCapability: PCC becomes target whole.
 * branch_x_to_cap takes C64 from bit 0 first. branch_to_offset moves within PCC by CCTLR.PCCBO as
 * BranchToOffset. */
enum outcome branch_to(struct cpu *, uint64_t address); /* same PCC, absolute address */
enum outcome branch_to_offset(struct cpu *, uint64_t offset);
enum outcome branch_to_cap(struct cpu *, struct cap target);
enum outcome branch_x_to_cap(struct cpu *, struct cap target);
struct cap link_get(struct cpu *); /* PCC + 4, low bit set in C64, RB-sealed by CCTLR.SBL */

/* A checked address: what the specification calls VirtualAddress. cap is the authority, reg where it stands.
 */
struct va {
    struct cap cap;
    uint64_t address; /* absolute */
    int reg;          /* enum emu_reg */
};
struct va va_base(struct cpu *,
                  unsigned n); /* BaseReg[n]: Xn by DDC in A64, Cn in C64; 31 is the stack pointer */
struct va va_alt_base(struct cpu *, unsigned n);                      /* AltBaseReg[n]: the other one */
struct va va_by_ddc(struct cpu *, uint64_t x);                        /* x as A64 code means it */
struct va va_by_register(struct cpu *, unsigned r, uint64_t address); /* r: register file index */
struct va va_cap(struct cap, int reg);                                /* a capability in its own right */
struct va va_add(struct va, int64_t offset); /* the address moves; the authority stays */
bool sp_aligned(struct cpu *, unsigned n);   /* false: cpu->fault is set (SP alignment) */
void base_set(struct cpu *, unsigned n,
              int64_t offset); /* write-back to BaseReg[n]: Xn += offset, or CapAdd on Cn */
void alt_base_set(struct cpu *, unsigned n, int64_t offset);

/* Memory, with every check in the specification's order. false: cpu->fault is set and nothing changed, except
 * that of an ordinary pair of capabilities the first is stored when the second faults. size is 1, 2, 4, 8;
 * flags are of enum access_flag. mem_*_cap align to 16; a capability load clears the tag and permissions as
 * CapSquashPostLoadCap says, a store checks StoreCap and StoreLocal. */
enum access_flag { ACCESS_PLAIN = 0, ACCESS_ORDERED = 1, ACCESS_ATOMIC = 2, ACCESS_UNPRIVILEGED = 4 };
bool mem_load(struct cpu *, struct va, unsigned size, uint64_t *out, unsigned flags);
bool mem_store(struct cpu *, struct va, unsigned size, uint64_t value, unsigned flags);
bool mem_load_pair(struct cpu *, struct va, unsigned size, uint64_t out[2], unsigned flags);
bool mem_store_pair(struct cpu *, struct va, unsigned size, const uint64_t in[2], unsigned flags);
/* V registers: up to 64 bytes in one access, of elements that SCTLR.A wants aligned. */
bool mem_load_bytes(struct cpu *, struct va, unsigned size, unsigned element, void *out);
bool mem_store_bytes(struct cpu *, struct va, unsigned size, unsigned element, const void *in);
bool mem_load_cap(struct cpu *, struct va, struct cap *out, unsigned flags);
bool mem_store_cap(struct cpu *, struct va, struct cap value, unsigned flags);
bool mem_load_cap_pair(struct cpu *, struct va, struct cap out[2], unsigned flags);
bool mem_store_cap_pair(struct cpu *, struct va, const struct cap in[2], unsigned flags);
bool mem_load_tags(struct cpu *, struct va, unsigned granules, uint64_t *out);  /* LDCT */
bool mem_store_tags(struct cpu *, struct va, unsigned granules, uint64_t tags); /* STCT */
/* Read-modify-write needs both permissions before either happens. */
bool mem_check(struct cpu *, struct va, unsigned size, bool write, bool caps, unsigned flags);

/* Exclusives: the monitor is a property of the thread; any other thread's run or a write there clears it. */
void exclusive_set(struct cpu *, uint64_t address, unsigned size);
bool exclusive_pass(struct cpu *, uint64_t address, unsigned size); /* also clears it */
void exclusive_clear(struct cpu *);

/* The capability check alone, before alignment and translation (VACheckAddress): tag, seal, needed
 * permissions, bounds. */
bool va_check(struct cpu *, struct va, unsigned size, uint32_t needed, enum emu_access);

/* Is the instruction's register file enabled here (CPACR, CPTR)? false: cpu->fault is set, a trap. */
bool caps_enabled(struct cpu *);
bool fp_enabled(struct cpu *);
bool may_set_tags(
    struct cpu *); /* SCTAG, STCT: PCC permits System, and tag setting is not disabled from above */
unsigned el_get(struct cpu *);

/* V registers. A scalar write clears the rest of the register. */
struct vector {
    uint64_t lo, hi;
};
static inline struct vector v_get(struct cpu *cpu, unsigned n) {
    return (struct vector){cpu->v[n][0], cpu->v[n][1]};
}
static inline void v_set(struct cpu *cpu, unsigned n, struct vector value) {
    cpu->v[n][0] = value.lo;
    cpu->v[n][1] = value.hi;
}

/* The crossing ring. The clause fills kind, cn, cm, failed, to, target and paired before it changes any
 * register; tick, thread, from, pcc and the registers' values are filled in here. */
void ring_push(struct cpu *, struct emu_crossing *);

/* Faults that a clause finds itself; they return FAULT. */
enum outcome undefined(struct cpu *);
enum outcome breakpoint_instruction(struct cpu *, uint32_t immediate); /* BRK */
enum outcome system_access(struct cpu *); /* a system register that EL or PCC.System forbids */
enum outcome fault_capability(struct cpu *, enum emu_fault_kind, struct va, enum emu_access, uint32_t needed);

/* A trap to target_el with a syndrome of the clause's own; cpu->fault is set. */
void trap_to(struct cpu *, unsigned target_el, uint32_t esr);

/* Exceptions of system mode. A call retires and returns behind itself; both return BRANCH. In user mode SVC
 * stops the run instead: trap_stop fills in cpu->stop and returns TRAP. */
enum outcome exception_call(struct cpu *, unsigned target_el, uint32_t esr); /* SVC, HVC, SMC */
enum outcome exception_return(struct cpu *);                                 /* ERET at EL1 and above */
enum outcome trap_stop(struct cpu *, enum emu_stop_kind, uint64_t value);
uint32_t spsr_get(struct cpu *); /* PSTATE with NZCV as an exception saves it */

#endif

/* Predecoded code and the language of slot operations.
 *
 * A page of code becomes 1024 slots, one an instruction, and a last one that goes on to the next page. A
 * slot names the function that executes it. Ops are written once, in ops_*.inc, and compiled twice:
 *
 *   run.c    fast_NAME: state in host registers, each op jumps to the next; it does what is cached and
 *            MISSes on anything else
 *   step.c   step_NAME: state in struct cpu, returns after one op, makes every check in full. It is the
 *            reference, the single-step engine, the sanitizer build, and where each MISS goes
 *
 * TO ADD A HOT OP
 *  1. ops_<family>.inc:   OP(add_imm) { SETX(RD, LO(RN) + IMM); NEXT; }
 *  2. lower_<family>.c:   a function that fills the slot's operands and says which op
 *         static bool lower_add_imm(struct slot *s, op_ref *op, struct insn in) {
 *             s->rd = to_sp(field(in.word, 0, 5)), s->rn = from_sp(field(in.word, 5, 5)), s->imm = ...;
 *             return USE(add_imm);
 *         }
 *     (USE_UNDEFINED for what is reserved, false for what stays cold), and a row {CLAUSE_..., lower_add_imm}
 *     in lowerings_<family>[] at its end. A clause without a row runs its EXEC function: the op `cold`.
 *
 * OPERANDS     RD RN RM X are uint8_t, IMM is int64_t from 32 bits. Register indices of the lowering:
 *              from(n): 31 is zero; to(n): 31 is dropped; from_sp(n), to_sp(n): 31 is the stack pointer
 * REGISTERS    LO(r)           the 64-bit value
 *              SETX(r, v)      write Xn: upper half and tag go. SETW(r, v) zero-extends
 *              IS_CAP(r)       the upper half may be non-zero; else the register is an integer
 *              COPY(d, s)      the whole register. MOVE(d, s, v): s with the value v, bounds and tag of s
 *              WITHIN(r, v)    r's bounds are cached (so it is tagged and unsealed) and hold its value and v,
 *                              v at most the limit: then v is representable, and MOVE is all there is to do
 *              PC_HERE         the address of this instruction
 * VECTORS      VLO(r), VHI(r)  the halves of Vr. SETV(r, lo, hi): both
 * FLAGS        FLAGS_SUB64(a, b), FLAGS_SUB32(a, b): those of a - b, lazily. FLAGS_NZCV(n): bits 3..0
 *              NZCV            the nibble
 *              HOLDS(cond)     folds well for a constant: FOR_CONDITIONS(M) writes one op for each
 * MEMORY       LOAD(type, var, VIA, address) declares var. STORE(type, value, VIA, address)
 *              LOAD2(type, a, b, VIA, address), STORE2(type, a, b, VIA, address): pairs
 *              LOAD_CAP(lo, hi, tag, VIA, address), then SET_CAP(r, lo, hi, tag)
 *              STORE_CAP(r, VIA, address): the whole register. LOAD_CAP2, STORE_CAP2: pairs
 *              VIA             DDC: A64, address is relative as Xn is. CAP: C64, RN's capability authorises.
 *                              PC: a literal. DDCSP, CAPSP: the base is the stack pointer, whose alignment is
 *                              checked. FOR_VIAS(M, ...) of memory_ops.h writes the four
 * SLOW CASES   WHEN(condition) { quick way } OTHERWISE { complete way }
 *              The fast engine has only the quick way and MISSes else; the step engine has only the complete
 *              one, which may call all of exec.h. `if (!ok) FAULT_OUT;` in it when a call set cpu->fault.
 *              A MISS starts the op again: before it nothing may change that the op reads.
 * ENDS         NEXT; BRANCH_NEAR(slots): same page. BRANCH_FAR(virtual address): same PCC; its lookup may
 *              MISS, FAR_READY(address) asks before.
 *              In the fast engine no local's address may escape, or the jump to the next op becomes a call.
 */
#ifndef CVMDBG_SLOTS_H
#define CVMDBG_SLOTS_H

#include "exec.h"
#include "isa.h"
#include "state.h"

/* One instruction of the fast engine. T is ticks minus the slot's index: straight-line code leaves it alone.
 */
typedef void op_fn(struct cpu *cpu, const struct slot *s, int64_t T, uint64_t cv, uint64_t fa, uint64_t fb);
/* The same of the step engine. */
typedef void step_fn(struct cpu *cpu, const struct slot *s);

struct slot {
    op_fn *run;
    uint8_t rd, rn, rm, x;
    int32_t imm;
};

enum { PAGE_SLOTS = EMU_PAGE / 4 };
struct code_page {
    struct slot slot[PAGE_SLOTS + 1]; /* the last one goes to the next page */
    step_fn *step[PAGE_SLOTS + 1];    /* unfused, whatever slot[].run is */
    uint64_t va, pa;
    uint16_t first, last; /* slots that PCC lets be fetched: first ≤ index < last */
    bool c64, caps_off, fp_off;
    struct code_page *next; /* in its bucket of emu.code */

    /* jit.c's: a bit for each slot whose function is a translation, */
    uint64_t translated[PAGE_SLOTS / 64];
    uint64_t heat;      /* ticks that ran here, about, since the last one, */
    uint32_t threshold; /* and how often the heat for the next one has doubled */
};

/* ---- lowering: from an instruction to a slot ----------------------------------------------------------- */

struct insn {
    uint32_t word;
    uint64_t pc, start, end; /* start, end: what may be fetched of its page */
    bool c64, caps_off, fp_off;
};
typedef struct {
    op_fn *run;
    step_fn *step;
} op_ref;
typedef bool lower_fn(struct slot *, op_ref *, struct insn);
struct lowering {
    uint16_t clause;
    lower_fn *lower;
};
#define LOWERINGS(family) const struct lowering lowerings_##family[]
#define LOWERINGS_END     {0xffff, NULL}

#define USE(name)                                                                                            \
    ({                                                                                                       \
        extern op_fn fast_##name;                                                                            \
        extern step_fn step_##name;                                                                          \
        *op = (op_ref){fast_##name, step_##name};                                                            \
        true;                                                                                                \
    })

#define USE_UNDEFINED                                                                                        \
    ({                                                                                                       \
        extern op_fn fast_miss;                                                                              \
        extern step_fn step_undefined;                                                                       \
        *op = (op_ref){fast_miss, step_undefined};                                                           \
        true;                                                                                                \
    })

static inline uint8_t from(unsigned n) { return (uint8_t)n; }
static inline uint8_t to(unsigned n) { return n == 31 ? R_DUMP : (uint8_t)n; }
static inline uint8_t from_sp(unsigned n) { return n == 31 ? R_SP : (uint8_t)n; }
static inline uint8_t to_sp(unsigned n) { return from_sp(n); }

#define FOR_CONDITIONS(M)                                                                                    \
    M(eq, 0)                                                                                                 \
    M(ne, 1)                                                                                                 \
    M(cs, 2)                                                                                                 \
    M(cc, 3) M(mi, 4) M(pl, 5) M(vs, 6) M(vc, 7) M(hi, 8) M(ls, 9) M(ge, 10) M(lt, 11) M(gt, 12) M(le, 13)

/* ---- flags --------------------------------------------------------------------------------------------- */

extern const uint16_t condition_table[16]; /* bit nzcv of row cond */

/* N, Z, C, V of a - b. */
static inline unsigned flags_of_sub(uint64_t a, uint64_t b) {
    uint64_t r = a - b;
    return (unsigned)((r >> 63) << 3 | (uint64_t)(r == 0) << 2 | (uint64_t)(a >= b) << 1 |
                      ((a ^ b) & (a ^ r)) >> 63);
}

static inline unsigned flags_nibble(uint64_t cv, uint64_t fa, uint64_t fb) {
    return cv & FLAGS_NIBBLE ? (unsigned)fb : flags_of_sub(fa, fb);
}

static inline bool sub_holds(unsigned cond, uint64_t a, uint64_t b) {
    switch (cond) {
    case 0: return a == b;
    case 1: return a != b;
    case 2: return a >= b;
    case 3: return a < b;
    case 4: return (int64_t)(a - b) < 0;
    case 5: return (int64_t)(a - b) >= 0;
    case 6: return ((a ^ b) & (a ^ (a - b))) >> 63;
    case 7: return !(((a ^ b) & (a ^ (a - b))) >> 63);
    case 8: return a > b;
    case 9: return a <= b;
    case 10: return (int64_t)a >= (int64_t)b;
    case 11: return (int64_t)a < (int64_t)b;
    case 12: return (int64_t)a > (int64_t)b;
    case 13: return (int64_t)a <= (int64_t)b;
    default: return true;
    }
}

static inline bool flags_hold(unsigned cond, uint64_t cv, uint64_t fa, uint64_t fb) {
    if (__builtin_expect((cv & FLAGS_NIBBLE) != 0, 0)) return condition_table[cond] >> fb & 1;
    return sub_holds(cond, fa, fb);
}

/* ---- code pages ---------------------------------------------------------------------------------------- */

/* The page and slot of the pc in lo[R_PCC], decoded on demand. false: cpu->fault is set (fetch). */
bool code_enter(struct cpu *);
/* Decode slot number index of a page; breakpoints show. */
void code_decode(struct cpu *, struct code_page *, unsigned index);
/* Bytes of physical memory changed: forget what was decoded from them. */
void code_written(struct emu *, uint64_t pa, uint64_t size);
bool code_on_page(const struct emu *, uint64_t pa);
void code_reset_at(struct emu *, uint64_t va); /* the slots of this address are undecoded again */
void code_drop_all(struct emu *);

/* Register r moves by CapAdd. */
static inline void reg_move_cap(struct cpu *cpu, unsigned r, int64_t offset) {
    reg_set(cpu, r, cap_add(reg_get(cpu, r), (uint64_t)offset));
}

static inline uint64_t slot_pc(const struct code_page *page, const struct slot *s) {
    return page->va + 4 * (uint64_t)(s - page->slot);
}

#endif

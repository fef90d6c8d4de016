/* Floating point and vectors in the fast engine.
 *
 * A clause of data processing touches nothing but registers, so it is called where it is met. Loads and
 * stores of S, D and Q registers have quick ways for what is cached. Whatever does not fit goes the way of
 * every miss: step_cold runs the clause. The slot is that of a cold instruction: its imm is the instruction
 * word.
 */
#include "fast_vector.h"
#include "arithmetic.h"
#include "run.h"

/* false: the clause undid nothing, the step engine will find the same fault and deliver it. */
bool vector_retires(struct cpu *cpu, const struct slot *s) {
    exec_fn *clause = isa_exec[s->rd | s->rn << 8];
    if (clause && clause(cpu, (uint32_t)s->imm) == NEXT) return true;
    cpu->faulted = false;
    return false;
}

#include "ops_fast.h"

/* Data processing: of the host registers it may need or change flags and which registers are capabilities. */
OP(vector) {
    cpu->cv = cv, cpu->fa = fa, cpu->fb = fb;
    if (UNLIKELY(!vector_retires(cpu, s))) MISS;
    cv = cpu->cv, fa = cpu->fa, fb = cpu->fb;
    NEXT;
}

/* ---- where a load or store goes ------------------------------------------------------------------------ */

#define WORD ((uint32_t)s->imm)
#define BASE from_sp(WORD >> 5 & 31)

/* Xm or extended Wm, shifted by the size if S. */
static inline uint64_t register_offset(const struct cpu *cpu, uint32_t word, unsigned size) {
    uint64_t x = cpu->lo[word >> 16 & 31];
    if (!(word >> 13 & 1)) x = word >> 15 & 1 ? (uint64_t)(int64_t)(int32_t)x : (uint32_t)x;
    return word >> 12 & 1 ? x * size : x;
}

/* Name, whether the base moves by the offset, what the address adds to the base. */
#define OFFSET_scaled(size)   ((uint64_t)field(WORD, 10, 12) * (size))
#define OFFSET_unscaled(size) ((uint64_t)signed_field(WORD, 12, 9))
#define OFFSET_indexed(size)  register_offset(cpu, WORD, size)
#define OFFSET_pair(size)     ((uint64_t)signed_field(WORD, 15, 7) * (size))
#define MOVES_none            false
#define MOVES_pre             true
#define MOVES_post            true
#define ADDED_none(offset)    (offset)
#define ADDED_pre(offset)     (offset)
#define ADDED_post(offset)    0

#define ENTRY_FOR_DDC(n, at, size, tag, top) ENTRY_DDC(at, size, tag, top)
#define ENTRY_FOR_CAP(n, at, size, tag, top) ENTRY_VA(n, at, size, tag, top)
/* May the base move so, by a look at what is cached? */
#define MAY_MOVE_DDC(n, to)  true
#define MAY_MOVE_CAP(n, to)  WITHIN(n, to)
#define MOVE_BASE_DDC(n, to) SETX(n, to)
#define MOVE_BASE_CAP(n, to) LO(n) = (to)

#define ADDRESS(VIA, form, moves, size)                                                                      \
    unsigned n = BASE;                                                                                       \
    uint64_t moved = LO(n) + OFFSET_##form(size), at = LO(n) + ADDED_##moves(OFFSET_##form(size));           \
    if (UNLIKELY(n == R_SP && LO(R_SP) & cpu->sp_mask)) MISS;                                                \
    if (MOVES_##moves && UNLIKELY(!(MAY_MOVE_##VIA(n, moved)))) MISS
#define WRITE_BACK(VIA, moves)                                                                               \
    if (MOVES_##moves) MOVE_BASE_##VIA(n, moved)

/* ---- moving a register --------------------------------------------------------------------------------- */

static inline void load_register(struct cpu *cpu, unsigned t, uintptr_t from, unsigned size) {
    cpu->v[t][0] = size == 4 ? AT(uint32_t, from) : AT(uint64_t, from);
    cpu->v[t][1] = size == 16 ? AT(uint64_t, from + 8) : 0;
}
static inline void store_register(const struct cpu *cpu, unsigned t, uintptr_t to, unsigned size) {
    if (size == 4)
        AT(uint32_t, to) = (uint32_t)cpu->v[t][0];
    else
        AT(uint64_t, to) = cpu->v[t][0];
    if (size == 16) AT(uint64_t, to + 8) = cpu->v[t][1];
}
#define CLEAR_TAGS_OF(at, size)                                                                              \
    do {                                                                                                     \
        CLEAR_TAGS(at, size);                                                                                \
        if ((size) > 16) TAG_AT((at) + 16) = 0;                                                              \
    } while (0)

#define SINGLE(form, moves, size, VIA)                                                                       \
    OP(ldr_##form##_##moves##_##size##_##VIA) {                                                              \
        ADDRESS(VIA, form, moves, size);                                                                     \
        ENTRY_FOR_##VIA(n, at, size, rtag, top_load);                                                        \
        load_register(cpu, WORD & 31, e_->host + at, size);                                                  \
        WRITE_BACK(VIA, moves);                                                                              \
        NEXT;                                                                                                \
    }                                                                                                        \
    OP(str_##form##_##moves##_##size##_##VIA) {                                                              \
        ADDRESS(VIA, form, moves, size);                                                                     \
        ENTRY_FOR_##VIA(n, at, size, wtag, top_store);                                                       \
        store_register(cpu, WORD & 31, e_->host + at, size);                                                 \
        CLEAR_TAGS_OF(at, size);                                                                             \
        WRITE_BACK(VIA, moves);                                                                              \
        NEXT;                                                                                                \
    }

#define PAIR(form, moves, size, VIA)                                                                         \
    OP(ldp_##moves##_##size##_##VIA) {                                                                       \
        ADDRESS(VIA, form, moves, size);                                                                     \
        ENTRY_FOR_##VIA(n, at, 2 * size, rtag, top_load);                                                    \
        load_register(cpu, WORD & 31, e_->host + at, size);                                                  \
        load_register(cpu, WORD >> 10 & 31, e_->host + at + size, size);                                     \
        WRITE_BACK(VIA, moves);                                                                              \
        NEXT;                                                                                                \
    }                                                                                                        \
    OP(stp_##moves##_##size##_##VIA) {                                                                       \
        ADDRESS(VIA, form, moves, size);                                                                     \
        ENTRY_FOR_##VIA(n, at, 2 * size, wtag, top_store);                                                   \
        store_register(cpu, WORD & 31, e_->host + at, size);                                                 \
        store_register(cpu, WORD >> 10 & 31, e_->host + at + size, size);                                    \
        CLEAR_TAGS_OF(at, 2 * size);                                                                         \
        WRITE_BACK(VIA, moves);                                                                              \
        NEXT;                                                                                                \
    }

#define FOR_SIZES(M, form, moves)                                                                            \
    M(form, moves, 4, DDC)                                                                                   \
    M(form, moves, 8, DDC)                                                                                   \
    M(form, moves, 16, DDC)                                                                                  \
    M(form, moves, 4, CAP)                                                                                   \
    M(form, moves, 8, CAP)                                                                                   \
    M(form, moves, 16, CAP)

FOR_SIZES(SINGLE, scaled, none)
FOR_SIZES(SINGLE, unscaled, none)
FOR_SIZES(SINGLE, unscaled, pre)
FOR_SIZES(SINGLE, unscaled, post)
FOR_SIZES(SINGLE, indexed, none)
FOR_SIZES(PAIR, pair, none)
FOR_SIZES(PAIR, pair, pre)
FOR_SIZES(PAIR, pair, post)

/* ---- which one ----------------------------------------------------------------------------------------- */

/* By C64, size (S, D, Q) and whether it loads. */
#define OPS(store, load)                                                                                     \
    {                                                                                                        \
        {{fast_##store##_4_DDC, fast_##load##_4_DDC},                                                        \
         {fast_##store##_8_DDC, fast_##load##_8_DDC},                                                        \
         {fast_##store##_16_DDC, fast_##load##_16_DDC}},                                                     \
        {{fast_##store##_4_CAP, fast_##load##_4_CAP},                                                        \
         {fast_##store##_8_CAP, fast_##load##_8_CAP},                                                        \
         {fast_##store##_16_CAP, fast_##load##_16_CAP}},                                                     \
    }
typedef op_fn *op_table[2][3][2];

static const op_table scaled = OPS(str_scaled_none, ldr_scaled_none),
                      indexed = OPS(str_indexed_none, ldr_indexed_none);
/* By bits 11:10: offset, after, -, before. */
static const op_table unscaled[4] = {OPS(str_unscaled_none, ldr_unscaled_none),
                                     OPS(str_unscaled_post, ldr_unscaled_post),
                                     {{{NULL}}},
                                     OPS(str_unscaled_pre, ldr_unscaled_pre)};
/* By bits 24:23: no allocate, after, offset, before. */
static const op_table pairs[4] = {OPS(stp_none, ldp_none), OPS(stp_post, ldp_post), OPS(stp_none, ldp_none),
                                  OPS(stp_pre, ldp_pre)};

/* A single load or store of an S, D or Q register: 0, 1, 2; else -1. */
static int single_size(uint32_t word) {
    unsigned scale = field(word, 23, 1) << 2 | field(word, 30, 2);
    return scale >= 2 && scale <= 4 ? (int)scale - 2 : -1;
}

static op_fn *single_op(struct insn in) {
    int size = single_size(in.word);
    unsigned load = field(in.word, 22, 1), how = field(in.word, 10, 2);
    if (size < 0) return NULL;
    if (field(in.word, 24, 1)) return scaled[in.c64][size][load];
    if (!field(in.word, 21, 1)) return unscaled[how][in.c64][size][load];
    return how == 2 && field(in.word, 14, 1) ? indexed[in.c64][size][load] : NULL;
}

static op_fn *pair_op(struct insn in) {
    unsigned opc = field(in.word, 30, 2), load = field(in.word, 22, 1);
    bool overlap = load && field(in.word, 0, 5) == field(in.word, 10, 5);
    return opc == 3 || overlap ? NULL : pairs[field(in.word, 23, 2)][in.c64][opc][load];
}

/* Bits 28:25 say data processing, bits 29:27 and 26 a pair or a single register of the vector file. */
op_fn *vector_op(struct insn in) {
    if ((in.word >> 25 & 7) == 7) return fast_vector;
    if ((in.word >> 25 & 0x1f) == 0x16) return pair_op(in);
    return (in.word >> 24 & 0x3e) == 0x3c ? single_op(in) : NULL;
}

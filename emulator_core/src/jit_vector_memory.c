/* Translation of the loads and stores of fast_vector.c: S, D and Q registers. The slot is that of a cold
 * instruction: its imm is the instruction word. */
#include "arithmetic.h"
#include "jit_memory.h"
#include "jit_sse.h"

#if JIT_HOST

/* How the address is made, and how the base moves. */
enum { SCALED, UNSCALED, INDEXED, PAIR };
enum { NONE, BEFORE, AFTER };

struct access {
    uint32_t word;
    unsigned base, size;
    enum jit_via via;
    uint8_t form, moves;
    int32_t offset;
};

static int32_t offset_of(uint32_t word, uint8_t form, unsigned size) {
    switch (form) {
    case SCALED: return (int32_t)(field(word, 10, 12) * size);
    case UNSCALED: return (int32_t)signed_field(word, 12, 9);
    case PAIR: return (int32_t)signed_field(word, 15, 7) * (int32_t)size;
    default: return 0;
    }
}

/* how: form, moves, size of one register, authority */
static struct access access_of(const struct slot *s, const uint8_t *how) {
    uint32_t word = (uint32_t)s->imm;
    return (struct access){
        word,   from_sp(field(word, 5, 5)),     how[2], how[3] == CAP ? VIA_CAP : VIA_DDC, how[0],
        how[1], offset_of(word, how[0], how[2])};
}

static void add_index(struct block *b, const struct access *a) {
    enum index_form form = field(a->word, 13, 1) ? BY_X : field(a->word, 15, 1) ? BY_SXTW : BY_UXTW;
    unsigned scale = field(a->word, 12, 1) ? (unsigned)__builtin_ctz(a->size) : 0;
    shifted_index(b, B, field(a->word, 16, 5), form, scale);
    rr(&b->out, WIDE, OP_ADD, A, B);
}

/* Then C + A is the host's address, B that of tags for stores. */
static void access_begin(struct block *b, const struct access *a, unsigned size, enum jit_access access) {
    if (a->moves != NONE) may_move(b, a->via, a->base, a->offset);
    base_address(b, a->base, a->base == R_SP);
    if (a->form == INDEXED)
        add_index(b, a);
    else if (a->moves != AFTER && a->offset)
        ri(&b->out, WIDE, IMM_ADD, A, a->offset);
    access_is_allowed(b, a->via, a->base, size, access);
}
static void access_end(struct block *b, const struct access *a) {
    if (a->moves != NONE) move_base(b, a->via, a->base, a->offset);
}

static unsigned load_op(unsigned size) {
    return size == 16 ? SSE_LOAD : size == 8 ? SSE_LOAD64 : (unsigned)SSE_MOVD;
}
static unsigned store_op(unsigned size) {
    return size == 16 ? SSE_STORE : size == 8 ? SSE_STORE64 : (unsigned)SSE_MOVD_TO;
}

/* The first of the word's registers, or the second of a pair. */
static unsigned register_of(uint32_t word, unsigned i) { return field(word, i ? 10 : 0, 5); }

static void load(struct block *b, const struct slot *s, const uint8_t *how) {
    struct access a = access_of(s, how);
    unsigned count = a.form == PAIR ? 2 : 1;
    access_begin(b, &a, count * a.size, LOADS);
    for (unsigned i = 0; i < count; i++)
        rmx(&b->out, NARROW, load_op(a.size), i, C, A, 0, (int32_t)(i * a.size));
    for (unsigned i = 0; i < count; i++) set_v(b, register_of(a.word, i), i, true);
    access_end(b, &a);
}

static void store(struct block *b, const struct slot *s, const uint8_t *how) {
    struct access a = access_of(s, how);
    unsigned count = a.form == PAIR ? 2 : 1;
    access_begin(b, &a, count * a.size, STORES);
    for (unsigned i = 0; i < count; i++) {
        get_v(b, 0, register_of(a.word, i), a.size == 16);
        rmx(&b->out, NARROW, store_op(a.size), 0, C, A, 0, (int32_t)(i * a.size));
    }
    clear_tags(b, count * a.size);
    access_end(b, &a);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* clang-format off */
#define FOR_SIZES(M, name, form, moves, FORM, MOVES) \
    M(name, form, moves, 4, DDC, FORM, MOVES) M(name, form, moves, 8, DDC, FORM, MOVES) M(name, form, moves, 16, DDC, FORM, MOVES) \
    M(name, form, moves, 4, CAP, FORM, MOVES) M(name, form, moves, 8, CAP, FORM, MOVES) M(name, form, moves, 16, CAP, FORM, MOVES)
#define SINGLES(M) \
    FOR_SIZES(M, r, scaled_, none, SCALED, NONE) FOR_SIZES(M, r, unscaled_, none, UNSCALED, NONE) \
    FOR_SIZES(M, r, unscaled_, pre, UNSCALED, BEFORE) FOR_SIZES(M, r, unscaled_, post, UNSCALED, AFTER) \
    FOR_SIZES(M, r, indexed_, none, INDEXED, NONE)
#define PAIRS(M) \
    FOR_SIZES(M, p, , none, PAIR, NONE) FOR_SIZES(M, p, , pre, PAIR, BEFORE) FOR_SIZES(M, p, , post, PAIR, AFTER)
#define DECLARE(name, form, moves, size, VIA, ...) \
    extern op_fn fast_ld##name##_##form##moves##_##size##_##VIA, fast_st##name##_##form##moves##_##size##_##VIA;
#define ROWS(name, form, moves, size, VIA, FORM, MOVES) \
    {JIT_OP(fast_ld##name##_##form##moves##_##size##_##VIA), load, {FORM, MOVES, size, VIA}, FLOW_ON}, \
    {JIT_OP(fast_st##name##_##form##moves##_##size##_##VIA), store, {FORM, MOVES, size, VIA}, FLOW_ON},
SINGLES(DECLARE) PAIRS(DECLARE)

JIT_ROWS(vector_memory) = { SINGLES(ROWS) PAIRS(ROWS) JIT_ROWS_END };
/* clang-format on */

#endif

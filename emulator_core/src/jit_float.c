/* Translation of fast_float.c, and of what fast_vector.c calls clauses for. The slot is that of a cold
 * instruction: its imm is the instruction word. */
#include "arithmetic.h"
#include "fast_vector.h"
#include "jit_sse.h"
#include "run.h"
#include "softfloat.h"

#if JIT_HOST

/* ---- clauses ------------------------------------------------------------------------------------------- */

/* What all calls of vector_retires share: SLOT is the argument, the host's Z says that it did not retire. */
void clause_call_emit(struct out *o) {
    rm(o, WIDE, OP_STORE, CV, CPU, AT_CPU(cv));
    rm(o, WIDE, OP_STORE, FA, CPU, AT_CPU(fa));
    rm(o, WIDE, OP_STORE, FB, CPU, AT_CPU(fb));
    push(o, TICKS);
    push(o, CPU);
    move_imm(o, A, (uintptr_t)vector_retires);
    rr(o, NARROW, 0xff, 2, A);
    pop(o, CPU);
    pop(o, TICKS);
    rm(o, WIDE, OP_MOV, CV, CPU, AT_CPU(cv));
    rm(o, WIDE, OP_MOV, FA, CPU, AT_CPU(fa));
    rm(o, WIDE, OP_MOV, FB, CPU, AT_CPU(fb));
    rr(o, NARROW, 0x84, A, A);
    ret(o);
}

static void call_clause(struct block *b) {
    slot_here(b, b->index);
    put8(&b->out, 0xe8);
    put32(&b->out, (uint32_t)(b->clause_call - (b->out.at + 4)));
    miss_if(b, CC_E);
}

/* It may make any register an integer, and change the flags. */
static void clause(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)s, (void)how;
    call_clause(b);
    b->known.capabilities = 0;
    b->known.flags = FLAGS_UNKNOWN;
}

/* Where the host's result is not the answer, the clause makes it. */
static void clause_and_back(struct block *b, const struct stub *stub) {
    b->index = stub->index;
    call_clause(b);
    land_at(jump(&b->out), stub->back);
}

/* ---- is the host's result the whole answer? ------------------------------------------------------------ */

void mode_is_the_hosts(struct block *b, void (*unless)(struct block *, enum cc)) {
    struct out *o = &b->out;
    rm(o, NARROW, OP_MOV, A, CPU, AT_CPU(fpcr));
    test_imm(o, A, FPCR_FZ | 3u << FPCR_RMODE_LSB);
    unless(b, CC_NE);
    rm(o, NARROW, OP_MOV, A, CPU, AT_CPU(fpsr));
    test_imm(o, A, FPSR_IXC);
    unless(b, CC_E);
}

/* FPCR does not change and FPSR loses nothing before the next label. */
static void mode_is_known(struct block *b) {
    if (!b->known.host_mode) mode_is_the_hosts(b, miss_if);
    b->known.host_mode = true;
}

/* The jumps to where the clause makes the result; they come back behind the op. */
struct doubts {
    uint8_t *from[2];
    unsigned count;
};

static void doubts_end(struct block *b, const struct doubts *doubts) {
    for (unsigned i = 0; i < doubts->count; i++)
        stub_add(b, (struct stub){clause_and_back, doubts->from[i], b->out.at, (uint16_t)b->index, 0, 0});
}

/* A is the result. Its exponent must be neither one of the two least nor the greatest. Changes B. */
static void doubt_scalar(struct block *b, struct doubts *doubts, bool wide) {
    struct out *o = &b->out;
    rmx(o, wide, OP_LEA, B, A, A, 0, 0);
    shift(o, wide, SHIFT_SHR, B, wide ? 53 : 24);
    ri(o, NARROW, IMM_SUB, B, 2);
    ri(o, NARROW, IMM_CMP, B, wide ? 0x7fc : 0xfc);
    doubts->from[doubts->count++] = jump_if(o, CC_A);
}

/* The same of the lanes of XMM0: the sign of e - 2 or of greatest - 2 - e says no. Changes A, XMM2, XMM3. */
static void doubt_lanes(struct block *b, struct doubts *doubts, bool wide, unsigned lanes) {
    struct out *o = &b->out;
    unsigned shift_op = wide ? SSE_SHIFT64 : SSE_SHIFT32, sub = wide ? SSE_SUB64 : SSE_SUB32;
    uint64_t one = wide ? 1 : 0x100000001;
    sse(o, SSE_LOAD, 2, 0);
    sse_shift(o, shift_op, SSE_LEFT, 2, 1);
    sse_shift(o, shift_op, SSE_RIGHT, 2, wide ? 53 : 24);
    spread(b, 3, 2 * one);
    sse(o, sub, 2, 3);
    spread(b, 3, (wide ? 0x7fc : 0xfc) * one);
    sse(o, sub, 3, 2);
    sse(o, SSE_OR, 2, 3);
    sse(o, wide ? SSE_SIGNS64 : SSE_SIGNS32, A, 2);
    test_imm(o, A, (1u << lanes) - 1);
    doubts->from[doubts->count++] = jump_if(o, CC_NE);
}

/* ---- arithmetic ---------------------------------------------------------------------------------------- */

enum { F_ADD = 0x58, F_MUL = 0x59, F_SUB = 0x5c, F_DIV = 0x5e };
/* reg = ±(v * rm) ± reg, of one lane; of all lanes the opcode is one less. */
enum { F_MADD = 0xb9, F_MSUB = 0xbb, F_NMADD = 0xbd, F_NMSUB = 0xbf };

/* The three-byte VEX prefix of map 0F38; rm is a register or has no index. */
static void vex_opcode(struct out *o, bool wide, unsigned v, unsigned op) {
    put8(o, 0xc4);
    put8(o, 0xe2);
    put8(o, (unsigned)wide << 7 | (~v & 15) << 3 | 1);
    put8(o, op);
}
static void fuse(struct out *o, bool wide, unsigned op, unsigned reg, unsigned v, unsigned m) {
    vex_opcode(o, wide, v, op);
    put8(o, 0xc0 | reg << 3 | m);
}

static unsigned d_of(const struct slot *s) { return field((uint32_t)s->imm, 0, 5); }
static unsigned n_of(const struct slot *s) { return field((uint32_t)s->imm, 5, 5); }
static unsigned a_of(const struct slot *s) { return field((uint32_t)s->imm, 10, 5); }
static unsigned m_of(const struct slot *s) { return field((uint32_t)s->imm, 16, 5); }

static void scalar_end(struct block *b, const struct slot *s, bool wide, bool negate) {
    struct doubts doubts = {.count = 0};
    rr(&b->out, wide, SSE_MOVD_TO, 0, A);
    doubt_scalar(b, &doubts, wide);
    if (negate && wide) bit_op(&b->out, BIT_COMPLEMENT, A, 63);
    if (negate && !wide) ri(&b->out, NARROW, IMM_XOR, A, INT32_MIN);
    set_scalar(b, d_of(s), A);
    doubts_end(b, &doubts);
}

/* how: operation, width, is the result negated */
static void scalar(struct block *b, const struct slot *s, const uint8_t *how) {
    unsigned prefix = how[1] ? PREFIX_F2 : PREFIX_F3;
    mode_is_known(b);
    get_v(b, 0, n_of(s), false);
    rm(&b->out, NARROW, prefix | 0x0f00 | how[0], 0, CPU, v_at(m_of(s)));
    scalar_end(b, s, how[1], how[2]);
}

/* how: operation, width */
static void scalar_fused(struct block *b, const struct slot *s, const uint8_t *how) {
    mode_is_known(b);
    get_v(b, 0, a_of(s), false);
    get_v(b, 1, n_of(s), false);
    get_v(b, 2, m_of(s), false);
    fuse(&b->out, how[1], how[0], 0, 1, 2);
    scalar_end(b, s, how[1], false);
}

/* XMM2 is Vm, or in all lanes the element of it that the word names. */
static void get_multiplier(struct block *b, const struct slot *s, bool wide, bool q, bool by_element) {
    uint32_t word = (uint32_t)s->imm;
    int32_t at = v_at(m_of(s)) + 8 * (int32_t)field(word, 11, 1);
    if (!by_element)
        get_v(b, 2, m_of(s), q);
    else if (wide) {
        rm(&b->out, NARROW, SSE_LOAD64, 2, CPU, at);
        sse(&b->out, SSE_BOTH_LOW, 2, 2);
    } else {
        rm(&b->out, NARROW, SSE_MOVD, 2, CPU, at + 4 * (int32_t)field(word, 21, 1));
        sse(&b->out, SSE_SPREAD, 2, 2);
        put8(&b->out, 0);
    }
}

enum shape { S2, S4, D2 };
enum { FUSED = 1, BY_ELEMENT = 2 };

static void vector_end(struct block *b, const struct slot *s, enum shape shape) {
    struct doubts doubts = {.count = 0};
    doubt_lanes(b, &doubts, shape == D2, shape == S4 ? 4 : 2);
    set_v(b, d_of(s), 0, shape != S2);
    doubts_end(b, &doubts);
}

/* how: operation, shape, FUSED, BY_ELEMENT. The upper lanes of two are not looked at. */
static void vector(struct block *b, const struct slot *s, const uint8_t *how) {
    bool wide = how[1] == D2, q = how[1] != S2;
    mode_is_known(b);
    get_multiplier(b, s, wide, q, how[2] & BY_ELEMENT);
    if (how[2] & FUSED) {
        get_v(b, 0, d_of(s), q);
        get_v(b, 1, n_of(s), q);
        fuse(&b->out, wide, how[0] - 1u, 0, 1, 2);
    } else {
        get_v(b, 0, n_of(s), q);
        sse(&b->out, (wide ? PREFIX_66 : 0) | 0x0f00u | how[0], 0, 2);
    }
    vector_end(b, s, how[1]);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* clang-format off */
#define SCALARS(M) M(fadd, scalar, F_ADD, 0) M(fsub, scalar, F_SUB, 0) M(fmul, scalar, F_MUL, 0) M(fnmul, scalar, F_MUL, 1) \
    M(fdiv, scalar, F_DIV, 0) M(fmadd, scalar_fused, F_MADD, 0) M(fmsub, scalar_fused, F_NMADD, 0) \
    M(fnmadd, scalar_fused, F_NMSUB, 0) M(fnmsub, scalar_fused, F_MSUB, 0)
#define VECTORS(M) M(fadd, F_ADD, 0) M(fsub, F_SUB, 0) M(fmul, F_MUL, 0) M(fdiv, F_DIV, 0) \
    M(fmla, F_MADD, FUSED) M(fmls, F_NMADD, FUSED) M(fmul_by, F_MUL, BY_ELEMENT) \
    M(fmla_by, F_MADD, FUSED | BY_ELEMENT) M(fmls_by, F_NMADD, FUSED | BY_ELEMENT)
#define DECLARE_SCALAR(name, ...) extern op_fn fast_##name##_f32, fast_##name##_f64;
#define DECLARE_VECTOR(name, ...) extern op_fn fast_##name##_2s, fast_##name##_4s, fast_##name##_2d;
#define SCALAR_ROWS(name, emit, operation, negated) \
    {JIT_OP(fast_##name##_f32), emit, {operation, NARROW, negated}, FLOW_ON}, \
    {JIT_OP(fast_##name##_f64), emit, {operation, WIDE, negated}, FLOW_ON},
#define VECTOR_ROWS(name, operation, kind) \
    {JIT_OP(fast_##name##_2s), vector, {operation, S2, kind}, FLOW_ON}, \
    {JIT_OP(fast_##name##_4s), vector, {operation, S4, kind}, FLOW_ON}, \
    {JIT_OP(fast_##name##_2d), vector, {operation, D2, kind}, FLOW_ON},
SCALARS(DECLARE_SCALAR) VECTORS(DECLARE_VECTOR)

JIT_ROWS(float) = { SCALARS(SCALAR_ROWS) VECTORS(VECTOR_ROWS) {JIT_OP(fast_vector), clause, {0}, FLOW_ON}, JIT_ROWS_END };
/* clang-format on */

#endif

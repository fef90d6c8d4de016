/* Translation of ops_vector.inc. */
#include "jit_memory.h"
#include "jit_sse.h"
#include "memory_ops.h"

#if JIT_HOST

/* ---- moves --------------------------------------------------------------------------------------------- */

/* how: the load that extends, W */
static void fmov(struct block *b, const struct slot *s, const uint8_t *how) {
    rm(&b->out, how[1], how[0] == (OP_MOVZX16 & 0xff) ? OP_MOVZX16 : OP_MOV, A, CPU, v_at(s->rn));
    set_scalar(b, s->rd, A);
}
static void fmov_from(struct block *b, const struct slot *s, const uint8_t *how) {
    rm(&b->out, how[1], how[0] == (OP_MOVZX16 & 0xff) ? OP_MOVZX16 : OP_MOV, A, CPU, v_at(s->rn));
    set_x(b, s->rd, A);
}
static void fmov_to(struct block *b, const struct slot *s, const uint8_t *how) {
    rm(&b->out, how[1], how[0] == (OP_MOVZX16 & 0xff) ? OP_MOVZX16 : OP_MOV, A, CPU, lo_at(s->rn));
    set_scalar(b, s->rd, A);
}
static void fmov_from_upper(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    rm(&b->out, WIDE, OP_MOV, A, CPU, v_at(s->rn) + 8);
    set_x(b, s->rd, A);
}
static void fmov_to_upper(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    get_x(b, A, s->rn);
    rm(&b->out, WIDE, OP_STORE, A, CPU, v_at(s->rd) + 8);
}

/* ---- logic, sums --------------------------------------------------------------------------------------- */

/* how: the opcode's last byte */
static void lanes(struct block *b, const struct slot *s, const uint8_t *how) {
    get_v(b, 0, s->rn, s->x);
    get_v(b, 1, s->rm, s->x);
    sse(&b->out, PREFIX_66 | 0x0f00u | how[0], 0, 1);
    set_v(b, s->rd, 0, s->x);
}

static void bic(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    get_v(b, 0, s->rm, s->x);
    get_v(b, 1, s->rn, s->x);
    sse(&b->out, SSE_ANDN, 0, 1);
    set_v(b, s->rd, 0, s->x);
}

static void orn(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    get_v(b, 0, s->rm, s->x);
    sse(&b->out, SSE_EQUAL32, 1, 1);
    sse(&b->out, SSE_XOR, 0, 1);
    get_v(b, 1, s->rn, s->x);
    sse(&b->out, SSE_OR, 0, 1);
    set_v(b, s->rd, 0, s->x);
}

/* Where the mask has ones the first operand's bits, else the second's. how: which registers these are */
enum { OF_D, OF_N, OF_M };
static void either(struct block *b, const struct slot *s, const uint8_t *how) {
    const uint8_t registers[] = {[OF_D] = s->rd, [OF_N] = s->rn, [OF_M] = s->rm};
    for (unsigned i = 0; i < 3; i++) get_v(b, i, registers[how[i]], s->x);
    sse(&b->out, SSE_XOR, 0, 1);
    sse(&b->out, SSE_AND, 0, 2);
    sse(&b->out, SSE_XOR, 0, 1);
    set_v(b, s->rd, 0, s->x);
}

/* ---- shifts -------------------------------------------------------------------------------------------- */

/* Halves are shifted, then what came from the next lane is cleared. how: the digit */
static void shift_lanes(struct block *b, const struct slot *s, const uint8_t *how) {
    get_v(b, 0, s->rn, s->x);
    sse_shift(&b->out, SSE_SHIFT64, how[0], 0, s->rm);
    spread(b, 1, (uint64_t)(uint32_t)s->imm * 0x100000001);
    sse(&b->out, SSE_AND, 0, 1);
    set_v(b, s->rd, 0, s->x);
}
static void shift_halves(struct block *b, const struct slot *s, const uint8_t *how) {
    get_v(b, 0, s->rn, true);
    sse_shift(&b->out, SSE_SHIFT64, how[0], 0, s->rm);
    set_v(b, s->rd, 0, true);
}
static void zero(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    store_imm(&b->out, CPU, v_at(s->rd), 0);
    store_imm(&b->out, CPU, v_at(s->rd) + 8, 0);
}

/* ---- one element of memory in all lanes ---------------------------------------------------------------- */

static void load_element(struct block *b, unsigned bits) {
    struct out *o = &b->out;
    switch (bits) {
    case 8: rmx(o, NARROW, OP_MOVZX8, A, C, A, 0, 0); break;
    case 16: rmx(o, NARROW, OP_MOVZX16, A, C, A, 0, 0); break;
    case 32: rmx(o, NARROW, OP_MOV, A, C, A, 0, 0); break;
    default: rmx(o, WIDE, OP_MOV, A, C, A, 0, 0);
    }
    if (bits == 64) return;
    move_imm(o, B, ~(uint64_t)0 / (bit(bits) - 1));
    rr(o, WIDE, OP_IMUL, A, B);
}

/* how: bits, does the base move, authority. A base that moves by a register is the interpreter's. */
static void load_replicated(struct block *b, const struct slot *s, const uint8_t *how) {
    enum jit_via via = how[2] >= CAP ? VIA_CAP : VIA_DDC;
    bool is_sp = how[2] == DDCSP || how[2] == CAPSP;
    unsigned base = is_sp ? R_SP : s->rn;
    if (how[1] && s->rm != R_ZERO) {
        miss(b);
        return;
    }
    if (how[1]) may_move(b, via, base, s->imm);
    base_address(b, base, is_sp);
    access_is_allowed(b, via, base, how[0] / 8u, LOADS);
    load_element(b, how[0]);
    if (how[1]) move_base(b, via, base, s->imm);
    rr(&b->out, WIDE, SSE_MOVD, 0, A);
    if (s->x) sse(&b->out, SSE_BOTH_LOW, 0, 0);
    set_v(b, s->rd, 0, true); /* one store, so that a load of it all need not wait */
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* clang-format off */
enum { HALF = OP_MOVZX16 & 0xff, WHOLE = OP_MOV };
#define OPS(M) \
    M(fmov_h, fmov, HALF, NARROW) M(fmov_s, fmov, WHOLE, NARROW) M(fmov_d, fmov, WHOLE, WIDE) \
    M(fmov_from_h, fmov_from, HALF, NARROW) M(fmov_from_s, fmov_from, WHOLE, NARROW) M(fmov_from_d, fmov_from, WHOLE, WIDE) \
    M(fmov_to_h, fmov_to, HALF, NARROW) M(fmov_to_s, fmov_to, WHOLE, NARROW) M(fmov_to_d, fmov_to, WHOLE, WIDE) \
    M(fmov_from_upper, fmov_from_upper, 0) M(fmov_to_upper, fmov_to_upper, 0) \
    M(and_v, lanes, SSE_AND & 0xff) M(orr_v, lanes, SSE_OR & 0xff) M(eor_v, lanes, SSE_XOR & 0xff) \
    M(bic_v, bic, 0) M(orn_v, orn, 0) \
    M(bsl_v, either, OF_N, OF_M, OF_D) M(bit_v, either, OF_N, OF_D, OF_M) M(bif_v, either, OF_D, OF_N, OF_M) \
    M(add_v8, lanes, 0xfc) M(add_v16, lanes, 0xfd) M(add_v32, lanes, 0xfe) M(add_v64, lanes, 0xd4) \
    M(sub_v8, lanes, 0xf8) M(sub_v16, lanes, 0xf9) M(sub_v32, lanes, 0xfa) M(sub_v64, lanes, 0xfb) \
    M(shl_v, shift_lanes, SSE_LEFT) M(ushr_v, shift_lanes, SSE_RIGHT) \
    M(shl_v64, shift_halves, SSE_LEFT) M(ushr_v64, shift_halves, SSE_RIGHT) M(zero_v, zero, 0)
#define DECLARE(name, ...) extern step_fn step_##name;
#define DECLARE_REPLICATED(VIA, bits) extern step_fn step_ld1r_##bits##_##VIA, step_ld1r_post_##bits##_##VIA;
#define ROWS_REPLICATED(VIA, bits) \
    JIT_ROW(ld1r_##bits##_##VIA, load_replicated, bits, 0, VIA) JIT_ROW(ld1r_post_##bits##_##VIA, load_replicated, bits, 1, VIA)
#define FOR_WIDTHS(M) FOR_VIAS(M, 8) FOR_VIAS(M, 16) FOR_VIAS(M, 32) FOR_VIAS(M, 64)
OPS(DECLARE)
FOR_WIDTHS(DECLARE_REPLICATED)

JIT_ROWS(vector) = { OPS(JIT_ROW) FOR_WIDTHS(ROWS_REPLICATED) JIT_ROWS_END };
/* clang-format on */

#endif

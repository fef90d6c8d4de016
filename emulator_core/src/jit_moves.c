/* Translation of ops_integer.inc: moves, bitfields, shifts, multiplication and division. */
#include "jit_block.h"

#if JIT_HOST

/* ---- moves --------------------------------------------------------------------------------------------- */

static void mov(struct block *b, const struct slot *s, const uint8_t *how) {
    (how[0] ? get_x : get_w)(b, A, s->rn);
    set_x(b, s->rd, A);
}

static void set_constant(struct block *b, const struct slot *s, uint64_t v) {
    if (s->rd == R_DUMP) return;
    if (v == (uint64_t)(int64_t)(int32_t)v) {
        store_imm(&b->out, CPU, lo_at(s->rd), (int32_t)v);
        is_integer(b, s->rd);
    } else {
        move_imm(&b->out, A, v);
        set_x(b, s->rd, A);
    }
}

static void mov_imm(struct block *b, const struct slot *s, const uint8_t *how) {
    set_constant(b, s, how[0] ? (uint64_t)(int64_t)s->imm : (uint32_t)s->imm);
}
static void movz_shifted(struct block *b, const struct slot *s, const uint8_t *how) {
    uint64_t v = (uint64_t)(int64_t)s->imm << s->x;
    set_constant(b, s, how[0] ? ~v : v);
}
static void movk(struct block *b, const struct slot *s, const uint8_t *how) {
    (how[0] ? get_x : get_w)(b, A, s->rd == R_DUMP ? R_ZERO : s->rd);
    move_imm(&b->out, B, ~((uint64_t)0xffff << s->x));
    rr(&b->out, WIDE, OP_AND, A, B);
    move_imm(&b->out, B, (uint64_t)(int64_t)s->imm << s->x);
    rr(&b->out, WIDE, OP_OR, A, B);
    set_result(b, s->rd, A, how[0]);
}

/* how: does IMM count pages? */
static void adr(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    move_imm(o, A, pc_here(b));
    rm(o, WIDE, OP_SUB, A, CPU, AT_CPU(pcc_offset));
    if (how[0]) ri(o, WIDE, IMM_AND, A, -EMU_PAGE);
    move_imm(o, B, how[0] ? (uint64_t)(int64_t)s->imm << 12 : (uint64_t)(int64_t)s->imm);
    rr(o, WIDE, OP_ADD, A, B);
    set_x(b, s->rd, A);
}

/* ---- bitfields and shifts ------------------------------------------------------------------------------ */

/* how: the shift down, width */
static void bitfield(struct block *b, const struct slot *s, const uint8_t *how) {
    get_x(b, A, s->rn);
    shift(&b->out, WIDE, SHIFT_SHL, A, s->x);
    shift(&b->out, WIDE, how[0], A, s->rm);
    set_result(b, s->rd, A, how[1]);
}

static void bfm(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    get_x(b, A, s->rn);
    shift(o, WIDE, SHIFT_SHL, A, s->x);
    shift(o, WIDE, SHIFT_SHR, A, s->rm);
    move_imm(o, B, ~(~(uint64_t)0 << s->x >> s->rm));
    rm(o, WIDE, OP_AND, B, CPU, lo_at(s->rd == R_DUMP ? R_ZERO : s->rd));
    rr(o, WIDE, OP_OR, A, B);
    set_result(b, s->rd, A, how[0]);
}

/* how: the shift by X, width */
static void shift_by(struct block *b, const struct slot *s, const uint8_t *how) {
    (how[1] ? get_x : get_w)(b, A, s->rn);
    shift(&b->out, how[1], how[0], A, s->x);
    set_x(b, s->rd, A);
}

/* how: opcode's lower byte, width of the result */
static void extend(struct block *b, const struct slot *s, const uint8_t *how) {
    unsigned op = how[0] == OP_MOVSXD ? OP_MOVSXD : 0x0f00u | how[0];
    get_extended(b, A, s->rn, how[1], op, 0);
    set_x(b, s->rd, A);
}

static void extr(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    (how[0] ? get_x : get_w)(b, A, s->rm);
    get_x(b, B, s->rn);
    if (how[0]) {
        shift(o, WIDE, SHIFT_SHR, A, s->x);
        shift(o, WIDE, SHIFT_SHL, B, 64u - s->x);
        rr(o, WIDE, OP_OR, A, B);
    } else {
        shift(o, WIDE, SHIFT_SHL, B, 32);
        rr(o, WIDE, OP_OR, A, B);
        shift(o, WIDE, SHIFT_SHR, A, s->x);
    }
    set_result(b, s->rd, A, how[0]);
}

/* By a register: the host counts in CL. It masks the count as A64 does. how: shift, width */
static void shift_register(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    (how[1] ? get_x : get_w)(b, A, s->rn);
    move(o, B, CV);
    rm(o, NARROW, OP_MOV, RCX, CPU, lo_at(s->rm));
    shift_cl(o, how[1], how[0], A);
    move(o, CV, B);
    set_x(b, s->rd, A);
}

/* BSR does not change what it is to write if there is no bit; 127 ^ 63 is 64, 63 ^ 31 is 32. */
static void clz(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    (how[0] ? get_x : get_w)(b, B, s->rn);
    move_imm(o, C, how[0] ? 127 : 63);
    rr(o, how[0], OP_BSR, A, B);
    rr(o, NARROW, OP_CMOV | CC_E, A, C);
    ri(o, NARROW, IMM_XOR, A, how[0] ? 63 : 31);
    set_x(b, s->rd, A);
}

static void swap_step(struct block *b, uint64_t mask, unsigned by) {
    struct out *o = &b->out;
    move_imm(o, C, mask);
    move(o, B, A);
    shift(o, WIDE, SHIFT_SHR, B, by);
    rr(o, WIDE, OP_AND, A, C);
    rr(o, WIDE, OP_AND, B, C);
    shift(o, WIDE, SHIFT_SHL, A, by);
    rr(o, WIDE, OP_OR, A, B);
}

static void byte_swap(struct block *b, bool wide) { opcode(&b->out, wide, OP_BSWAP | A, 0, 0, A, false); }

/* reverse_bits of arithmetic.h */
static void rbit(struct block *b, const struct slot *s, const uint8_t *how) {
    get_x(b, A, s->rn);
    swap_step(b, 0x5555555555555555, 1);
    swap_step(b, 0x3333333333333333, 2);
    swap_step(b, 0x0f0f0f0f0f0f0f0f, 4);
    byte_swap(b, WIDE);
    if (!how[0]) shift(&b->out, WIDE, SHIFT_SHR, A, 32);
    set_x(b, s->rd, A);
}

static void rev(struct block *b, const struct slot *s, const uint8_t *how) {
    (how[0] ? get_x : get_w)(b, A, s->rn);
    byte_swap(b, how[0]);
    set_x(b, s->rd, A);
}

/* ---- multiplication and division ----------------------------------------------------------------------- */

enum addend { NO_ADDEND, PLUS, MINUS };

/* B, the product, and LO(X). */
static void accumulate(struct block *b, const struct slot *s, enum addend addend, bool wide) {
    get_x(b, A, s->x);
    rr(&b->out, wide, addend == PLUS ? OP_ADD : OP_SUB, A, B);
    set_x(b, s->rd, A);
}

/* how: addend, width */
static void multiply(struct block *b, const struct slot *s, const uint8_t *how) {
    get_x(b, B, s->rn);
    rm(&b->out, how[1], OP_IMUL, B, CPU, lo_at(s->rm));
    if (how[0] == NO_ADDEND)
        set_x(b, s->rd, B);
    else
        accumulate(b, s, how[0], how[1]);
}

/* how: addend, signed */
static void multiply_long(struct block *b, const struct slot *s, const uint8_t *how) {
    unsigned op = how[1] ? OP_MOVSXD : OP_MOV;
    rm(&b->out, how[1], op, B, CPU, lo_at(s->rn));
    rm(&b->out, how[1], op, C, CPU, lo_at(s->rm));
    rr(&b->out, WIDE, OP_IMUL, B, C);
    accumulate(b, s, how[0], WIDE);
}

/* RDX:RAX is the product; RDX counts ticks. how: UNARY_MUL or UNARY_IMUL */
static void multiply_high(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    get_x(b, RAX, s->rn);
    get_x(b, B, s->rm);
    move(o, C, TICKS);
    unary(o, WIDE, how[0], B);
    move(o, RAX, RDX);
    move(o, TICKS, C);
    set_x(b, s->rd, RAX);
}

/* By zero gives zero, which the host would trap. how: width */
static void udiv(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    (how[0] ? get_x : get_w)(b, B, s->rm);
    clear(o, RAX);
    move(o, C, TICKS);
    rr(o, how[0], OP_TEST, B, B);
    uint8_t *zero = jump_if(o, CC_E);
    (how[0] ? get_x : get_w)(b, RAX, s->rn);
    clear(o, RDX);
    unary(o, how[0], UNARY_DIV, B);
    move(o, TICKS, C);
    land(o, zero);
    set_x(b, s->rd, RAX);
}

/* And by -1 negates, which it would trap for the least number. */
static void sdiv(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    (how[0] ? get_x : get_w)(b, B, s->rm);
    (how[0] ? get_x : get_w)(b, RAX, s->rn);
    move(o, D, TICKS);
    rmx(o, how[0], OP_LEA, C, B, NO_INDEX, 0, 1);
    ri(o, how[0], IMM_CMP, C, 1);
    uint8_t *special = jump_if(o, CC_BE);
    put8(o, how[0] ? 0x48 : 0x90);
    put8(o, 0x99); /* CQO, CDQ */
    unary(o, how[0], UNARY_IDIV, B);
    uint8_t *done = jump(o);
    land(o, special);
    rr(o, how[0], OP_IMUL, RAX, B);
    land(o, done);
    move(o, TICKS, D);
    set_x(b, s->rd, RAX);
}

static void nothing(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)b, (void)s, (void)how;
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* clang-format off */
#define OPS(M, P) \
    M(nop, nothing, 0) P(mov, mov) M(mov_imm, mov_imm, WIDE) M(mov_imm_w, mov_imm, NARROW) \
    M(movz_shifted, movz_shifted, 0) M(movn_shifted, movz_shifted, 1) P(movk, movk) \
    M(adr_a64, adr, 0) M(adrp_a64, adr, 1) \
    M(ubfm, bitfield, SHIFT_SHR, WIDE) M(sbfm_x, bitfield, SHIFT_SAR, WIDE) M(sbfm_w, bitfield, SHIFT_SAR, NARROW) \
    P(bfm, bfm) \
    M(lsl_x, shift_by, SHIFT_SHL, WIDE) M(lsl_w, shift_by, SHIFT_SHL, NARROW) \
    M(lsr_x, shift_by, SHIFT_SHR, WIDE) M(lsr_w, shift_by, SHIFT_SHR, NARROW) \
    M(asr_x, shift_by, SHIFT_SAR, WIDE) M(asr_w, shift_by, SHIFT_SAR, NARROW) \
    M(uxtb, extend, OP_MOVZX8 & 0xff, NARROW) M(uxth, extend, OP_MOVZX16 & 0xff, NARROW) \
    M(sxtw, extend, OP_MOVSXD, WIDE) P(extr, extr) \
    M(lslv_x, shift_register, SHIFT_SHL, WIDE) M(lslv_w, shift_register, SHIFT_SHL, NARROW) \
    M(lsrv_x, shift_register, SHIFT_SHR, WIDE) M(lsrv_w, shift_register, SHIFT_SHR, NARROW) \
    M(asrv_x, shift_register, SHIFT_SAR, WIDE) M(asrv_w, shift_register, SHIFT_SAR, NARROW) \
    M(rorv_x, shift_register, SHIFT_ROR, WIDE) M(rorv_w, shift_register, SHIFT_ROR, NARROW) \
    P(clz, clz) P(rbit, rbit) P(rev, rev) \
    M(mul_x, multiply, NO_ADDEND, WIDE) M(mul_w, multiply, NO_ADDEND, NARROW) \
    M(madd_x, multiply, PLUS, WIDE) M(madd_w, multiply, PLUS, NARROW) \
    M(msub_x, multiply, MINUS, WIDE) M(msub_w, multiply, MINUS, NARROW) \
    M(smaddl, multiply_long, PLUS, 1) M(smsubl, multiply_long, MINUS, 1) \
    M(umaddl, multiply_long, PLUS, 0) M(umsubl, multiply_long, MINUS, 0) \
    M(smulh, multiply_high, UNARY_IMUL) M(umulh, multiply_high, UNARY_MUL) \
    P(udiv, udiv) P(sdiv, sdiv)
#define DECLARE(name, ...) extern step_fn step_##name;
#define DECLARE_PAIR(name, emit) DECLARE(name##_x) DECLARE(name##_w)
OPS(DECLARE, DECLARE_PAIR)

JIT_ROWS(moves) = { OPS(JIT_ROW, JIT_ROW_PAIR) JIT_ROWS_END };
/* clang-format on */

#endif

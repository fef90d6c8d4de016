/* Translation of ops_integer.inc: addition, subtraction, logic, and what flags decide. jit_moves.c has the
 * rest. */
#include "arithmetic.h"
#include "jit_block.h"

#if JIT_HOST

/* ---- second operands ----------------------------------------------------------------------------------- */

enum form { REG, LSL, LSR, ASR, ROR, UXTB, UXTH, UXTW, SXTB, SXTH, SXTW, IMM, TWICE, RUN };

/* The logical immediates, as ops_integer.inc has them. */
static uint64_t constant(const struct slot *s, enum form form) {
    if (form == TWICE) return (uint64_t)(uint32_t)s->imm * 0x100000001;
    if (form == RUN) return rotate_right(~(uint64_t)0 >> s->rm, s->x);
    return (uint64_t)(int64_t)s->imm;
}

/* RM in this form, or the immediate. */
static void second(struct block *b, unsigned host, const struct slot *s, enum form form, bool wide) {
    static const uint8_t shifts[] = {0, SHIFT_SHL, SHIFT_SHR, SHIFT_SAR, SHIFT_ROR};
    switch (form) {
    case UXTB: get_extended(b, host, s->rm, NARROW, OP_MOVZX8, s->x); break;
    case UXTH: get_extended(b, host, s->rm, NARROW, OP_MOVZX16, s->x); break;
    case UXTW: get_extended(b, host, s->rm, NARROW, OP_MOV, s->x); break;
    case SXTB: get_extended(b, host, s->rm, WIDE, OP_MOVSX8, s->x); break;
    case SXTH: get_extended(b, host, s->rm, WIDE, OP_MOVSX16, s->x); break;
    case SXTW: get_extended(b, host, s->rm, WIDE, OP_MOVSXD, s->x); break;
    case IMM:
    case TWICE:
    case RUN: move_imm(&b->out, host, constant(s, form)); break;
    default:
        (wide ? get_x : get_w)(b, host, s->rm);
        if (form != REG) shift(&b->out, wide, shifts[form], host, s->x);
    }
}

/* ---- addition, subtraction, logic ---------------------------------------------------------------------- */

enum operation { ADD, SUB, AND, ORR, EOR, BIC, ORN, EON };
static const uint8_t opcode_of[] = {[ADD] = OP_ADD, [SUB] = OP_SUB, [AND] = OP_AND, [ORR] = OP_OR,
                                    [EOR] = OP_XOR, [BIC] = OP_AND, [ORN] = OP_OR,  [EON] = OP_XOR};
static const uint8_t digit_of[] = {
    [ADD] = IMM_ADD, [SUB] = IMM_SUB, [AND] = IMM_AND, [ORR] = IMM_OR, [EOR] = IMM_XOR};
static bool inverts(enum operation o) { return o >= BIC; }

static bool fits(const struct slot *s, enum form form, enum operation o) {
    if (form < IMM || inverts(o)) return false;
    uint64_t v = constant(s, form);
    return v == (uint64_t)(int64_t)(int32_t)v;
}

/* how: operation, form, width */
static void binary(struct block *b, const struct slot *s, const uint8_t *how) {
    bool wide = how[2];
    if (s->rd == R_DUMP) return;
    get_x(b, A, s->rn);
    if (fits(s, how[1], how[0]))
        ri(&b->out, wide, digit_of[how[0]], A, (int32_t)constant(s, how[1]));
    else {
        second(b, B, s, how[1], wide);
        if (inverts(how[0])) unary(&b->out, WIDE, UNARY_NOT, B);
        rr(&b->out, wide, opcode_of[how[0]], A, B);
    }
    set_x(b, s->rd, A);
}

/* The operands of flags of 32 bits stand in the upper half. */
static void flag_operand(struct block *b, unsigned host, bool wide) {
    if (!wide) shift(&b->out, WIDE, SHIFT_SHL, host, 32);
}

static void subtract(struct block *b, const struct slot *s, const uint8_t *how) {
    bool wide = how[2];
    get_x(b, FA, s->rn);
    if (how[1] == IMM)
        move_imm(&b->out, FB, wide ? constant(s, IMM) : constant(s, IMM) << 32);
    else {
        second(b, FB, s, how[1], wide);
        flag_operand(b, FB, wide);
    }
    flag_operand(b, FA, wide);
    flags_are_pair(b);
    if (s->rd == R_DUMP) return;
    move(&b->out, A, FA);
    rr(&b->out, WIDE, OP_SUB, A, FB);
    if (!wide) shift(&b->out, WIDE, SHIFT_SHR, A, 32);
    set_x(b, s->rd, A);
}

/* fb becomes N, Z, C, V from bit 3 down; A is the result, C and V are those of the host's last addition. */
static void number_of_addition(struct block *b) {
    struct out *o = &b->out;
    rr(o, NARROW, OP_SETCC | CC_O, 0, FB);
    rr(o, NARROW, OP_SETCC | CC_B, 0, B);
    rr(o, NARROW, OP_MOVZX8, FB, FB);
    rr(o, NARROW, OP_MOVZX8, B, B);
    rmx(o, NARROW, OP_LEA, FB, FB, B, 1, 0);
    rr(o, WIDE, OP_TEST, A, A);
    rr(o, NARROW, OP_SETCC | CC_E, 0, B);
    rr(o, NARROW, OP_MOVZX8, B, B);
    rmx(o, NARROW, OP_LEA, FB, FB, B, 2, 0);
    move(o, B, A);
    shift(o, WIDE, SHIFT_SHR, B, 63);
    rmx(o, NARROW, OP_LEA, FB, FB, B, 3, 0);
    flags_are_number(b);
}

static void add_flags(struct block *b, const struct slot *s, const uint8_t *how) {
    bool wide = how[2];
    get_x(b, A, s->rn);
    second(b, B, s, how[1], wide);
    flag_operand(b, A, wide);
    flag_operand(b, B, wide);
    rr(&b->out, WIDE, OP_ADD, A, B);
    number_of_addition(b);
    if (!wide) shift(&b->out, WIDE, SHIFT_SHR, A, 32);
    set_x(b, s->rd, A);
}

static void logic_flags(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    bool wide = how[2];
    get_x(b, A, s->rn);
    second(b, B, s, how[1], wide);
    if (inverts(how[0])) unary(o, WIDE, UNARY_NOT, B);
    rr(o, wide, opcode_of[how[0]], A, B);
    set_x(b, s->rd, A);
    clear(o, FB);
    rr(o, wide, OP_TEST, A, A);
    rr(o, NARROW, OP_SETCC | CC_E, 0, FB);
    shift(o, wide, SHIFT_SHR, A, wide ? 63 : 31);
    rmx(o, NARROW, OP_LEA, FB, FB, A, 1, 0);
    shift(o, NARROW, SHIFT_SHL, FB, 2);
    flags_are_number(b);
}

/* ---- conditions ---------------------------------------------------------------------------------------- */

enum select { CSEL, CSINC, CSINV, CSNEG };

/* how: what of RM, width, condition */
static void select(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    get_x(b, B, s->rn);
    get_x(b, C, s->rm);
    if (how[0] == CSINC) ri(o, how[1], IMM_ADD, C, 1);
    if (how[0] == CSINV) unary(o, how[1], UNARY_NOT, C);
    if (how[0] == CSNEG) unary(o, how[1], UNARY_NEG, C);
    enum cc cc = condition(b, how[2]);
    rr(o, how[1], OP_CMOV | cc, C, B);
    set_x(b, s->rd, C);
}

/* how: is the second operand IMM, width, condition */
static void compare_if(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    enum cc cc = condition(b, how[2]);
    uint8_t *otherwise = jump_if(o, cc ^ 1);
    get_x(b, FA, s->rn);
    if (how[0])
        move_imm(o, FB, (uint64_t)(int64_t)s->imm);
    else
        get_x(b, FB, s->rm);
    flag_operand(b, FA, how[1]);
    flag_operand(b, FB, how[1]);
    b->known.flags = FLAGS_UNKNOWN;
    flags_are_pair(b);
    uint8_t *done = jump(o);
    land(o, otherwise);
    move_imm(o, FB, s->x);
    flags_are_number(b);
    land(o, done);
    b->known.flags = FLAGS_UNKNOWN;
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* clang-format off */
#define ARITHMETIC(M) M(add, binary, ADD) M(sub, binary, SUB) M(adds, add_flags, ADD) M(subs, subtract, SUB)
#define LOGIC(M) M(and, binary, AND) M(orr, binary, ORR) M(eor, binary, EOR) M(ands, logic_flags, AND)
#define LOGIC_NOT(M) M(bic, binary, BIC) M(orn, binary, ORN) M(eon, binary, EON) M(bics, logic_flags, BIC)

#define DECLARE(name) extern step_fn step_##name;
#define DECLARE_BOTH(name) DECLARE(name##_x) DECLARE(name##_w)
#define DECLARE_SHIFTS(op, emit, o) DECLARE_BOTH(op##_reg) DECLARE_BOTH(op##_lsl) DECLARE_BOTH(op##_lsr) DECLARE_BOTH(op##_asr)
#define DECLARE_EXTENDS(op, emit, o) \
    DECLARE_BOTH(op##_uxtb) DECLARE_BOTH(op##_uxth) DECLARE_BOTH(op##_uxtw) \
    DECLARE_BOTH(op##_sxtb) DECLARE_BOTH(op##_sxth) DECLARE_BOTH(op##_sxtw)
#define DECLARE_ROR(op, emit, o) DECLARE_BOTH(op##_ror)
#define DECLARE_MASKS(op, emit, o) DECLARE_BOTH(op##_imm) DECLARE(op##_twice_x) DECLARE(op##_run_x)
#define ROW_SHIFTS(op, emit, o) JIT_ROW_BOTH(op##_reg, emit, o, REG) JIT_ROW_BOTH(op##_lsl, emit, o, LSL) JIT_ROW_BOTH(op##_lsr, emit, o, LSR) JIT_ROW_BOTH(op##_asr, emit, o, ASR)
#define ROW_EXTENDS(op, emit, o) \
    JIT_ROW_BOTH(op##_uxtb, emit, o, UXTB) JIT_ROW_BOTH(op##_uxth, emit, o, UXTH) JIT_ROW_BOTH(op##_uxtw, emit, o, UXTW) \
    JIT_ROW_BOTH(op##_sxtb, emit, o, SXTB) JIT_ROW_BOTH(op##_sxth, emit, o, SXTH) JIT_ROW_BOTH(op##_sxtw, emit, o, SXTW)
#define ROW_ROR(op, emit, o) JIT_ROW_BOTH(op##_ror, emit, o, ROR)
#define ROW_MASKS(op, emit, o) JIT_ROW_BOTH(op##_imm, emit, o, IMM) JIT_ROW(op##_twice_x, emit, o, TWICE, WIDE) JIT_ROW(op##_run_x, emit, o, RUN, WIDE)

ARITHMETIC(DECLARE_SHIFTS) ARITHMETIC(DECLARE_EXTENDS)
LOGIC(DECLARE_SHIFTS) LOGIC_NOT(DECLARE_SHIFTS) LOGIC(DECLARE_ROR) LOGIC_NOT(DECLARE_ROR) LOGIC(DECLARE_MASKS)

#define SELECTS(M, cond, n) M(csel, cond, n, CSEL) M(csinc, cond, n, CSINC) M(csinv, cond, n, CSINV) M(csneg, cond, n, CSNEG)
#define DECLARE_SELECT(op, cond, n, what) DECLARE(op##_x_##cond) DECLARE(op##_w_##cond)
#define ROW_SELECT(op, cond, n, what) JIT_ROW(op##_x_##cond, select, what, WIDE, n) JIT_ROW(op##_w_##cond, select, what, NARROW, n)
#define DECLARE_CONDITION(cond, n) SELECTS(DECLARE_SELECT, cond, n) \
    DECLARE(ccmp_x_##cond) DECLARE(ccmp_w_##cond) DECLARE(ccmp_imm_x_##cond) DECLARE(ccmp_imm_w_##cond)
#define ROW_CONDITION(cond, n) SELECTS(ROW_SELECT, cond, n) \
    JIT_ROW(ccmp_x_##cond, compare_if, 0, WIDE, n) JIT_ROW(ccmp_w_##cond, compare_if, 0, NARROW, n) \
    JIT_ROW(ccmp_imm_x_##cond, compare_if, 1, WIDE, n) JIT_ROW(ccmp_imm_w_##cond, compare_if, 1, NARROW, n)
FOR_CONDITIONS(DECLARE_CONDITION)

#define IMMEDIATES(M) \
    M(add_imm_x, binary, ADD, IMM, WIDE) M(add_imm_w, binary, ADD, IMM, NARROW) \
    M(subs_imm_x, subtract, SUB, IMM, WIDE) M(subs_imm_w, subtract, SUB, IMM, NARROW) \
    M(cmp_imm_x, subtract, SUB, IMM, WIDE) M(cmp_imm_w, subtract, SUB, IMM, NARROW)
#define DECLARE_ONE(name, ...) DECLARE(name)
IMMEDIATES(DECLARE_ONE)

JIT_ROWS(integer) = {
    ARITHMETIC(ROW_SHIFTS) ARITHMETIC(ROW_EXTENDS)
    LOGIC(ROW_SHIFTS) LOGIC_NOT(ROW_SHIFTS) LOGIC(ROW_ROR) LOGIC_NOT(ROW_ROR) LOGIC(ROW_MASKS)
    FOR_CONDITIONS(ROW_CONDITION)
    IMMEDIATES(JIT_ROW)
    JIT_ROWS_END
};
/* clang-format on */

#endif

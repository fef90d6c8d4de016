/* Branches of A64 to slots. */
#include "slots.h"

/* A branch by offset bytes: the near op with slots if the target is fetched from the same page, else the far
 * one. */
static bool near(struct slot *s, struct insn in, int64_t offset) {
    uint64_t target = in.pc + (uint64_t)offset;
    bool same = ((target ^ in.pc) & PAGE_MASK) == 0 && target >= in.start && target < in.end;
    s->imm = (int32_t)(same ? offset / 4 : offset);
    return same;
}

#define NEAR_OR_FAR(name, offset) (near(s, in, offset) ? USE(name##_near) : USE(name##_far))

static bool lower_b(struct slot *s, op_ref *op, struct insn in) {
    return NEAR_OR_FAR(b, signed_field(in.word, 0, 26) * 4);
}

static bool lower_bl(struct slot *s, op_ref *op, struct insn in) {
    int64_t offset = signed_field(in.word, 0, 26) * 4;
    return in.c64 ? NEAR_OR_FAR(bl_c64, offset) : NEAR_OR_FAR(bl_a64, offset);
}

static bool lower_b_cond(struct slot *s, op_ref *op, struct insn in) {
    int64_t offset = signed_field(in.word, 5, 19) * 4;
    switch (field(in.word, 0, 4)) {
#define CASE(cond, n)                                                                                        \
    case n: return NEAR_OR_FAR(b_##cond, offset);
        FOR_CONDITIONS(CASE)
#undef CASE
    default: return NEAR_OR_FAR(b, offset);
    }
}

static bool lower_cbz(struct slot *s, op_ref *op, struct insn in) {
    int64_t offset = signed_field(in.word, 5, 19) * 4;
    s->rd = from(field(in.word, 0, 5));
    return field(in.word, 31, 1) ? NEAR_OR_FAR(cbz_x, offset) : NEAR_OR_FAR(cbz_w, offset);
}

static bool lower_cbnz(struct slot *s, op_ref *op, struct insn in) {
    int64_t offset = signed_field(in.word, 5, 19) * 4;
    s->rd = from(field(in.word, 0, 5));
    return field(in.word, 31, 1) ? NEAR_OR_FAR(cbnz_x, offset) : NEAR_OR_FAR(cbnz_w, offset);
}

static void test_operands(struct slot *s, struct insn in) {
    s->rd = from(field(in.word, 0, 5));
    s->x = (uint8_t)(field(in.word, 31, 1) << 5 | field(in.word, 19, 5));
}

static bool lower_tbz(struct slot *s, op_ref *op, struct insn in) {
    test_operands(s, in);
    return NEAR_OR_FAR(tbz, signed_field(in.word, 5, 14) * 4);
}

static bool lower_tbnz(struct slot *s, op_ref *op, struct insn in) {
    test_operands(s, in);
    return NEAR_OR_FAR(tbnz, signed_field(in.word, 5, 14) * 4);
}

static bool lower_br(struct slot *s, op_ref *op, struct insn in) {
    s->rn = from(field(in.word, 5, 5));
    return USE(br);
}

static bool lower_blr(struct slot *s, op_ref *op, struct insn in) {
    s->rn = from(field(in.word, 5, 5));
    return in.c64 ? USE(blr_c64) : USE(blr_a64);
}

LOWERINGS(branch) = {
    {CLAUSE_b_uncond_aarch64_instrs_branch_unconditional_immediate, lower_b},
    {CLAUSE_bl_aarch64_instrs_branch_unconditional_immediate, lower_bl},
    {CLAUSE_b_cond_aarch64_instrs_branch_conditional_cond, lower_b_cond},
    {CLAUSE_cbz_aarch64_instrs_branch_conditional_compare, lower_cbz},
    {CLAUSE_cbnz_aarch64_instrs_branch_conditional_compare, lower_cbnz},
    {CLAUSE_tbz_aarch64_instrs_branch_conditional_test, lower_tbz},
    {CLAUSE_tbnz_aarch64_instrs_branch_conditional_test, lower_tbnz},
    {CLAUSE_br_aarch64_instrs_branch_unconditional_register, lower_br},
    {CLAUSE_ret_aarch64_instrs_branch_unconditional_register, lower_br},
    {CLAUSE_blr_aarch64_instrs_branch_unconditional_register, lower_blr},
    LOWERINGS_END,
};

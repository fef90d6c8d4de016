/* Scalar floating point: arithmetic, moves, comparisons. */
#include "fp_common.h"

/* ---- two operands -------------------------------------------------------------------------------------- */

typedef uint64_t binary_fn(struct fp_env *, unsigned n, uint64_t a, uint64_t b);

static enum outcome binary(struct cpu *cpu, uint32_t word, binary_fn *fn) {
    FP_BEGIN;
    struct fp_env env = {cpu->fpcr, cpu->fpsr};
    uint64_t value = fn(&env, fp_width(word), fp_n(cpu, word), fp_m(cpu, word));
    return fp_result(cpu, word, &env, value);
}

static uint64_t negated_product(struct fp_env *env, unsigned n, uint64_t a, uint64_t b) {
    return fp_neg(n, fp_mul(env, n, a, b));
}

EXEC(fadd_float_aarch64_instrs_float_arithmetic_add_sub) { return binary(cpu, word, fp_add); }
EXEC(fsub_float_aarch64_instrs_float_arithmetic_add_sub) { return binary(cpu, word, fp_sub); }
EXEC(fmul_float_aarch64_instrs_float_arithmetic_mul_product) { return binary(cpu, word, fp_mul); }
EXEC(fnmul_float_aarch64_instrs_float_arithmetic_mul_product) { return binary(cpu, word, negated_product); }
EXEC(fdiv_float_aarch64_instrs_float_arithmetic_div) { return binary(cpu, word, fp_div); }
EXEC(fmax_float_aarch64_instrs_float_arithmetic_max_min) { return binary(cpu, word, fp_max); }
EXEC(fmin_float_aarch64_instrs_float_arithmetic_max_min) { return binary(cpu, word, fp_min); }
EXEC(fmaxnm_float_aarch64_instrs_float_arithmetic_max_min) { return binary(cpu, word, fp_max_num); }
EXEC(fminnm_float_aarch64_instrs_float_arithmetic_max_min) { return binary(cpu, word, fp_min_num); }

/* ---- three operands: the addend and the product, each with its sign or the other ----------------------- */

static enum outcome multiply_add(struct cpu *cpu, uint32_t word, bool negate_addend, bool negate_product) {
    FP_BEGIN;
    struct fp_env env = {cpu->fpcr, cpu->fpsr};
    unsigned width = fp_width(word);
    uint64_t a = fp_a(cpu, word), n = fp_n(cpu, word);
    if (negate_addend) a = fp_neg(width, a);
    if (negate_product) n = fp_neg(width, n);
    uint64_t value = fp_mul_add(&env, width, a, n, fp_m(cpu, word));
    return fp_result(cpu, word, &env, value);
}

EXEC(fmadd_float_aarch64_instrs_float_arithmetic_mul_add_sub) {
    return multiply_add(cpu, word, false, false);
}
EXEC(fmsub_float_aarch64_instrs_float_arithmetic_mul_add_sub) { return multiply_add(cpu, word, false, true); }
EXEC(fnmadd_float_aarch64_instrs_float_arithmetic_mul_add_sub) { return multiply_add(cpu, word, true, true); }
EXEC(fnmsub_float_aarch64_instrs_float_arithmetic_mul_add_sub) {
    return multiply_add(cpu, word, true, false);
}

/* ---- one operand --------------------------------------------------------------------------------------- */

EXEC(fabs_float_aarch64_instrs_float_arithmetic_unary) {
    FP_BEGIN;
    return fp_set(cpu, word, fp_abs(fp_width(word), fp_n(cpu, word)));
}
EXEC(fneg_float_aarch64_instrs_float_arithmetic_unary) {
    FP_BEGIN;
    return fp_set(cpu, word, fp_neg(fp_width(word), fp_n(cpu, word)));
}
EXEC(fsqrt_float_aarch64_instrs_float_arithmetic_unary) {
    FP_BEGIN;
    struct fp_env env = {cpu->fpcr, cpu->fpsr};
    uint64_t value = fp_sqrt(&env, fp_width(word), fp_n(cpu, word));
    return fp_result(cpu, word, &env, value);
}

static enum outcome round_to_integral(struct cpu *cpu, uint32_t word, int mode, bool exact) {
    FP_BEGIN;
    struct fp_env env = {cpu->fpcr, cpu->fpsr};
    enum fp_rounding rounding = mode < 0 ? fp_rounding_mode(&env) : (enum fp_rounding)mode;
    uint64_t value = fp_round_int(&env, fp_width(word), fp_n(cpu, word), rounding, exact);
    return fp_result(cpu, word, &env, value);
}
enum { BY_FPCR = -1 };

EXEC(frintn_float_aarch64_instrs_float_arithmetic_round_frint) {
    return round_to_integral(cpu, word, FP_TIE_EVEN, false);
}
EXEC(frintp_float_aarch64_instrs_float_arithmetic_round_frint) {
    return round_to_integral(cpu, word, FP_POSITIVE, false);
}
EXEC(frintm_float_aarch64_instrs_float_arithmetic_round_frint) {
    return round_to_integral(cpu, word, FP_NEGATIVE, false);
}
EXEC(frintz_float_aarch64_instrs_float_arithmetic_round_frint) {
    return round_to_integral(cpu, word, FP_TOWARD_ZERO, false);
}
EXEC(frinta_float_aarch64_instrs_float_arithmetic_round_frint) {
    return round_to_integral(cpu, word, FP_TIE_AWAY, false);
}
EXEC(frinti_float_aarch64_instrs_float_arithmetic_round_frint) {
    return round_to_integral(cpu, word, BY_FPCR, false);
}
EXEC(frintx_float_aarch64_instrs_float_arithmetic_round_frint) {
    return round_to_integral(cpu, word, BY_FPCR, true);
}

/* ---- selection, immediates ----------------------------------------------------------------------------- */

EXEC(fcsel_float_aarch64_instrs_float_move_fp_select) {
    FP_BEGIN;
    bool first = condition_holds(cpu, field(word, 12, 4));
    return fp_set(cpu, word, first ? fp_n(cpu, word) : fp_m(cpu, word));
}

EXEC(fmov_float_imm_aarch64_instrs_float_move_fp_imm) {
    FP_BEGIN;
    return fp_set(cpu, word, fp_expand_imm(fp_width(word), (uint8_t)field(word, 13, 8)));
}

/* ---- comparisons --------------------------------------------------------------------------------------- */

static void compare(struct cpu *cpu, uint32_t word, uint64_t m, bool signal_nans) {
    struct fp_env env = {cpu->fpcr, cpu->fpsr};
    flags_set(cpu, fp_compare(&env, fp_width(word), fp_n(cpu, word), m, signal_nans));
    cpu->fpsr |= env.flags;
}

/* With Vm, or with zero by bit 3. */
static enum outcome compare_always(struct cpu *cpu, uint32_t word, bool signal_nans) {
    FP_BEGIN;
    compare(cpu, word, field(word, 3, 1) ? 0 : fp_m(cpu, word), signal_nans);
    return NEXT;
}
static enum outcome compare_if(struct cpu *cpu, uint32_t word, bool signal_nans) {
    FP_BEGIN;
    if (condition_holds(cpu, field(word, 12, 4)))
        compare(cpu, word, fp_m(cpu, word), signal_nans);
    else
        flags_set(cpu, field(word, 0, 4));
    return NEXT;
}

EXEC(fcmp_float_aarch64_instrs_float_compare_uncond) { return compare_always(cpu, word, false); }
EXEC(fcmpe_float_aarch64_instrs_float_compare_uncond) { return compare_always(cpu, word, true); }
EXEC(fccmp_float_aarch64_instrs_float_compare_cond) { return compare_if(cpu, word, false); }
EXEC(fccmpe_float_aarch64_instrs_float_compare_cond) { return compare_if(cpu, word, true); }

/* Vector floating point: arithmetic, estimates. */
#include "simd_float.h"

/* ---- arithmetic ---------------------------------------------------------------------------------------- */

LANE2(fadd, fp_add)
LANE2(fsub, fp_sub)
LANE2(fmul, fp_mul)
LANE2(fmulx, fp_mulx)
LANE2(fdiv, fp_div)
LANE2(frecps, fp_recip_step)
LANE2(frsqrts, fp_rsqrt_step)

static uint64_t fabd(struct lane *l, uint64_t n, uint64_t m) { return fp_abs(l->esize, fsub(l, n, m)); }
static uint64_t fmla(struct lane *l, uint64_t n, uint64_t m) {
    return fp_mul_add(&l->fp, l->esize, l->d, n, m);
}
static uint64_t fmls(struct lane *l, uint64_t n, uint64_t m) { return fmla(l, fp_neg(l->esize, n), m); }

EXEC(fadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_fp) {
    return simd_binary(cpu, word, fp(word), fadd);
}
EXEC(fadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_fp16) {
    return simd_binary(cpu, word, half(word), fadd);
}
EXEC(fsub_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_fp_simd) {
    return simd_binary(cpu, word, fp(word), fsub);
}
EXEC(fsub_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_fp16_simd) {
    return simd_binary(cpu, word, half(word), fsub);
}
EXEC(fmul_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp_product) {
    return simd_binary(cpu, word, fp(word), fmul);
}
EXEC(fmul_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp16_product) {
    return simd_binary(cpu, word, half(word), fmul);
}
EXEC(fmulx_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp_extended_simd) {
    return simd_binary(cpu, word, fp(word), fmulx);
}
EXEC(fmulx_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp_extended_sisd) {
    return simd_binary(cpu, word, scalar(word), fmulx);
}
EXEC(fmulx_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp16_extended_simd) {
    return simd_binary(cpu, word, half(word), fmulx);
}
EXEC(fmulx_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp16_extended_sisd) {
    return simd_binary(cpu, word, scalar_half(word), fmulx);
}
EXEC(fdiv_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_div) {
    return simd_binary(cpu, word, fp(word), fdiv);
}
EXEC(fdiv_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_div_fp16) {
    return simd_binary(cpu, word, half(word), fdiv);
}
EXEC(fmla_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp_fused) {
    return simd_binary(cpu, word, fp(word), fmla);
}
EXEC(fmla_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp16_fused) {
    return simd_binary(cpu, word, half(word), fmla);
}
EXEC(fmls_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp_fused) {
    return simd_binary(cpu, word, fp(word), fmls);
}
EXEC(fmls_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp16_fused) {
    return simd_binary(cpu, word, half(word), fmls);
}
EXEC(fabd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_fp_simd) {
    return simd_binary(cpu, word, fp(word), fabd);
}
EXEC(fabd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_fp_sisd) {
    return simd_binary(cpu, word, scalar(word), fabd);
}
EXEC(fabd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_fp16_simd) {
    return simd_binary(cpu, word, half(word), fabd);
}
EXEC(fabd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_fp16_sisd) {
    return simd_binary(cpu, word, scalar_half(word), fabd);
}
EXEC(frecps_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_recps_simd) {
    return simd_binary(cpu, word, fp(word), frecps);
}
EXEC(frecps_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_recps_sisd) {
    return simd_binary(cpu, word, scalar(word), frecps);
}
EXEC(frecps_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_recps_fp16_simd) {
    return simd_binary(cpu, word, half(word), frecps);
}
EXEC(frecps_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_recps_fp16_sisd) {
    return simd_binary(cpu, word, scalar_half(word), frecps);
}
EXEC(frsqrts_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_rsqrts_simd) {
    return simd_binary(cpu, word, fp(word), frsqrts);
}
EXEC(frsqrts_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_rsqrts_sisd) {
    return simd_binary(cpu, word, scalar(word), frsqrts);
}
EXEC(frsqrts_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_rsqrts_fp16_simd) {
    return simd_binary(cpu, word, half(word), frsqrts);
}
EXEC(frsqrts_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_rsqrts_fp16_sisd) {
    return simd_binary(cpu, word, scalar_half(word), frsqrts);
}

/* ---- by element ---------------------------------------------------------------------------------------- */

EXEC(fmul_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_fp_simd) {
    return simd_by_element(cpu, word, fp(word), fmul);
}
EXEC(fmul_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_fp_sisd) {
    return simd_by_element(cpu, word, scalar(word), fmul);
}
EXEC(fmul_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_fp16_simd) {
    return simd_by_element(cpu, word, half(word), fmul);
}
EXEC(fmul_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_fp16_sisd) {
    return simd_by_element(cpu, word, scalar_half(word), fmul);
}
EXEC(fmulx_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_fp_simd) {
    return simd_by_element(cpu, word, fp(word), fmulx);
}
EXEC(fmulx_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_fp_sisd) {
    return simd_by_element(cpu, word, scalar(word), fmulx);
}
EXEC(fmulx_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_fp16_simd) {
    return simd_by_element(cpu, word, half(word), fmulx);
}
EXEC(fmulx_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_fp16_sisd) {
    return simd_by_element(cpu, word, scalar_half(word), fmulx);
}
EXEC(fmla_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_fp_simd) {
    return simd_by_element(cpu, word, fp(word), fmla);
}
EXEC(fmla_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_fp_sisd) {
    return simd_by_element(cpu, word, scalar(word), fmla);
}
EXEC(fmla_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_fp16_simd) {
    return simd_by_element(cpu, word, half(word), fmla);
}
EXEC(fmla_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_fp16_sisd) {
    return simd_by_element(cpu, word, scalar_half(word), fmla);
}
EXEC(fmls_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_fp_simd) {
    return simd_by_element(cpu, word, fp(word), fmls);
}
EXEC(fmls_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_fp_sisd) {
    return simd_by_element(cpu, word, scalar(word), fmls);
}
EXEC(fmls_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_fp16_simd) {
    return simd_by_element(cpu, word, half(word), fmls);
}
EXEC(fmls_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_fp16_sisd) {
    return simd_by_element(cpu, word, scalar_half(word), fmls);
}

/* ---- one operand --------------------------------------------------------------------------------------- */

LANE1(fsqrt, fp_sqrt)
LANE1(frecpe, fp_recip_estimate)
LANE1(frsqrte, fp_rsqrt_estimate)
LANE1(frecpx, fp_recip_exponent)
static uint64_t absolute(struct lane *l, uint64_t n) { return fp_abs(l->esize, n); }
static uint64_t negated(struct lane *l, uint64_t n) { return fp_neg(l->esize, n); }
static uint64_t urecpe(struct lane *l, uint64_t n) {
    return (void)l, fp_unsigned_recip_estimate((uint32_t)n);
}
static uint64_t ursqrte(struct lane *l, uint64_t n) {
    return (void)l, fp_unsigned_rsqrt_estimate((uint32_t)n);
}
static struct shape words(uint32_t word) {
    return field(word, 22, 1) ? (struct shape){0, 0, false} : fp(word);
}

EXEC(fabs_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_float) {
    return simd_unary(cpu, word, fp(word), absolute);
}
EXEC(fabs_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_fp16) {
    return simd_unary(cpu, word, half(word), absolute);
}
EXEC(fneg_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_float) {
    return simd_unary(cpu, word, fp(word), negated);
}
EXEC(fneg_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_fp16) {
    return simd_unary(cpu, word, half(word), negated);
}
EXEC(fsqrt_advsimd_aarch64_instrs_vector_arithmetic_unary_special_sqrt) {
    return simd_unary(cpu, word, fp(word), fsqrt);
}
EXEC(fsqrt_advsimd_aarch64_instrs_vector_arithmetic_unary_special_sqrt_fp16) {
    return simd_unary(cpu, word, half(word), fsqrt);
}
EXEC(frecpe_advsimd_aarch64_instrs_vector_arithmetic_unary_special_recip_float_simd) {
    return simd_unary(cpu, word, fp(word), frecpe);
}
EXEC(frecpe_advsimd_aarch64_instrs_vector_arithmetic_unary_special_recip_float_sisd) {
    return simd_unary(cpu, word, scalar(word), frecpe);
}
EXEC(frecpe_advsimd_aarch64_instrs_vector_arithmetic_unary_special_recip_fp16_simd) {
    return simd_unary(cpu, word, half(word), frecpe);
}
EXEC(frecpe_advsimd_aarch64_instrs_vector_arithmetic_unary_special_recip_fp16_sisd) {
    return simd_unary(cpu, word, scalar_half(word), frecpe);
}
EXEC(frsqrte_advsimd_aarch64_instrs_vector_arithmetic_unary_special_sqrt_est_float_simd) {
    return simd_unary(cpu, word, fp(word), frsqrte);
}
EXEC(frsqrte_advsimd_aarch64_instrs_vector_arithmetic_unary_special_sqrt_est_float_sisd) {
    return simd_unary(cpu, word, scalar(word), frsqrte);
}
EXEC(frsqrte_advsimd_aarch64_instrs_vector_arithmetic_unary_special_sqrt_est_fp16_simd) {
    return simd_unary(cpu, word, half(word), frsqrte);
}
EXEC(frsqrte_advsimd_aarch64_instrs_vector_arithmetic_unary_special_sqrt_est_fp16_sisd) {
    return simd_unary(cpu, word, scalar_half(word), frsqrte);
}
EXEC(frecpx_advsimd_aarch64_instrs_vector_arithmetic_unary_special_frecpx) {
    return simd_unary(cpu, word, scalar(word), frecpx);
}
EXEC(frecpx_advsimd_aarch64_instrs_vector_arithmetic_unary_special_frecpx_fp16) {
    return simd_unary(cpu, word, scalar_half(word), frecpx);
}
EXEC(urecpe_advsimd_aarch64_instrs_vector_arithmetic_unary_special_recip_int) {
    return simd_unary(cpu, word, words(word), urecpe);
}
EXEC(ursqrte_advsimd_aarch64_instrs_vector_arithmetic_unary_special_sqrt_est_int) {
    return simd_unary(cpu, word, words(word), ursqrte);
}

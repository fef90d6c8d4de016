/* Vector floating point: comparisons, all bits set where they hold. */
#include "simd_float.h"

static uint64_t mask(bool holds) { return holds ? UINT64_MAX : 0; }
static uint64_t fcmeq(struct lane *l, uint64_t n, uint64_t m) {
    return mask(fp_compare_eq(&l->fp, l->esize, n, m));
}
static uint64_t fcmge(struct lane *l, uint64_t n, uint64_t m) {
    return mask(fp_compare_ge(&l->fp, l->esize, n, m));
}
static uint64_t fcmgt(struct lane *l, uint64_t n, uint64_t m) {
    return mask(fp_compare_gt(&l->fp, l->esize, n, m));
}
static uint64_t facge(struct lane *l, uint64_t n, uint64_t m) {
    return fcmge(l, fp_abs(l->esize, n), fp_abs(l->esize, m));
}
static uint64_t facgt(struct lane *l, uint64_t n, uint64_t m) {
    return fcmgt(l, fp_abs(l->esize, n), fp_abs(l->esize, m));
}

EXEC(fcmeq_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp_simd) {
    return simd_binary(cpu, word, fp(word), fcmeq);
}
EXEC(fcmeq_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp_sisd) {
    return simd_binary(cpu, word, scalar(word), fcmeq);
}
EXEC(fcmeq_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp16_simd) {
    return simd_binary(cpu, word, half(word), fcmeq);
}
EXEC(fcmeq_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp16_sisd) {
    return simd_binary(cpu, word, scalar_half(word), fcmeq);
}
EXEC(fcmge_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp_simd) {
    return simd_binary(cpu, word, fp(word), fcmge);
}
EXEC(fcmge_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp_sisd) {
    return simd_binary(cpu, word, scalar(word), fcmge);
}
EXEC(fcmge_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp16_simd) {
    return simd_binary(cpu, word, half(word), fcmge);
}
EXEC(fcmge_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp16_sisd) {
    return simd_binary(cpu, word, scalar_half(word), fcmge);
}
EXEC(fcmgt_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp_simd) {
    return simd_binary(cpu, word, fp(word), fcmgt);
}
EXEC(fcmgt_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp_sisd) {
    return simd_binary(cpu, word, scalar(word), fcmgt);
}
EXEC(fcmgt_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp16_simd) {
    return simd_binary(cpu, word, half(word), fcmgt);
}
EXEC(fcmgt_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp16_sisd) {
    return simd_binary(cpu, word, scalar_half(word), fcmgt);
}
EXEC(facge_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp_simd) {
    return simd_binary(cpu, word, fp(word), facge);
}
EXEC(facge_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp_sisd) {
    return simd_binary(cpu, word, scalar(word), facge);
}
EXEC(facge_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp16_simd) {
    return simd_binary(cpu, word, half(word), facge);
}
EXEC(facge_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp16_sisd) {
    return simd_binary(cpu, word, scalar_half(word), facge);
}
EXEC(facgt_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp_simd) {
    return simd_binary(cpu, word, fp(word), facgt);
}
EXEC(facgt_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp_sisd) {
    return simd_binary(cpu, word, scalar(word), facgt);
}
EXEC(facgt_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp16_simd) {
    return simd_binary(cpu, word, half(word), facgt);
}
EXEC(facgt_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_fp16_sisd) {
    return simd_binary(cpu, word, scalar_half(word), facgt);
}

/* ---- with zero ----------------------------------------------------------------------------------------- */

static uint64_t fcmeq_zero(struct lane *l, uint64_t n) { return fcmeq(l, n, 0); }
static uint64_t fcmge_zero(struct lane *l, uint64_t n) { return fcmge(l, n, 0); }
static uint64_t fcmgt_zero(struct lane *l, uint64_t n) { return fcmgt(l, n, 0); }
static uint64_t fcmle_zero(struct lane *l, uint64_t n) { return fcmge(l, 0, n); }
static uint64_t fcmlt_zero(struct lane *l, uint64_t n) { return fcmgt(l, 0, n); }

EXEC(fcmeq_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcmeq_zero);
}
EXEC(fcmeq_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcmeq_zero);
}
EXEC(fcmeq_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_fp16_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcmeq_zero);
}
EXEC(fcmeq_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_fp16_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcmeq_zero);
}
EXEC(fcmge_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcmge_zero);
}
EXEC(fcmge_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcmge_zero);
}
EXEC(fcmge_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_fp16_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcmge_zero);
}
EXEC(fcmge_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_fp16_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcmge_zero);
}
EXEC(fcmgt_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcmgt_zero);
}
EXEC(fcmgt_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcmgt_zero);
}
EXEC(fcmgt_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_fp16_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcmgt_zero);
}
EXEC(fcmgt_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_fp16_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcmgt_zero);
}
EXEC(fcmle_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcmle_zero);
}
EXEC(fcmle_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcmle_zero);
}
EXEC(fcmle_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_fp16_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcmle_zero);
}
EXEC(fcmle_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_fp16_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcmle_zero);
}
EXEC(fcmlt_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_float_lessthan_simd) {
    return simd_unary(cpu, word, fp(word), fcmlt_zero);
}
EXEC(fcmlt_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_float_lessthan_sisd) {
    return simd_unary(cpu, word, scalar(word), fcmlt_zero);
}
EXEC(fcmlt_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_fp16_lessthan_simd) {
    return simd_unary(cpu, word, half(word), fcmlt_zero);
}
EXEC(fcmlt_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_fp16_lessthan_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcmlt_zero);
}

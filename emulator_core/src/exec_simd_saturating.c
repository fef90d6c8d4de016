/* Vector integers that saturate: what does not fit becomes the nearest number that does, and FPSR.QC stays
 * set. */
#include "simd.h"

static struct shape any(uint32_t word) { return shape_sizes(word, 0, 3); }
static struct shape scalar_any(uint32_t word) { return shape_scalar_sizes(word, 0, 3); }
static struct shape words(uint32_t word) { return shape_sizes(word, 1, 2); }
static struct shape scalar_words(uint32_t word) { return shape_scalar_sizes(word, 1, 2); }

/* ---- sums ---------------------------------------------------------------------------------------------- */

static __int128 wide(const struct lane *l, uint64_t x) { return signed_lane(l, x); }

static uint64_t uqadd(struct lane *l, uint64_t n, uint64_t m) {
    return saturate_unsigned(l, (__int128)n + m, l->esize);
}
static uint64_t uqsub(struct lane *l, uint64_t n, uint64_t m) {
    return saturate_unsigned(l, (__int128)n - m, l->esize);
}
static uint64_t sqadd(struct lane *l, uint64_t n, uint64_t m) {
    return saturate_signed(l, wide(l, n) + wide(l, m), l->esize);
}
static uint64_t sqsub(struct lane *l, uint64_t n, uint64_t m) {
    return saturate_signed(l, wide(l, n) - wide(l, m), l->esize);
}
/* The destination and the source differ in sign. */
static uint64_t usqadd(struct lane *l, uint64_t n) {
    return saturate_unsigned(l, l->d + wide(l, n), l->esize);
}
static uint64_t suqadd(struct lane *l, uint64_t n) { return saturate_signed(l, wide(l, l->d) + n, l->esize); }
static uint64_t sqneg(struct lane *l, uint64_t n) { return saturate_signed(l, -wide(l, n), l->esize); }
static uint64_t sqabs(struct lane *l, uint64_t n) {
    return saturate_signed(l, wide(l, n) < 0 ? -wide(l, n) : wide(l, n), l->esize);
}

EXEC(uqadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_saturating_simd) {
    return simd_binary(cpu, word, any(word), uqadd);
}
EXEC(uqadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_saturating_sisd) {
    return simd_binary(cpu, word, scalar_any(word), uqadd);
}
EXEC(sqadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_saturating_simd) {
    return simd_binary(cpu, word, any(word), sqadd);
}
EXEC(sqadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_saturating_sisd) {
    return simd_binary(cpu, word, scalar_any(word), sqadd);
}
EXEC(uqsub_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_saturating_simd) {
    return simd_binary(cpu, word, any(word), uqsub);
}
EXEC(uqsub_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_saturating_sisd) {
    return simd_binary(cpu, word, scalar_any(word), uqsub);
}
EXEC(sqsub_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_saturating_simd) {
    return simd_binary(cpu, word, any(word), sqsub);
}
EXEC(sqsub_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_saturating_sisd) {
    return simd_binary(cpu, word, scalar_any(word), sqsub);
}
EXEC(usqadd_advsimd_aarch64_instrs_vector_arithmetic_unary_add_saturating_simd) {
    return simd_unary(cpu, word, any(word), usqadd);
}
EXEC(usqadd_advsimd_aarch64_instrs_vector_arithmetic_unary_add_saturating_sisd) {
    return simd_unary(cpu, word, scalar_any(word), usqadd);
}
EXEC(suqadd_advsimd_aarch64_instrs_vector_arithmetic_unary_add_saturating_simd) {
    return simd_unary(cpu, word, any(word), suqadd);
}
EXEC(suqadd_advsimd_aarch64_instrs_vector_arithmetic_unary_add_saturating_sisd) {
    return simd_unary(cpu, word, scalar_any(word), suqadd);
}
EXEC(sqneg_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_sat_simd) {
    return simd_unary(cpu, word, any(word), sqneg);
}
EXEC(sqneg_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_sat_sisd) {
    return simd_unary(cpu, word, scalar_any(word), sqneg);
}
EXEC(sqabs_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_sat_simd) {
    return simd_unary(cpu, word, any(word), sqabs);
}
EXEC(sqabs_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_sat_sisd) {
    return simd_unary(cpu, word, scalar_any(word), sqabs);
}

/* ---- high halves of doubled products ------------------------------------------------------------------- */

/* (start * 2^esize + 2nm + half) / 2^esize; start is an element. */
static uint64_t high(struct lane *l, __int128 start, __int128 product, bool round) {
    __int128 half = round ? (__int128)1 << (l->esize - 1) : 0;
    return saturate_signed(l, (start * ((__int128)1 << l->esize) + 2 * product + half) >> l->esize, l->esize);
}
static uint64_t sqdmulh(struct lane *l, uint64_t n, uint64_t m) {
    return high(l, 0, wide(l, n) * wide(l, m), false);
}
static uint64_t sqrdmulh(struct lane *l, uint64_t n, uint64_t m) {
    return high(l, 0, wide(l, n) * wide(l, m), true);
}
static uint64_t sqrdmlah(struct lane *l, uint64_t n, uint64_t m) {
    return high(l, wide(l, l->d), wide(l, n) * wide(l, m), true);
}
static uint64_t sqrdmlsh(struct lane *l, uint64_t n, uint64_t m) {
    return high(l, wide(l, l->d), -wide(l, n) * wide(l, m), true);
}

EXEC(sqdmulh_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_doubling_simd) {
    return simd_binary(cpu, word, words(word), sqdmulh);
}
EXEC(sqdmulh_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_doubling_sisd) {
    return simd_binary(cpu, word, scalar_words(word), sqdmulh);
}
EXEC(sqrdmulh_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_doubling_simd) {
    return simd_binary(cpu, word, words(word), sqrdmulh);
}
EXEC(sqrdmulh_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_doubling_sisd) {
    return simd_binary(cpu, word, scalar_words(word), sqrdmulh);
}
EXEC(sqrdmlah_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_doubling_accum_simd) {
    return simd_binary(cpu, word, words(word), sqrdmlah);
}
EXEC(sqrdmlah_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_doubling_accum_sisd) {
    return simd_binary(cpu, word, scalar_words(word), sqrdmlah);
}
EXEC(sqrdmlsh_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_doubling_accum_simd) {
    return simd_binary(cpu, word, words(word), sqrdmlsh);
}
EXEC(sqrdmlsh_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_doubling_accum_sisd) {
    return simd_binary(cpu, word, scalar_words(word), sqrdmlsh);
}
EXEC(sqdmulh_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_high_simd) {
    return simd_by_element(cpu, word, words(word), sqdmulh);
}
EXEC(sqdmulh_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_high_sisd) {
    return simd_by_element(cpu, word, scalar_words(word), sqdmulh);
}
EXEC(sqrdmulh_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_high_simd) {
    return simd_by_element(cpu, word, words(word), sqrdmulh);
}
EXEC(sqrdmulh_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_high_sisd) {
    return simd_by_element(cpu, word, scalar_words(word), sqrdmulh);
}
EXEC(sqrdmlah_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_high_simd) {
    return simd_by_element(cpu, word, words(word), sqrdmlah);
}
EXEC(sqrdmlah_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_high_sisd) {
    return simd_by_element(cpu, word, scalar_words(word), sqrdmlah);
}
EXEC(sqrdmlsh_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_high_simd) {
    return simd_by_element(cpu, word, words(word), sqrdmlsh);
}
EXEC(sqrdmlsh_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_high_sisd) {
    return simd_by_element(cpu, word, scalar_words(word), sqrdmlsh);
}

/* ---- doubled products, twice as wide ------------------------------------------------------------------- */

static struct shape long_words(uint32_t word) { return shape_long_sizes(word, 1, 2); }

static uint64_t sqdmull(struct lane *l, uint64_t n, uint64_t m) {
    return saturate_signed(l, 2 * wide(l, n) * wide(l, m), 2 * l->esize);
}
/* The product saturates first, then its sum with the destination. */
static uint64_t sqdmlal(struct lane *l, uint64_t n, uint64_t m) {
    __int128 product = sign_extended(sqdmull(l, n, m), 2 * l->esize);
    return saturate_signed(l, sign_extended(l->d, 2 * l->esize) + product, 2 * l->esize);
}
static uint64_t sqdmlsl(struct lane *l, uint64_t n, uint64_t m) {
    __int128 product = sign_extended(sqdmull(l, n, m), 2 * l->esize);
    return saturate_signed(l, sign_extended(l->d, 2 * l->esize) - product, 2 * l->esize);
}

EXEC(sqdmull_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_double_simd) {
    return simd_long(cpu, word, long_words(word), sqdmull);
}
EXEC(sqdmull_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_double_sisd) {
    return simd_long(cpu, word, scalar_words(word), sqdmull);
}
EXEC(sqdmlal_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_dmacc_simd) {
    return simd_long(cpu, word, long_words(word), sqdmlal);
}
EXEC(sqdmlal_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_dmacc_sisd) {
    return simd_long(cpu, word, scalar_words(word), sqdmlal);
}
EXEC(sqdmlsl_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_dmacc_simd) {
    return simd_long(cpu, word, long_words(word), sqdmlsl);
}
EXEC(sqdmlsl_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_dmacc_sisd) {
    return simd_long(cpu, word, scalar_words(word), sqdmlsl);
}
EXEC(sqdmull_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_double_simd) {
    return simd_long_by_element(cpu, word, long_words(word), sqdmull);
}
EXEC(sqdmull_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_double_sisd) {
    return simd_long_by_element(cpu, word, scalar_words(word), sqdmull);
}
EXEC(sqdmlal_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_double_simd) {
    return simd_long_by_element(cpu, word, long_words(word), sqdmlal);
}
EXEC(sqdmlal_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_double_sisd) {
    return simd_long_by_element(cpu, word, scalar_words(word), sqdmlal);
}
EXEC(sqdmlsl_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_double_simd) {
    return simd_long_by_element(cpu, word, long_words(word), sqdmlsl);
}
EXEC(sqdmlsl_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_double_sisd) {
    return simd_long_by_element(cpu, word, scalar_words(word), sqdmlsl);
}

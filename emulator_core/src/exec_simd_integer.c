/* Vector integers: lanes of one width. */
#include "simd.h"

static struct shape any(uint32_t word) { return shape_sizes(word, 0, 3); }
static struct shape to_32(uint32_t word) { return shape_sizes(word, 0, 2); }
static struct shape scalar_64(uint32_t word) { return shape_scalar_sizes(word, 3, 3); }

/* ---- sums and products --------------------------------------------------------------------------------- */

static uint64_t add(struct lane *l, uint64_t n, uint64_t m) { return (void)l, n + m; }
static uint64_t sub(struct lane *l, uint64_t n, uint64_t m) { return (void)l, n - m; }
static uint64_t mul(struct lane *l, uint64_t n, uint64_t m) { return (void)l, n * m; }
static uint64_t mla(struct lane *l, uint64_t n, uint64_t m) { return l->d + n * m; }
static uint64_t mls(struct lane *l, uint64_t n, uint64_t m) { return l->d - n * m; }

/* Carry-less product. */
static uint64_t pmul(struct lane *l, uint64_t n, uint64_t m) {
    uint64_t product = 0;
    for (unsigned i = 0; i < l->esize; i++) product ^= m >> i & 1 ? n << i : 0;
    return product;
}

EXEC(add_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_wrapping_single_sisd) {
    return simd_binary(cpu, word, scalar_64(word), add);
}
EXEC(sub_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_wrapping_single_sisd) {
    return simd_binary(cpu, word, scalar_64(word), sub);
}
EXEC(addp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_add_wrapping_pair) {
    return simd_pairwise(cpu, word, any(word), add);
}
EXEC(addp_advsimd_pair_aarch64_instrs_vector_reduce_add_sisd) {
    return simd_pair(cpu, word, scalar_64(word), add);
}
EXEC(mul_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_product) {
    return simd_binary(cpu, word, to_32(word), mul);
}
EXEC(mla_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_accum) {
    return simd_binary(cpu, word, to_32(word), mla);
}
EXEC(mls_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_accum) {
    return simd_binary(cpu, word, to_32(word), mls);
}
EXEC(pmul_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_product) {
    return simd_binary(cpu, word, shape_sizes(word, 0, 0), pmul);
}
EXEC(mul_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_int) {
    return simd_by_element(cpu, word, shape_sizes(word, 1, 2), mul);
}
EXEC(mla_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_int) {
    return simd_by_element(cpu, word, shape_sizes(word, 1, 2), mla);
}
EXEC(mls_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_int) {
    return simd_by_element(cpu, word, shape_sizes(word, 1, 2), mls);
}

/* ---- halving: the sum or difference has one more bit than an element ----------------------------------- */

static uint64_t uhadd(struct lane *l, uint64_t n, uint64_t m) { return (void)l, (n + m) >> 1; }
static uint64_t urhadd(struct lane *l, uint64_t n, uint64_t m) { return (void)l, (n + m + 1) >> 1; }
static uint64_t uhsub(struct lane *l, uint64_t n, uint64_t m) { return (void)l, (n - m) >> 1; }
static uint64_t shadd(struct lane *l, uint64_t n, uint64_t m) {
    return (uint64_t)((signed_lane(l, n) + signed_lane(l, m)) >> 1);
}
static uint64_t srhadd(struct lane *l, uint64_t n, uint64_t m) {
    return (uint64_t)((signed_lane(l, n) + signed_lane(l, m) + 1) >> 1);
}
static uint64_t shsub(struct lane *l, uint64_t n, uint64_t m) {
    return (uint64_t)((signed_lane(l, n) - signed_lane(l, m)) >> 1);
}

EXEC(uhadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_halving_truncating) {
    return simd_binary(cpu, word, to_32(word), uhadd);
}
EXEC(shadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_halving_truncating) {
    return simd_binary(cpu, word, to_32(word), shadd);
}
EXEC(urhadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_halving_rounding) {
    return simd_binary(cpu, word, to_32(word), urhadd);
}
EXEC(srhadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_halving_rounding) {
    return simd_binary(cpu, word, to_32(word), srhadd);
}
EXEC(uhsub_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_int) {
    return simd_binary(cpu, word, to_32(word), uhsub);
}
EXEC(shsub_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_int) {
    return simd_binary(cpu, word, to_32(word), shsub);
}

/* ---- order --------------------------------------------------------------------------------------------- */

static bool above(const struct lane *l, uint64_t n, uint64_t m) {
    return signed_lane(l, n) > signed_lane(l, m);
}
static uint64_t umax(struct lane *l, uint64_t n, uint64_t m) { return (void)l, n > m ? n : m; }
static uint64_t umin(struct lane *l, uint64_t n, uint64_t m) { return (void)l, n > m ? m : n; }
static uint64_t smax(struct lane *l, uint64_t n, uint64_t m) { return above(l, n, m) ? n : m; }
static uint64_t smin(struct lane *l, uint64_t n, uint64_t m) { return above(l, n, m) ? m : n; }
static uint64_t uabd(struct lane *l, uint64_t n, uint64_t m) { return (void)l, n > m ? n - m : m - n; }
static uint64_t sabd(struct lane *l, uint64_t n, uint64_t m) { return above(l, n, m) ? n - m : m - n; }
static uint64_t uaba(struct lane *l, uint64_t n, uint64_t m) { return l->d + uabd(l, n, m); }
static uint64_t saba(struct lane *l, uint64_t n, uint64_t m) { return l->d + sabd(l, n, m); }

EXEC(umax_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_single) {
    return simd_binary(cpu, word, to_32(word), umax);
}
EXEC(umin_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_single) {
    return simd_binary(cpu, word, to_32(word), umin);
}
EXEC(smax_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_single) {
    return simd_binary(cpu, word, to_32(word), smax);
}
EXEC(smin_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_single) {
    return simd_binary(cpu, word, to_32(word), smin);
}
EXEC(umaxp_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_pair) {
    return simd_pairwise(cpu, word, to_32(word), umax);
}
EXEC(uminp_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_pair) {
    return simd_pairwise(cpu, word, to_32(word), umin);
}
EXEC(smaxp_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_pair) {
    return simd_pairwise(cpu, word, to_32(word), smax);
}
EXEC(sminp_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_pair) {
    return simd_pairwise(cpu, word, to_32(word), smin);
}
EXEC(uabd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_diff) {
    return simd_binary(cpu, word, to_32(word), uabd);
}
EXEC(sabd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_diff) {
    return simd_binary(cpu, word, to_32(word), sabd);
}
EXEC(uaba_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_diff) {
    return simd_binary(cpu, word, to_32(word), uaba);
}
EXEC(saba_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_diff) {
    return simd_binary(cpu, word, to_32(word), saba);
}

/* ---- comparisons: all bits set where they hold --------------------------------------------------------- */

static uint64_t mask(bool holds) { return holds ? UINT64_MAX : 0; }
static uint64_t cmeq(struct lane *l, uint64_t n, uint64_t m) { return (void)l, mask(n == m); }
static uint64_t cmtst(struct lane *l, uint64_t n, uint64_t m) { return (void)l, mask(n & m); }
static uint64_t cmhi(struct lane *l, uint64_t n, uint64_t m) { return (void)l, mask(n > m); }
static uint64_t cmhs(struct lane *l, uint64_t n, uint64_t m) { return (void)l, mask(n >= m); }
static uint64_t cmgt(struct lane *l, uint64_t n, uint64_t m) { return mask(above(l, n, m)); }
static uint64_t cmge(struct lane *l, uint64_t n, uint64_t m) { return mask(!above(l, m, n)); }
static uint64_t cmeq_zero(struct lane *l, uint64_t n) { return (void)l, mask(!n); }
static uint64_t cmgt_zero(struct lane *l, uint64_t n) { return mask(signed_lane(l, n) > 0); }
static uint64_t cmge_zero(struct lane *l, uint64_t n) { return mask(signed_lane(l, n) >= 0); }
static uint64_t cmle_zero(struct lane *l, uint64_t n) { return mask(signed_lane(l, n) <= 0); }
static uint64_t cmlt_zero(struct lane *l, uint64_t n) { return mask(signed_lane(l, n) < 0); }

EXEC(cmeq_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_bitwise_simd) {
    return simd_binary(cpu, word, any(word), cmeq);
}
EXEC(cmeq_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_bitwise_sisd) {
    return simd_binary(cpu, word, scalar_64(word), cmeq);
}
EXEC(cmtst_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_bitwise_simd) {
    return simd_binary(cpu, word, any(word), cmtst);
}
EXEC(cmtst_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_bitwise_sisd) {
    return simd_binary(cpu, word, scalar_64(word), cmtst);
}
EXEC(cmhi_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_int_simd) {
    return simd_binary(cpu, word, any(word), cmhi);
}
EXEC(cmhi_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_int_sisd) {
    return simd_binary(cpu, word, scalar_64(word), cmhi);
}
EXEC(cmhs_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_int_simd) {
    return simd_binary(cpu, word, any(word), cmhs);
}
EXEC(cmhs_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_int_sisd) {
    return simd_binary(cpu, word, scalar_64(word), cmhs);
}
EXEC(cmgt_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_int_simd) {
    return simd_binary(cpu, word, any(word), cmgt);
}
EXEC(cmgt_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_int_sisd) {
    return simd_binary(cpu, word, scalar_64(word), cmgt);
}
EXEC(cmge_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_int_simd) {
    return simd_binary(cpu, word, any(word), cmge);
}
EXEC(cmge_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_cmp_int_sisd) {
    return simd_binary(cpu, word, scalar_64(word), cmge);
}
EXEC(cmeq_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_int_bulk_simd) {
    return simd_unary(cpu, word, any(word), cmeq_zero);
}
EXEC(cmeq_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_int_bulk_sisd) {
    return simd_unary(cpu, word, scalar_64(word), cmeq_zero);
}
EXEC(cmgt_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_int_bulk_simd) {
    return simd_unary(cpu, word, any(word), cmgt_zero);
}
EXEC(cmgt_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_int_bulk_sisd) {
    return simd_unary(cpu, word, scalar_64(word), cmgt_zero);
}
EXEC(cmge_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_int_bulk_simd) {
    return simd_unary(cpu, word, any(word), cmge_zero);
}
EXEC(cmge_advsimd_zero_aarch64_instrs_vector_arithmetic_unary_cmp_int_bulk_sisd) {
    return simd_unary(cpu, word, scalar_64(word), cmge_zero);
}
EXEC(cmle_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_int_bulk_simd) {
    return simd_unary(cpu, word, any(word), cmle_zero);
}
EXEC(cmle_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_int_bulk_sisd) {
    return simd_unary(cpu, word, scalar_64(word), cmle_zero);
}
EXEC(cmlt_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_int_lessthan_simd) {
    return simd_unary(cpu, word, any(word), cmlt_zero);
}
EXEC(cmlt_advsimd_aarch64_instrs_vector_arithmetic_unary_cmp_int_lessthan_sisd) {
    return simd_unary(cpu, word, scalar_64(word), cmlt_zero);
}

/* ---- one operand --------------------------------------------------------------------------------------- */

static uint64_t neg(struct lane *l, uint64_t n) { return (void)l, 0 - n; }
static uint64_t absolute(struct lane *l, uint64_t n) { return signed_lane(l, n) < 0 ? 0 - n : n; }
static uint64_t cnt(struct lane *l, uint64_t n) { return (void)l, (uint64_t)__builtin_popcountll(n); }
static uint64_t clz(struct lane *l, uint64_t n) {
    return n ? (uint64_t)__builtin_clzll(n) - (64 - l->esize) : l->esize;
}
/* The bits below the sign that equal it. */
static uint64_t cls(struct lane *l, uint64_t n) {
    uint64_t changes = low_bits(n ^ n << 1, l->esize) | 1;
    return (uint64_t)__builtin_clzll(changes) - (64 - l->esize);
}
static uint64_t invert(struct lane *l, uint64_t n) { return (void)l, ~n; }
static uint64_t reverse_bits(struct lane *l, uint64_t n) {
    uint64_t reversed = 0;
    for (unsigned bit = 0; bit < l->esize; bit++) reversed = reversed << 1 | (n >> bit & 1);
    return reversed;
}

EXEC(neg_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_int_simd) {
    return simd_unary(cpu, word, any(word), neg);
}
EXEC(neg_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_int_sisd) {
    return simd_unary(cpu, word, scalar_64(word), neg);
}
EXEC(abs_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_int_simd) {
    return simd_unary(cpu, word, any(word), absolute);
}
EXEC(abs_advsimd_aarch64_instrs_vector_arithmetic_unary_diff_neg_int_sisd) {
    return simd_unary(cpu, word, scalar_64(word), absolute);
}
EXEC(cnt_advsimd_aarch64_instrs_vector_arithmetic_unary_cnt) {
    return simd_unary(cpu, word, shape_sizes(word, 0, 0), cnt);
}
EXEC(clz_advsimd_aarch64_instrs_vector_arithmetic_unary_clsz) {
    return simd_unary(cpu, word, to_32(word), clz);
}
EXEC(cls_advsimd_aarch64_instrs_vector_arithmetic_unary_clsz) {
    return simd_unary(cpu, word, to_32(word), cls);
}
EXEC(not_advsimd_aarch64_instrs_vector_arithmetic_unary_not) {
    return simd_unary(cpu, word, shape_vector(word, 8), invert);
}
EXEC(rbit_advsimd_aarch64_instrs_vector_arithmetic_unary_rbit) {
    return simd_unary(cpu, word, shape_vector(word, 8), reverse_bits);
}

/* ---- across lanes -------------------------------------------------------------------------------------- */

/* Two words are no vector to reduce. */
static struct shape across(uint32_t word) {
    bool two = field(word, 22, 2) == 2 && !field(word, 30, 1);
    return two ? (struct shape){0, 0, false} : to_32(word);
}
static uint64_t unsigned_element(struct lane *l, uint64_t n) { return (void)l, n; }
static uint64_t signed_element(struct lane *l, uint64_t n) { return (uint64_t)signed_lane(l, n); }

EXEC(addv_advsimd_aarch64_instrs_vector_reduce_add_simd) { return simd_reduce(cpu, word, across(word), add); }
EXEC(umaxv_advsimd_aarch64_instrs_vector_reduce_int_max) {
    return simd_reduce(cpu, word, across(word), umax);
}
EXEC(uminv_advsimd_aarch64_instrs_vector_reduce_int_max) {
    return simd_reduce(cpu, word, across(word), umin);
}
EXEC(smaxv_advsimd_aarch64_instrs_vector_reduce_int_max) {
    return simd_reduce(cpu, word, across(word), smax);
}
EXEC(sminv_advsimd_aarch64_instrs_vector_reduce_int_max) {
    return simd_reduce(cpu, word, across(word), smin);
}
EXEC(uaddlv_advsimd_aarch64_instrs_vector_reduce_add_long) {
    return simd_reduce_long(cpu, word, across(word), unsigned_element);
}
EXEC(saddlv_advsimd_aarch64_instrs_vector_reduce_add_long) {
    return simd_reduce_long(cpu, word, across(word), signed_element);
}

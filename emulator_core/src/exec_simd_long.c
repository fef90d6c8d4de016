/* Vector integers of two widths: long, wide and narrow forms, pairwise sums, dot products. */
#include "simd.h"

static struct shape to_32(uint32_t word) { return shape_long_sizes(word, 0, 2); }
static struct shape words(uint32_t word) { return shape_long_sizes(word, 1, 2); }
static uint64_t sx(const struct lane *l, uint64_t x) { return (uint64_t)signed_lane(l, x); }

/* ---- long ---------------------------------------------------------------------------------------------- */

static uint64_t add(struct lane *l, uint64_t n, uint64_t m) { return (void)l, n + m; }
static uint64_t sub(struct lane *l, uint64_t n, uint64_t m) { return (void)l, n - m; }
static uint64_t add_signed(struct lane *l, uint64_t n, uint64_t m) { return sx(l, n) + sx(l, m); }
static uint64_t sub_signed(struct lane *l, uint64_t n, uint64_t m) { return sx(l, n) - sx(l, m); }
static uint64_t uabdl(struct lane *l, uint64_t n, uint64_t m) { return (void)l, n > m ? n - m : m - n; }
static uint64_t sabdl(struct lane *l, uint64_t n, uint64_t m) {
    return signed_lane(l, n) > signed_lane(l, m) ? sx(l, n) - sx(l, m) : sx(l, m) - sx(l, n);
}
static uint64_t uabal(struct lane *l, uint64_t n, uint64_t m) { return l->d + uabdl(l, n, m); }
static uint64_t sabal(struct lane *l, uint64_t n, uint64_t m) { return l->d + sabdl(l, n, m); }

EXEC(uaddl_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_long) {
    return simd_long(cpu, word, to_32(word), add);
}
EXEC(saddl_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_long) {
    return simd_long(cpu, word, to_32(word), add_signed);
}
EXEC(usubl_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_long) {
    return simd_long(cpu, word, to_32(word), sub);
}
EXEC(ssubl_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_long) {
    return simd_long(cpu, word, to_32(word), sub_signed);
}
EXEC(uabdl_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_diff) {
    return simd_long(cpu, word, to_32(word), uabdl);
}
EXEC(sabdl_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_diff) {
    return simd_long(cpu, word, to_32(word), sabdl);
}
EXEC(uabal_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_diff) {
    return simd_long(cpu, word, to_32(word), uabal);
}
EXEC(sabal_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_diff) {
    return simd_long(cpu, word, to_32(word), sabal);
}

/* ---- wide ---------------------------------------------------------------------------------------------- */

static uint64_t add_narrow_signed(struct lane *l, uint64_t n, uint64_t m) { return n + sx(l, m); }
static uint64_t sub_narrow_signed(struct lane *l, uint64_t n, uint64_t m) { return n - sx(l, m); }

EXEC(uaddw_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_wide) {
    return simd_wide(cpu, word, to_32(word), add);
}
EXEC(saddw_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_wide) {
    return simd_wide(cpu, word, to_32(word), add_narrow_signed);
}
EXEC(usubw_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_wide) {
    return simd_wide(cpu, word, to_32(word), sub);
}
EXEC(ssubw_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_wide) {
    return simd_wide(cpu, word, to_32(word), sub_narrow_signed);
}

/* ---- narrow: high halves of sums ----------------------------------------------------------------------- */

static uint64_t addhn(struct lane *l, uint64_t n, uint64_t m) { return (n + m) >> l->esize; }
static uint64_t subhn(struct lane *l, uint64_t n, uint64_t m) { return (n - m) >> l->esize; }
static uint64_t raddhn(struct lane *l, uint64_t n, uint64_t m) {
    return addhn(l, n, m + ((uint64_t)1 << (l->esize - 1)));
}
static uint64_t rsubhn(struct lane *l, uint64_t n, uint64_t m) {
    return subhn(l, n + ((uint64_t)1 << (l->esize - 1)), m);
}

EXEC(addhn_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_narrow) {
    return simd_narrow_binary(cpu, word, to_32(word), addhn);
}
EXEC(subhn_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_narrow) {
    return simd_narrow_binary(cpu, word, to_32(word), subhn);
}
EXEC(raddhn_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_narrow) {
    return simd_narrow_binary(cpu, word, to_32(word), raddhn);
}
EXEC(rsubhn_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_add_sub_narrow) {
    return simd_narrow_binary(cpu, word, to_32(word), rsubhn);
}

/* ---- products ------------------------------------------------------------------------------------------ */

static uint64_t umull(struct lane *l, uint64_t n, uint64_t m) { return (void)l, n * m; }
static uint64_t smull(struct lane *l, uint64_t n, uint64_t m) { return sx(l, n) * sx(l, m); }
static uint64_t umlal(struct lane *l, uint64_t n, uint64_t m) { return l->d + n * m; }
static uint64_t smlal(struct lane *l, uint64_t n, uint64_t m) { return l->d + smull(l, n, m); }
static uint64_t umlsl(struct lane *l, uint64_t n, uint64_t m) { return l->d - n * m; }
static uint64_t smlsl(struct lane *l, uint64_t n, uint64_t m) { return l->d - smull(l, n, m); }

EXEC(umull_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_product) {
    return simd_long(cpu, word, to_32(word), umull);
}
EXEC(smull_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_product) {
    return simd_long(cpu, word, to_32(word), smull);
}
EXEC(umlal_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_accum) {
    return simd_long(cpu, word, to_32(word), umlal);
}
EXEC(smlal_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_accum) {
    return simd_long(cpu, word, to_32(word), smlal);
}
EXEC(umlsl_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_accum) {
    return simd_long(cpu, word, to_32(word), umlsl);
}
EXEC(smlsl_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_disparate_mul_accum) {
    return simd_long(cpu, word, to_32(word), smlsl);
}
EXEC(umull_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_long) {
    return simd_long_by_element(cpu, word, words(word), umull);
}
EXEC(smull_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_long) {
    return simd_long_by_element(cpu, word, words(word), smull);
}
EXEC(umlal_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_long) {
    return simd_long_by_element(cpu, word, words(word), umlal);
}
EXEC(smlal_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_long) {
    return simd_long_by_element(cpu, word, words(word), smlal);
}
EXEC(umlsl_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_long) {
    return simd_long_by_element(cpu, word, words(word), umlsl);
}
EXEC(smlsl_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_long) {
    return simd_long_by_element(cpu, word, words(word), smlsl);
}

/* ---- carry-less products ------------------------------------------------------------------------------- */

static uint64_t pmull_bytes(struct lane *l, uint64_t n, uint64_t m) {
    uint64_t product = 0;
    for (unsigned i = 0; i < l->esize; i++) product ^= m >> i & 1 ? n << i : 0;
    return product;
}

/* 64 by 64 bits, from one half of each register. */
static enum outcome pmull_doubles(struct cpu *cpu, uint32_t word) {
    if (!fp_enabled(cpu)) return FAULT;
    bool upper = field(word, 30, 1);
    struct vector n = v_get(cpu, field(word, 5, 5)), m = v_get(cpu, field(word, 16, 5));
    uint64_t a = upper ? n.hi : n.lo, b = upper ? m.hi : m.lo;
    unsigned __int128 product = 0;
    for (unsigned i = 0; i < 64; i++) product ^= b >> i & 1 ? (unsigned __int128)a << i : 0;
    v_set(cpu, field(word, 0, 5), (struct vector){(uint64_t)product, (uint64_t)(product >> 64)});
    return NEXT;
}

EXEC(pmull_advsimd_aarch64_instrs_vector_arithmetic_binary_disparate_mul_poly) {
    if (field(word, 22, 2) == 3) return pmull_doubles(cpu, word);
    return simd_long(cpu, word, shape_long_sizes(word, 0, 0), pmull_bytes);
}

/* ---- pairwise ------------------------------------------------------------------------------------------ */

static struct shape pairs(uint32_t word) { return shape_sizes(word, 0, 2); }
static uint64_t accumulate(struct lane *l, uint64_t n, uint64_t m) { return l->d + n + m; }
static uint64_t accumulate_signed(struct lane *l, uint64_t n, uint64_t m) {
    return l->d + add_signed(l, n, m);
}

EXEC(uaddlp_advsimd_aarch64_instrs_vector_arithmetic_unary_add_pairwise) {
    return simd_pairwise_long(cpu, word, pairs(word), add);
}
EXEC(saddlp_advsimd_aarch64_instrs_vector_arithmetic_unary_add_pairwise) {
    return simd_pairwise_long(cpu, word, pairs(word), add_signed);
}
EXEC(uadalp_advsimd_aarch64_instrs_vector_arithmetic_unary_add_pairwise) {
    return simd_pairwise_long(cpu, word, pairs(word), accumulate);
}
EXEC(sadalp_advsimd_aarch64_instrs_vector_arithmetic_unary_add_pairwise) {
    return simd_pairwise_long(cpu, word, pairs(word), accumulate_signed);
}

/* ---- dot products: four bytes a lane ------------------------------------------------------------------- */

static struct shape dots(uint32_t word) { return shape_sizes(word, 2, 2); }
static uint64_t udot(struct lane *l, uint64_t n, uint64_t m) {
    for (unsigned i = 0; i < 32; i += 8) l->d += (n >> i & 255) * (m >> i & 255);
    return l->d;
}
static uint64_t sdot(struct lane *l, uint64_t n, uint64_t m) {
    for (unsigned i = 0; i < 32; i += 8)
        l->d += (uint64_t)(sign_extended(n >> i, 8) * sign_extended(m >> i, 8));
    return l->d;
}

EXEC(udot_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_dotp) {
    return simd_binary(cpu, word, dots(word), udot);
}
EXEC(sdot_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_int_dotp) {
    return simd_binary(cpu, word, dots(word), sdot);
}
EXEC(udot_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_dotp) {
    return simd_by_element(cpu, word, dots(word), udot);
}
EXEC(sdot_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_dotp) {
    return simd_by_element(cpu, word, dots(word), sdot);
}

/* ---- one operand --------------------------------------------------------------------------------------- */

static uint64_t same(struct lane *l, uint64_t n) { return (void)l, n; }
static uint64_t shll(struct lane *l, uint64_t n) { return n << l->esize; }
static uint64_t uqxtn(struct lane *l, uint64_t n) { return saturate_unsigned(l, (__int128)n, l->esize); }
static uint64_t sqxtn(struct lane *l, uint64_t n) {
    return saturate_signed(l, sign_extended(n, 2 * l->esize), l->esize);
}
static uint64_t sqxtun(struct lane *l, uint64_t n) {
    return saturate_unsigned(l, sign_extended(n, 2 * l->esize), l->esize);
}
static struct shape scalar(uint32_t word) { return shape_scalar_sizes(word, 0, 2); }

EXEC(shll_advsimd_aarch64_instrs_vector_arithmetic_unary_shift) {
    return simd_widen(cpu, word, to_32(word), 0, shll);
}
EXEC(xtn_advsimd_aarch64_instrs_vector_arithmetic_unary_extract_nosat) {
    return simd_narrow(cpu, word, to_32(word), 0, same);
}
EXEC(uqxtn_advsimd_aarch64_instrs_vector_arithmetic_unary_extract_sat_simd) {
    return simd_narrow(cpu, word, to_32(word), 0, uqxtn);
}
EXEC(uqxtn_advsimd_aarch64_instrs_vector_arithmetic_unary_extract_sat_sisd) {
    return simd_narrow(cpu, word, scalar(word), 0, uqxtn);
}
EXEC(sqxtn_advsimd_aarch64_instrs_vector_arithmetic_unary_extract_sat_simd) {
    return simd_narrow(cpu, word, to_32(word), 0, sqxtn);
}
EXEC(sqxtn_advsimd_aarch64_instrs_vector_arithmetic_unary_extract_sat_sisd) {
    return simd_narrow(cpu, word, scalar(word), 0, sqxtn);
}
EXEC(sqxtun_advsimd_aarch64_instrs_vector_arithmetic_unary_extract_sqxtun_simd) {
    return simd_narrow(cpu, word, to_32(word), 0, sqxtun);
}
EXEC(sqxtun_advsimd_aarch64_instrs_vector_arithmetic_unary_extract_sqxtun_sisd) {
    return simd_narrow(cpu, word, scalar(word), 0, sqxtun);
}

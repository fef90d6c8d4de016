/* Vector floating point: conversions to and from integers and fixed point, between widths; rounding to
 * integral. */
#include "simd_float.h"

/* ---- to integers --------------------------------------------------------------------------------------- */

static uint64_t to_integer(struct lane *l, uint64_t n, bool is_unsigned, enum fp_rounding rounding) {
    return fp_to_fixed(&l->fp, l->esize, n, l->esize, l->shift, is_unsigned, rounding);
}
static uint64_t fcvtns(struct lane *l, uint64_t n) { return to_integer(l, n, false, FP_TIE_EVEN); }
static uint64_t fcvtnu(struct lane *l, uint64_t n) { return to_integer(l, n, true, FP_TIE_EVEN); }
static uint64_t fcvtps(struct lane *l, uint64_t n) { return to_integer(l, n, false, FP_POSITIVE); }
static uint64_t fcvtpu(struct lane *l, uint64_t n) { return to_integer(l, n, true, FP_POSITIVE); }
static uint64_t fcvtms(struct lane *l, uint64_t n) { return to_integer(l, n, false, FP_NEGATIVE); }
static uint64_t fcvtmu(struct lane *l, uint64_t n) { return to_integer(l, n, true, FP_NEGATIVE); }
static uint64_t fcvtzs(struct lane *l, uint64_t n) { return to_integer(l, n, false, FP_TOWARD_ZERO); }
static uint64_t fcvtzu(struct lane *l, uint64_t n) { return to_integer(l, n, true, FP_TOWARD_ZERO); }
static uint64_t fcvtas(struct lane *l, uint64_t n) { return to_integer(l, n, false, FP_TIE_AWAY); }
static uint64_t fcvtau(struct lane *l, uint64_t n) { return to_integer(l, n, true, FP_TIE_AWAY); }

EXEC(fcvtns_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcvtns);
}
EXEC(fcvtns_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcvtns);
}
EXEC(fcvtns_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcvtns);
}
EXEC(fcvtns_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcvtns);
}
EXEC(fcvtnu_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcvtnu);
}
EXEC(fcvtnu_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcvtnu);
}
EXEC(fcvtnu_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcvtnu);
}
EXEC(fcvtnu_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcvtnu);
}
EXEC(fcvtps_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcvtps);
}
EXEC(fcvtps_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcvtps);
}
EXEC(fcvtps_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcvtps);
}
EXEC(fcvtps_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcvtps);
}
EXEC(fcvtpu_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcvtpu);
}
EXEC(fcvtpu_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcvtpu);
}
EXEC(fcvtpu_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcvtpu);
}
EXEC(fcvtpu_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcvtpu);
}
EXEC(fcvtms_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcvtms);
}
EXEC(fcvtms_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcvtms);
}
EXEC(fcvtms_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcvtms);
}
EXEC(fcvtms_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcvtms);
}
EXEC(fcvtmu_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcvtmu);
}
EXEC(fcvtmu_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcvtmu);
}
EXEC(fcvtmu_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcvtmu);
}
EXEC(fcvtmu_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcvtmu);
}
EXEC(fcvtzs_advsimd_int_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcvtzs);
}
EXEC(fcvtzs_advsimd_int_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcvtzs);
}
EXEC(fcvtzs_advsimd_int_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcvtzs);
}
EXEC(fcvtzs_advsimd_int_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcvtzs);
}
EXEC(fcvtzu_advsimd_int_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_simd) {
    return simd_unary(cpu, word, fp(word), fcvtzu);
}
EXEC(fcvtzu_advsimd_int_aarch64_instrs_vector_arithmetic_unary_float_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar(word), fcvtzu);
}
EXEC(fcvtzu_advsimd_int_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_simd) {
    return simd_unary(cpu, word, half(word), fcvtzu);
}
EXEC(fcvtzu_advsimd_int_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_bulk_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcvtzu);
}
EXEC(fcvtas_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_tieaway_simd) {
    return simd_unary(cpu, word, fp(word), fcvtas);
}
EXEC(fcvtas_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_tieaway_sisd) {
    return simd_unary(cpu, word, scalar(word), fcvtas);
}
EXEC(fcvtas_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_tieaway_simd) {
    return simd_unary(cpu, word, half(word), fcvtas);
}
EXEC(fcvtas_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_tieaway_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcvtas);
}
EXEC(fcvtau_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_tieaway_simd) {
    return simd_unary(cpu, word, fp(word), fcvtau);
}
EXEC(fcvtau_advsimd_aarch64_instrs_vector_arithmetic_unary_float_conv_float_tieaway_sisd) {
    return simd_unary(cpu, word, scalar(word), fcvtau);
}
EXEC(fcvtau_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_tieaway_simd) {
    return simd_unary(cpu, word, half(word), fcvtau);
}
EXEC(fcvtau_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_conv_float_tieaway_sisd) {
    return simd_unary(cpu, word, scalar_half(word), fcvtau);
}

/* ---- from integers ------------------------------------------------------------------------------------- */

static uint64_t scvtf(struct lane *l, uint64_t n) {
    return fp_from_fixed(&l->fp, l->esize, n, l->esize, l->shift, false);
}
static uint64_t ucvtf(struct lane *l, uint64_t n) {
    return fp_from_fixed(&l->fp, l->esize, n, l->esize, l->shift, true);
}

EXEC(scvtf_advsimd_int_aarch64_instrs_vector_arithmetic_unary_float_conv_int_simd) {
    return simd_unary(cpu, word, fp(word), scvtf);
}
EXEC(scvtf_advsimd_int_aarch64_instrs_vector_arithmetic_unary_float_conv_int_sisd) {
    return simd_unary(cpu, word, scalar(word), scvtf);
}
EXEC(scvtf_advsimd_int_aarch64_instrs_vector_arithmetic_unary_fp16_conv_int_simd) {
    return simd_unary(cpu, word, half(word), scvtf);
}
EXEC(scvtf_advsimd_int_aarch64_instrs_vector_arithmetic_unary_fp16_conv_int_sisd) {
    return simd_unary(cpu, word, scalar_half(word), scvtf);
}
EXEC(ucvtf_advsimd_int_aarch64_instrs_vector_arithmetic_unary_float_conv_int_simd) {
    return simd_unary(cpu, word, fp(word), ucvtf);
}
EXEC(ucvtf_advsimd_int_aarch64_instrs_vector_arithmetic_unary_float_conv_int_sisd) {
    return simd_unary(cpu, word, scalar(word), ucvtf);
}
EXEC(ucvtf_advsimd_int_aarch64_instrs_vector_arithmetic_unary_fp16_conv_int_simd) {
    return simd_unary(cpu, word, half(word), ucvtf);
}
EXEC(ucvtf_advsimd_int_aarch64_instrs_vector_arithmetic_unary_fp16_conv_int_sisd) {
    return simd_unary(cpu, word, scalar_half(word), ucvtf);
}

/* ---- fixed point: immh 22:19 says the width, immh:immb the bits behind the point ----------------------- */

static unsigned width(uint32_t word) { return field(word, 22, 1) ? 64 : field(word, 21, 1) ? 32 : 16; }
static unsigned fraction_bits_of(uint32_t word) { return 2 * width(word) - field(word, 16, 7); }
static bool allocated(uint32_t word) { return field(word, 20, 3); }
static struct shape fixed(uint32_t word) {
    return allocated(word) ? shape_vector(word, width(word)) : (struct shape){0, 0, false};
}
static struct shape scalar_fixed(uint32_t word) {
    return allocated(word) ? shape_scalar(width(word)) : (struct shape){0, 0, false};
}

EXEC(fcvtzs_advsimd_fix_aarch64_instrs_vector_shift_conv_float_simd) {
    return simd_unary_shift(cpu, word, fixed(word), fraction_bits_of(word), fcvtzs);
}
EXEC(fcvtzs_advsimd_fix_aarch64_instrs_vector_shift_conv_float_sisd) {
    return simd_unary_shift(cpu, word, scalar_fixed(word), fraction_bits_of(word), fcvtzs);
}
EXEC(fcvtzu_advsimd_fix_aarch64_instrs_vector_shift_conv_float_simd) {
    return simd_unary_shift(cpu, word, fixed(word), fraction_bits_of(word), fcvtzu);
}
EXEC(fcvtzu_advsimd_fix_aarch64_instrs_vector_shift_conv_float_sisd) {
    return simd_unary_shift(cpu, word, scalar_fixed(word), fraction_bits_of(word), fcvtzu);
}
EXEC(scvtf_advsimd_fix_aarch64_instrs_vector_shift_conv_int_simd) {
    return simd_unary_shift(cpu, word, fixed(word), fraction_bits_of(word), scvtf);
}
EXEC(scvtf_advsimd_fix_aarch64_instrs_vector_shift_conv_int_sisd) {
    return simd_unary_shift(cpu, word, scalar_fixed(word), fraction_bits_of(word), scvtf);
}
EXEC(ucvtf_advsimd_fix_aarch64_instrs_vector_shift_conv_int_simd) {
    return simd_unary_shift(cpu, word, fixed(word), fraction_bits_of(word), ucvtf);
}
EXEC(ucvtf_advsimd_fix_aarch64_instrs_vector_shift_conv_int_sisd) {
    return simd_unary_shift(cpu, word, scalar_fixed(word), fraction_bits_of(word), ucvtf);
}

/* ---- to integral numbers ------------------------------------------------------------------------------- */

static uint64_t integral(struct lane *l, uint64_t n, enum fp_rounding rounding, bool exact) {
    return fp_round_int(&l->fp, l->esize, n, rounding, exact);
}
static uint64_t frintn(struct lane *l, uint64_t n) { return integral(l, n, FP_TIE_EVEN, false); }
static uint64_t frintp(struct lane *l, uint64_t n) { return integral(l, n, FP_POSITIVE, false); }
static uint64_t frintm(struct lane *l, uint64_t n) { return integral(l, n, FP_NEGATIVE, false); }
static uint64_t frintz(struct lane *l, uint64_t n) { return integral(l, n, FP_TOWARD_ZERO, false); }
static uint64_t frinta(struct lane *l, uint64_t n) { return integral(l, n, FP_TIE_AWAY, false); }
static uint64_t frinti(struct lane *l, uint64_t n) { return integral(l, n, fp_rounding_mode(&l->fp), false); }
static uint64_t frintx(struct lane *l, uint64_t n) { return integral(l, n, fp_rounding_mode(&l->fp), true); }

EXEC(frintn_advsimd_aarch64_instrs_vector_arithmetic_unary_float_round) {
    return simd_unary(cpu, word, fp(word), frintn);
}
EXEC(frintn_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_round) {
    return simd_unary(cpu, word, half(word), frintn);
}
EXEC(frintp_advsimd_aarch64_instrs_vector_arithmetic_unary_float_round) {
    return simd_unary(cpu, word, fp(word), frintp);
}
EXEC(frintp_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_round) {
    return simd_unary(cpu, word, half(word), frintp);
}
EXEC(frintm_advsimd_aarch64_instrs_vector_arithmetic_unary_float_round) {
    return simd_unary(cpu, word, fp(word), frintm);
}
EXEC(frintm_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_round) {
    return simd_unary(cpu, word, half(word), frintm);
}
EXEC(frintz_advsimd_aarch64_instrs_vector_arithmetic_unary_float_round) {
    return simd_unary(cpu, word, fp(word), frintz);
}
EXEC(frintz_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_round) {
    return simd_unary(cpu, word, half(word), frintz);
}
EXEC(frinta_advsimd_aarch64_instrs_vector_arithmetic_unary_float_round) {
    return simd_unary(cpu, word, fp(word), frinta);
}
EXEC(frinta_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_round) {
    return simd_unary(cpu, word, half(word), frinta);
}
EXEC(frinti_advsimd_aarch64_instrs_vector_arithmetic_unary_float_round) {
    return simd_unary(cpu, word, fp(word), frinti);
}
EXEC(frinti_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_round) {
    return simd_unary(cpu, word, half(word), frinti);
}
EXEC(frintx_advsimd_aarch64_instrs_vector_arithmetic_unary_float_round) {
    return simd_unary(cpu, word, fp(word), frintx);
}
EXEC(frintx_advsimd_aarch64_instrs_vector_arithmetic_unary_fp16_round) {
    return simd_unary(cpu, word, half(word), frintx);
}

/* ---- between widths: sz 22 says half and single, or single and double ---------------------------------- */

static struct shape narrow(uint32_t word) {
    unsigned esize = field(word, 22, 1) ? 32 : 16;
    return (struct shape){esize, 64 / esize, field(word, 30, 1)};
}
/* Doubles only. */
static struct shape narrow_odd(uint32_t word) {
    return field(word, 22, 1) ? narrow(word) : (struct shape){0, 0, false};
}
static struct shape scalar_odd(uint32_t word) {
    return field(word, 22, 1) ? shape_scalar(32) : (struct shape){0, 0, false};
}

static uint64_t fcvtl(struct lane *l, uint64_t n) {
    return fp_convert(&l->fp, l->esize, n, 2 * l->esize, fp_rounding_mode(&l->fp));
}
static uint64_t fcvtn(struct lane *l, uint64_t n) {
    return fp_convert(&l->fp, 2 * l->esize, n, l->esize, fp_rounding_mode(&l->fp));
}
/* To odd: a second rounding to fewer bits is then as good as one. */
static uint64_t fcvtxn(struct lane *l, uint64_t n) {
    return fp_convert(&l->fp, 2 * l->esize, n, l->esize, FP_ODD);
}

EXEC(fcvtl_advsimd_aarch64_instrs_vector_arithmetic_unary_float_widen) {
    return simd_widen(cpu, word, narrow(word), 0, fcvtl);
}
EXEC(fcvtn_advsimd_aarch64_instrs_vector_arithmetic_unary_float_narrow) {
    return simd_narrow(cpu, word, narrow(word), 0, fcvtn);
}
EXEC(fcvtxn_advsimd_aarch64_instrs_vector_arithmetic_unary_float_xtn_simd) {
    return simd_narrow(cpu, word, narrow_odd(word), 0, fcvtxn);
}
EXEC(fcvtxn_advsimd_aarch64_instrs_vector_arithmetic_unary_float_xtn_sisd) {
    return simd_narrow(cpu, word, scalar_odd(word), 0, fcvtxn);
}

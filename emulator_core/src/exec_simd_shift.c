/* Vector shifts: by an immediate, by the low byte of each element, with rounding, saturation, insertion,
 * narrowing. */
#include "simd.h"

/* immh 22:19 says the element's width by its highest bit; immh:immb counts from there. */
static unsigned immh(uint32_t word) { return field(word, 19, 4); }
static unsigned width(uint32_t word) { return 8u << (31 - __builtin_clz(immh(word) | 1)); }
static unsigned left(uint32_t word) { return field(word, 16, 7) - width(word); }
static unsigned right(uint32_t word) { return 2 * width(word) - field(word, 16, 7); }

static struct shape vector(uint32_t word) { return shape_vector(word, width(word)); }
static struct shape scalar_any(uint32_t word) {
    return immh(word) ? shape_scalar(width(word)) : SHAPE_RESERVED;
}
static struct shape scalar_64(uint32_t word) { return immh(word) & 8 ? shape_scalar(64) : SHAPE_RESERVED; }
static struct shape half(uint32_t word) {
    unsigned esize = width(word);
    return immh(word) & 8 ? SHAPE_RESERVED : shape_long(word, esize);
}
static struct shape scalar_half(uint32_t word) {
    return immh(word) && !(immh(word) & 8) ? scalar_any(word) : SHAPE_RESERVED;
}

/* ---- one shift, any distance --------------------------------------------------------------------------- */

/* x / 2^distance, down or to the nearest with ties up; distance is at least 1. Of 65 bits and more nothing is
 * left but the sign. */
static __int128 shift_right(__int128 x, unsigned distance, bool round) {
    if (distance > 64) return round || x >= 0 ? 0 : -1;
    return (x + (round ? (__int128)1 << (distance - 1) : 0)) >> distance;
}

static __int128 extended(const struct lane *l, uint64_t x, bool is_signed) {
    return is_signed ? (__int128)signed_lane(l, x) : (__int128)x;
}

/* ---- by an immediate ----------------------------------------------------------------------------------- */

static uint64_t shl(struct lane *l, uint64_t n) { return n << l->shift; }
static uint64_t ushr(struct lane *l, uint64_t n) { return l->shift > 63 ? 0 : n >> l->shift; }
static uint64_t sshr(struct lane *l, uint64_t n) {
    return (uint64_t)(signed_lane(l, n) >> (l->shift > 63 ? 63 : l->shift));
}
static uint64_t urshr(struct lane *l, uint64_t n) { return (uint64_t)shift_right(n, l->shift, true); }
static uint64_t srshr(struct lane *l, uint64_t n) {
    return (uint64_t)shift_right(signed_lane(l, n), l->shift, true);
}
static uint64_t usra(struct lane *l, uint64_t n) { return l->d + ushr(l, n); }
static uint64_t ssra(struct lane *l, uint64_t n) { return l->d + sshr(l, n); }
static uint64_t ursra(struct lane *l, uint64_t n) { return l->d + urshr(l, n); }
static uint64_t srsra(struct lane *l, uint64_t n) { return l->d + srshr(l, n); }
/* The bits that the shift frees keep the destination's. */
static uint64_t sli(struct lane *l, uint64_t n) {
    return n << l->shift | (l->d & (((uint64_t)1 << l->shift) - 1));
}
static uint64_t sri(struct lane *l, uint64_t n) {
    uint64_t shifted_ones = ushr(l, UINT64_MAX >> (64 - l->esize));
    return ushr(l, n) | (l->d & ~shifted_ones);
}

EXEC(shl_advsimd_aarch64_instrs_vector_shift_left_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), left(word), shl);
}
EXEC(ushr_advsimd_aarch64_instrs_vector_shift_right_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), right(word), ushr);
}
EXEC(sshr_advsimd_aarch64_instrs_vector_shift_right_simd) {
    return simd_unary_shift(cpu, word, vector(word), right(word), sshr);
}
EXEC(sshr_advsimd_aarch64_instrs_vector_shift_right_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), right(word), sshr);
}
EXEC(urshr_advsimd_aarch64_instrs_vector_shift_right_simd) {
    return simd_unary_shift(cpu, word, vector(word), right(word), urshr);
}
EXEC(urshr_advsimd_aarch64_instrs_vector_shift_right_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), right(word), urshr);
}
EXEC(srshr_advsimd_aarch64_instrs_vector_shift_right_simd) {
    return simd_unary_shift(cpu, word, vector(word), right(word), srshr);
}
EXEC(srshr_advsimd_aarch64_instrs_vector_shift_right_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), right(word), srshr);
}
EXEC(usra_advsimd_aarch64_instrs_vector_shift_right_simd) {
    return simd_unary_shift(cpu, word, vector(word), right(word), usra);
}
EXEC(usra_advsimd_aarch64_instrs_vector_shift_right_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), right(word), usra);
}
EXEC(ssra_advsimd_aarch64_instrs_vector_shift_right_simd) {
    return simd_unary_shift(cpu, word, vector(word), right(word), ssra);
}
EXEC(ssra_advsimd_aarch64_instrs_vector_shift_right_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), right(word), ssra);
}
EXEC(ursra_advsimd_aarch64_instrs_vector_shift_right_simd) {
    return simd_unary_shift(cpu, word, vector(word), right(word), ursra);
}
EXEC(ursra_advsimd_aarch64_instrs_vector_shift_right_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), right(word), ursra);
}
EXEC(srsra_advsimd_aarch64_instrs_vector_shift_right_simd) {
    return simd_unary_shift(cpu, word, vector(word), right(word), srsra);
}
EXEC(srsra_advsimd_aarch64_instrs_vector_shift_right_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), right(word), srsra);
}
EXEC(sli_advsimd_aarch64_instrs_vector_shift_left_insert_simd) {
    return simd_unary_shift(cpu, word, vector(word), left(word), sli);
}
EXEC(sli_advsimd_aarch64_instrs_vector_shift_left_insert_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), left(word), sli);
}
EXEC(sri_advsimd_aarch64_instrs_vector_shift_right_insert_simd) {
    return simd_unary_shift(cpu, word, vector(word), right(word), sri);
}
EXEC(sri_advsimd_aarch64_instrs_vector_shift_right_insert_sisd) {
    return simd_unary_shift(cpu, word, scalar_64(word), right(word), sri);
}

/* ---- by an immediate, saturating ----------------------------------------------------------------------- */

static uint64_t uqshl_imm(struct lane *l, uint64_t n) {
    return saturate_unsigned(l, (__int128)n << l->shift, l->esize);
}
static uint64_t sqshl_imm(struct lane *l, uint64_t n) {
    return saturate_signed(l, signed_lane(l, n) * ((__int128)1 << l->shift), l->esize);
}
static uint64_t sqshlu(struct lane *l, uint64_t n) {
    return saturate_unsigned(l, signed_lane(l, n) * ((__int128)1 << l->shift), l->esize);
}

EXEC(uqshl_advsimd_imm_aarch64_instrs_vector_shift_left_sat_simd) {
    return simd_unary_shift(cpu, word, vector(word), left(word), uqshl_imm);
}
EXEC(uqshl_advsimd_imm_aarch64_instrs_vector_shift_left_sat_sisd) {
    return simd_unary_shift(cpu, word, scalar_any(word), left(word), uqshl_imm);
}
EXEC(sqshl_advsimd_imm_aarch64_instrs_vector_shift_left_sat_simd) {
    return simd_unary_shift(cpu, word, vector(word), left(word), sqshl_imm);
}
EXEC(sqshl_advsimd_imm_aarch64_instrs_vector_shift_left_sat_sisd) {
    return simd_unary_shift(cpu, word, scalar_any(word), left(word), sqshl_imm);
}
EXEC(sqshlu_advsimd_aarch64_instrs_vector_shift_left_sat_simd) {
    return simd_unary_shift(cpu, word, vector(word), left(word), sqshlu);
}
EXEC(sqshlu_advsimd_aarch64_instrs_vector_shift_left_sat_sisd) {
    return simd_unary_shift(cpu, word, scalar_any(word), left(word), sqshlu);
}

/* ---- widening and narrowing ---------------------------------------------------------------------------- */

static uint64_t sshll(struct lane *l, uint64_t n) { return (uint64_t)signed_lane(l, n) << l->shift; }

EXEC(ushll_advsimd_aarch64_instrs_vector_shift_left_long) {
    return simd_widen(cpu, word, half(word), left(word), shl);
}
EXEC(sshll_advsimd_aarch64_instrs_vector_shift_left_long) {
    return simd_widen(cpu, word, half(word), left(word), sshll);
}

/* The source is twice as wide as esize. */
static __int128 signed_right(const struct lane *l, uint64_t n, bool round) {
    return shift_right(sign_extended(n, 2 * l->esize), l->shift, round);
}
static uint64_t sqshrn(struct lane *l, uint64_t n) {
    return saturate_signed(l, signed_right(l, n, false), l->esize);
}
static uint64_t sqrshrn(struct lane *l, uint64_t n) {
    return saturate_signed(l, signed_right(l, n, true), l->esize);
}
static uint64_t sqshrun(struct lane *l, uint64_t n) {
    return saturate_unsigned(l, signed_right(l, n, false), l->esize);
}
static uint64_t sqrshrun(struct lane *l, uint64_t n) {
    return saturate_unsigned(l, signed_right(l, n, true), l->esize);
}
static uint64_t uqshrn(struct lane *l, uint64_t n) {
    return saturate_unsigned(l, shift_right(n, l->shift, false), l->esize);
}
static uint64_t uqrshrn(struct lane *l, uint64_t n) {
    return saturate_unsigned(l, shift_right(n, l->shift, true), l->esize);
}

EXEC(shrn_advsimd_aarch64_instrs_vector_shift_right_narrow_logical) {
    return simd_narrow(cpu, word, half(word), right(word), ushr);
}
EXEC(rshrn_advsimd_aarch64_instrs_vector_shift_right_narrow_logical) {
    return simd_narrow(cpu, word, half(word), right(word), urshr);
}
EXEC(uqshrn_advsimd_aarch64_instrs_vector_shift_right_narrow_uniform_simd) {
    return simd_narrow(cpu, word, half(word), right(word), uqshrn);
}
EXEC(uqshrn_advsimd_aarch64_instrs_vector_shift_right_narrow_uniform_sisd) {
    return simd_narrow(cpu, word, scalar_half(word), right(word), uqshrn);
}
EXEC(uqrshrn_advsimd_aarch64_instrs_vector_shift_right_narrow_uniform_simd) {
    return simd_narrow(cpu, word, half(word), right(word), uqrshrn);
}
EXEC(uqrshrn_advsimd_aarch64_instrs_vector_shift_right_narrow_uniform_sisd) {
    return simd_narrow(cpu, word, scalar_half(word), right(word), uqrshrn);
}
EXEC(sqshrn_advsimd_aarch64_instrs_vector_shift_right_narrow_uniform_simd) {
    return simd_narrow(cpu, word, half(word), right(word), sqshrn);
}
EXEC(sqshrn_advsimd_aarch64_instrs_vector_shift_right_narrow_uniform_sisd) {
    return simd_narrow(cpu, word, scalar_half(word), right(word), sqshrn);
}
EXEC(sqrshrn_advsimd_aarch64_instrs_vector_shift_right_narrow_uniform_simd) {
    return simd_narrow(cpu, word, half(word), right(word), sqrshrn);
}
EXEC(sqrshrn_advsimd_aarch64_instrs_vector_shift_right_narrow_uniform_sisd) {
    return simd_narrow(cpu, word, scalar_half(word), right(word), sqrshrn);
}
EXEC(sqshrun_advsimd_aarch64_instrs_vector_shift_right_narrow_nonuniform_simd) {
    return simd_narrow(cpu, word, half(word), right(word), sqshrun);
}
EXEC(sqshrun_advsimd_aarch64_instrs_vector_shift_right_narrow_nonuniform_sisd) {
    return simd_narrow(cpu, word, scalar_half(word), right(word), sqshrun);
}
EXEC(sqrshrun_advsimd_aarch64_instrs_vector_shift_right_narrow_nonuniform_simd) {
    return simd_narrow(cpu, word, half(word), right(word), sqrshrun);
}
EXEC(sqrshrun_advsimd_aarch64_instrs_vector_shift_right_narrow_nonuniform_sisd) {
    return simd_narrow(cpu, word, scalar_half(word), right(word), sqrshrun);
}

/* ---- by a register: the low byte of an element of Vm, negative to the right ---------------------------- */

enum { SIGNED = 1, ROUND = 2, SATURATE = 4 };

/* x * 2^distance; a product of more than 127 bits is beyond every element. */
static __int128 shift_left(__int128 x, unsigned distance) {
    const __int128 beyond = (__int128)1 << 126;
    if (distance < 64 || !x) return x * ((__int128)1 << (x ? distance : 0));
    return x < 0 ? -beyond : beyond;
}

static uint64_t shift_by(struct lane *l, uint64_t n, uint64_t m, unsigned how) {
    int distance = (int8_t)m;
    __int128 x = extended(l, n, how & SIGNED);
    x = distance < 0 ? shift_right(x, (unsigned)-distance, how & ROUND) : shift_left(x, (unsigned)distance);
    if (!(how & SATURATE)) return distance >= 64 ? 0 : (uint64_t)x;
    return how & SIGNED ? saturate_signed(l, x, l->esize) : saturate_unsigned(l, x, l->esize);
}

static uint64_t ushl(struct lane *l, uint64_t n, uint64_t m) { return shift_by(l, n, m, 0); }
static uint64_t sshl(struct lane *l, uint64_t n, uint64_t m) { return shift_by(l, n, m, SIGNED); }
static uint64_t urshl(struct lane *l, uint64_t n, uint64_t m) { return shift_by(l, n, m, ROUND); }
static uint64_t srshl(struct lane *l, uint64_t n, uint64_t m) { return shift_by(l, n, m, SIGNED | ROUND); }
static uint64_t uqshl(struct lane *l, uint64_t n, uint64_t m) { return shift_by(l, n, m, SATURATE); }
static uint64_t sqshl(struct lane *l, uint64_t n, uint64_t m) { return shift_by(l, n, m, SIGNED | SATURATE); }
static uint64_t uqrshl(struct lane *l, uint64_t n, uint64_t m) { return shift_by(l, n, m, ROUND | SATURATE); }
static uint64_t sqrshl(struct lane *l, uint64_t n, uint64_t m) {
    return shift_by(l, n, m, SIGNED | ROUND | SATURATE);
}

static struct shape sizes(uint32_t word) { return shape_sizes(word, 0, 3); }
static struct shape scalar_sizes(uint32_t word) { return shape_scalar_sizes(word, 0, 3); }
static struct shape scalar_size_3(uint32_t word) { return shape_scalar_sizes(word, 3, 3); }

EXEC(ushl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_simd) {
    return simd_binary(cpu, word, sizes(word), ushl);
}
EXEC(ushl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_sisd) {
    return simd_binary(cpu, word, scalar_size_3(word), ushl);
}
EXEC(sshl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_simd) {
    return simd_binary(cpu, word, sizes(word), sshl);
}
EXEC(sshl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_sisd) {
    return simd_binary(cpu, word, scalar_size_3(word), sshl);
}
EXEC(urshl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_simd) {
    return simd_binary(cpu, word, sizes(word), urshl);
}
EXEC(urshl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_sisd) {
    return simd_binary(cpu, word, scalar_size_3(word), urshl);
}
EXEC(srshl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_simd) {
    return simd_binary(cpu, word, sizes(word), srshl);
}
EXEC(srshl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_sisd) {
    return simd_binary(cpu, word, scalar_size_3(word), srshl);
}
EXEC(uqshl_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_shift_simd) {
    return simd_binary(cpu, word, sizes(word), uqshl);
}
EXEC(uqshl_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_shift_sisd) {
    return simd_binary(cpu, word, scalar_sizes(word), uqshl);
}
EXEC(sqshl_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_shift_simd) {
    return simd_binary(cpu, word, sizes(word), sqshl);
}
EXEC(sqshl_advsimd_reg_aarch64_instrs_vector_arithmetic_binary_uniform_shift_sisd) {
    return simd_binary(cpu, word, scalar_sizes(word), sqshl);
}
EXEC(uqrshl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_simd) {
    return simd_binary(cpu, word, sizes(word), uqrshl);
}
EXEC(uqrshl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_sisd) {
    return simd_binary(cpu, word, scalar_sizes(word), uqrshl);
}
EXEC(sqrshl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_simd) {
    return simd_binary(cpu, word, sizes(word), sqrshl);
}
EXEC(sqrshl_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_shift_sisd) {
    return simd_binary(cpu, word, scalar_sizes(word), sqrshl);
}

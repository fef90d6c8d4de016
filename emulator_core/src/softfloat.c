/* Arithmetic: exact results as mantissa and exponent, then one rounding. */
#include "softfloat_host.h"
#include "softfloat_parts.h"

static uint64_t invalid(struct fp_env *env, unsigned n) {
    env->flags |= FPSR_IOC;
    return default_nan(n);
}

/* A sum of nonzero terms that is exactly zero, or of zeros of both signs. */
static uint64_t cancelled(const struct fp_env *env, unsigned n) {
    return zero(n, fp_rounding_mode(env) == FP_NEGATIVE);
}

uint64_t fp_expand_imm(unsigned n, uint8_t imm8) {
    unsigned e = exponent_bits(n);
    uint64_t b = imm8 >> 6 & 1, repeated = b ? ((uint64_t)1 << (e - 3)) - 1 : 0;
    uint64_t exponent = (b ^ 1) << (e - 1) | repeated << 2 | (imm8 >> 4 & 3);
    return pack(n, imm8 >> 7, exponent, (uint64_t)(imm8 & 15) << (fraction_bits(n) - 4));
}

/* ---- sums ---------------------------------------------------------------------------------------------- */

/* A nonzero term: m x 2^exponent with m below 2^127. */
struct term {
    bool sign;
    int exponent;
    u128 m;
};

static struct term swap_if(bool swap, struct term *a, struct term *b) {
    struct term t = *a;
    if (swap) *a = *b, *b = t;
    return *a;
}

/* Terms have their top bit at 125 or 126 and zeros enough below that only a shift which cannot cancel loses
 * bits. */
static uint64_t sum_of_terms(struct fp_env *env, unsigned n, struct term a, struct term b, int scale) {
    swap_if(b.exponent > a.exponent, &a, &b);
    b.m = shift_jam(b.m, (unsigned)(a.exponent - b.exponent));
    bool b_larger = b.m > a.m;
    bool sign = b_larger ? b.sign : a.sign;
    u128 m = a.sign == b.sign ? a.m + b.m : b_larger ? b.m - a.m : a.m - b.m;
    if (!m) return cancelled(env, n);
    return round_to(env, n, sign, a.exponent + scale, m, fp_rounding_mode(env));
}

static struct term term_of(struct number a) {
    return (struct term){a.sign, a.exponent - 63, (u128)a.mantissa << 63};
}
static struct term product_of(struct number a, struct number b) {
    u128 m = (u128)a.mantissa * b.mantissa; /* 106 bits at most: the low ones are zero */
    return (struct term){a.sign != b.sign, a.exponent + b.exponent + 1, m >> 1};
}

static uint64_t sum(struct fp_env *env, unsigned n, struct number a, struct number b, uint64_t abits,
                    uint64_t bbits) {
    bool a_infinite = a.type == TYPE_INFINITY, b_infinite = b.type == TYPE_INFINITY;
    if (a_infinite && b_infinite && a.sign != b.sign) return invalid(env, n);
    if (a_infinite || b_infinite) return infinity(n, a_infinite ? a.sign : b.sign);
    if (a.type == TYPE_ZERO && b.type == TYPE_ZERO)
        return a.sign == b.sign ? zero(n, a.sign) : cancelled(env, n);
    if (a.type == TYPE_ZERO) return bbits;
    if (b.type == TYPE_ZERO) return abits;
    return sum_of_terms(env, n, term_of(a), term_of(b), 0);
}

uint64_t fp_add(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits) {
    uint64_t quick, nan;
    if (host_add(env, n, abits, bbits, &quick)) return quick;
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    if (process_nans(env, n, a, b, abits, bbits, &nan)) return nan;
    return sum(env, n, a, b, abits, bbits);
}

uint64_t fp_sub(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits) {
    uint64_t quick, nan;
    if (host_sub(env, n, abits, bbits, &quick)) return quick;
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    if (process_nans(env, n, a, b, abits, bbits, &nan)) return nan;
    b.sign = !b.sign;
    return sum(env, n, a, b, abits, fp_neg(n, bbits));
}

/* ---- products ------------------------------------------------------------------------------------------ */

static bool zero_times_infinity(struct number a, struct number b) {
    return (a.type == TYPE_ZERO && b.type == TYPE_INFINITY) ||
           (a.type == TYPE_INFINITY && b.type == TYPE_ZERO);
}

static uint64_t product(struct fp_env *env, unsigned n, struct number a, struct number b) {
    bool sign = a.sign != b.sign;
    if (a.type == TYPE_INFINITY || b.type == TYPE_INFINITY) return infinity(n, sign);
    if (a.type == TYPE_ZERO || b.type == TYPE_ZERO) return zero(n, sign);
    u128 m = (u128)a.mantissa * b.mantissa;
    return round_to(env, n, sign, a.exponent + b.exponent, m, fp_rounding_mode(env));
}

uint64_t fp_mul(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits) {
    uint64_t quick, nan;
    if (host_mul(env, n, abits, bbits, &quick)) return quick;
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    if (process_nans(env, n, a, b, abits, bbits, &nan)) return nan;
    return zero_times_infinity(a, b) ? invalid(env, n) : product(env, n, a, b);
}

uint64_t fp_mulx(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits) {
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    uint64_t nan;
    if (process_nans(env, n, a, b, abits, bbits, &nan)) return nan;
    if (zero_times_infinity(a, b)) return two(n) | (a.sign != b.sign ? fp_sign_bit(n) : 0);
    return product(env, n, a, b);
}

/* c + ab for numbers that are no NaNs; scale multiplies the sum by a power of two before it is rounded. */
static uint64_t fused(struct fp_env *env, unsigned n, struct number c, uint64_t cbits, struct number a,
                      struct number b, int scale) {
    bool sign = a.sign != b.sign;
    bool c_infinite = c.type == TYPE_INFINITY,
         p_infinite = a.type == TYPE_INFINITY || b.type == TYPE_INFINITY;
    if (c_infinite && p_infinite && c.sign != sign) return invalid(env, n);
    if (c_infinite || p_infinite) return infinity(n, c_infinite ? c.sign : sign);
    if (a.type == TYPE_ZERO || b.type == TYPE_ZERO) {
        if (c.type == TYPE_ZERO) return c.sign == sign ? zero(n, sign) : cancelled(env, n);
        return scale ? round_to(env, n, c.sign, c.exponent + scale, c.mantissa, fp_rounding_mode(env))
                     : cbits;
    }
    if (c.type == TYPE_ZERO) return product(env, n, a, b);
    return sum_of_terms(env, n, term_of(c), product_of(a, b), scale);
}

/* FPProcessNaNs3: the addend comes first. */
static bool process_nans_of_three(struct fp_env *env, unsigned n, const struct number x[3],
                                  const uint64_t bits[3], uint64_t *out) {
    for (enum fp_type type = TYPE_SIGNALING; type >= TYPE_QUIET; type--)
        for (unsigned i = 0; i < 3; i++)
            if (x[i].type == type) {
                *out = process_nan(env, n, x[i], bits[i]);
                return true;
            }
    return false;
}

uint64_t fp_mul_add(struct fp_env *env, unsigned n, uint64_t addend, uint64_t abits, uint64_t bbits) {
    uint64_t bits[3] = {addend, abits, bbits}, quick, nan;
    if (host_fma(env, n, addend, abits, bbits, &quick)) return quick;
    struct number x[3] = {unpack(env, n, addend), unpack(env, n, abits), unpack(env, n, bbits)};
    if (zero_times_infinity(x[1], x[2]) && x[0].type != TYPE_SIGNALING) return invalid(env, n);
    if (process_nans_of_three(env, n, x, bits, &nan)) return nan;
    return fused(env, n, x[0], addend, x[1], x[2], 0);
}

static uint64_t step(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits, uint64_t start,
                     uint64_t special, int scale) {
    uint64_t negated = fp_neg(n, abits), nan;
    struct number a = unpack(env, n, negated), b = unpack(env, n, bbits);
    if (process_nans(env, n, a, b, negated, bbits, &nan)) return nan;
    if (zero_times_infinity(a, b)) return special;
    return fused(env, n, unpack(env, n, start), start, a, b, scale);
}

uint64_t fp_recip_step(struct fp_env *env, unsigned n, uint64_t a, uint64_t b) {
    return step(env, n, a, b, two(n), two(n), 0);
}
uint64_t fp_rsqrt_step(struct fp_env *env, unsigned n, uint64_t a, uint64_t b) {
    return step(env, n, a, b, two(n) | quiet_bit(n), one_point_five(n), -1);
}

/* ---- quotients and roots ------------------------------------------------------------------------------- */

static uint64_t quotient(struct fp_env *env, unsigned n, struct number a, struct number b) {
    u128 dividend = (u128)a.mantissa << 64, q = dividend / b.mantissa;
    bool rest = dividend % b.mantissa != 0;
    return round_to(env, n, a.sign != b.sign, a.exponent - b.exponent - 65, q << 1 | rest,
                    fp_rounding_mode(env));
}

uint64_t fp_div(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits) {
    uint64_t quick, nan;
    if (host_div(env, n, abits, bbits, &quick)) return quick;
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    bool sign = a.sign != b.sign;
    if (process_nans(env, n, a, b, abits, bbits, &nan)) return nan;
    if (a.type == b.type && a.type != TYPE_NONZERO) return invalid(env, n);
    if (a.type == TYPE_INFINITY) return infinity(n, sign);
    if (a.type == TYPE_ZERO || b.type == TYPE_INFINITY) return zero(n, sign);
    if (b.type == TYPE_NONZERO) return quotient(env, n, a, b);
    env->flags |= FPSR_DZC;
    return infinity(n, sign);
}

/* The whole square root, one bit at a time; *rest says whether it is inexact. */
static uint64_t whole_root(u128 m, bool *rest) {
    u128 root = 0;
    for (u128 bit = (u128)1 << 126; bit; bit >>= 2) {
        u128 trial = root + bit;
        root >>= 1;
        if (m < trial) continue;
        m -= trial;
        root += bit;
    }
    *rest = m != 0;
    return (uint64_t)root;
}

uint64_t fp_sqrt(struct fp_env *env, unsigned n, uint64_t abits) {
    uint64_t quick;
    if (host_sqrt(env, n, abits, &quick)) return quick;
    struct number a = unpack(env, n, abits);
    if (is_nan(a)) return process_nan(env, n, a, abits);
    if (a.type == TYPE_ZERO) return zero(n, a.sign);
    if (a.sign) return invalid(env, n);
    if (a.type == TYPE_INFINITY) return infinity(n, false);
    bool odd = a.exponent & 1, rest;
    uint64_t root = whole_root((u128)a.mantissa << (odd ? 63 : 62), &rest);
    int exponent = (a.exponent - (odd ? 63 : 62)) / 2;
    return round_to(env, n, false, exponent - 1, (u128)root << 1 | rest, fp_rounding_mode(env));
}

/* ---- order --------------------------------------------------------------------------------------------- */

/* Of magnitudes: -1, 0, 1. Types are in ascending order up to infinity. */
static int compare_magnitudes(struct number a, struct number b) {
    if (a.type != b.type) return a.type < b.type ? -1 : 1;
    if (a.type != TYPE_NONZERO) return 0;
    if (a.exponent != b.exponent) return a.exponent < b.exponent ? -1 : 1;
    return a.mantissa < b.mantissa ? -1 : a.mantissa > b.mantissa;
}

static int compare(struct number a, struct number b) {
    if (a.type == TYPE_ZERO && b.type == TYPE_ZERO) return 0;
    if (a.sign != b.sign) return a.sign ? -1 : 1;
    return a.sign ? compare_magnitudes(b, a) : compare_magnitudes(a, b);
}

/* What fp_max and fp_min chose; a zero has the sign that both zeros have together. */
static uint64_t chosen(unsigned n, struct number a, uint64_t bits, bool zero_sign) {
    return a.type == TYPE_ZERO ? zero(n, zero_sign) : bits;
}

uint64_t fp_max(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits) {
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    uint64_t nan;
    if (process_nans(env, n, a, b, abits, bbits, &nan)) return nan;
    bool first = compare(a, b) > 0;
    return chosen(n, first ? a : b, first ? abits : bbits, a.sign && b.sign);
}

uint64_t fp_min(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits) {
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    uint64_t nan;
    if (process_nans(env, n, a, b, abits, bbits, &nan)) return nan;
    bool first = compare(a, b) < 0;
    return chosen(n, first ? a : b, first ? abits : bbits, a.sign || b.sign);
}

/* Where one operand alone is a quiet NaN, the infinity that loses takes its place. */
static void replace_quiet(struct fp_env *env, unsigned n, uint64_t *a, uint64_t *b, uint64_t loser) {
    bool a_quiet = unpack(env, n, *a).type == TYPE_QUIET, b_quiet = unpack(env, n, *b).type == TYPE_QUIET;
    if (a_quiet && !b_quiet) *a = loser;
    if (b_quiet && !a_quiet) *b = loser;
}

uint64_t fp_max_num(struct fp_env *env, unsigned n, uint64_t a, uint64_t b) {
    replace_quiet(env, n, &a, &b, infinity(n, true));
    return fp_max(env, n, a, b);
}
uint64_t fp_min_num(struct fp_env *env, unsigned n, uint64_t a, uint64_t b) {
    replace_quiet(env, n, &a, &b, infinity(n, false));
    return fp_min(env, n, a, b);
}

/* false: unordered, and invalid if a NaN signals or all of them count. */
static bool ordered(struct fp_env *env, struct number a, struct number b, bool signal_nans) {
    if (!is_nan(a) && !is_nan(b)) return true;
    if (signal_nans || a.type == TYPE_SIGNALING || b.type == TYPE_SIGNALING) env->flags |= FPSR_IOC;
    return false;
}

unsigned fp_compare(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits, bool signal_nans) {
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    if (!ordered(env, a, b, signal_nans)) return 3;
    int order = compare(a, b);
    return order < 0 ? 8 : order == 0 ? 6 : 2;
}

bool fp_compare_eq(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits) {
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    return ordered(env, a, b, false) && compare(a, b) == 0;
}
bool fp_compare_ge(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits) {
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    return ordered(env, a, b, true) && compare(a, b) >= 0;
}
bool fp_compare_gt(struct fp_env *env, unsigned n, uint64_t abits, uint64_t bbits) {
    struct number a = unpack(env, n, abits), b = unpack(env, n, bbits);
    return ordered(env, a, b, true) && compare(a, b) > 0;
}

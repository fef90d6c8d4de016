/* Conversions: to integral numbers, to and from fixed point, between widths. */
#include "softfloat_parts.h"

/* A magnitude rounded to a whole number. */
struct whole {
    uint64_t value;
    bool inexact, too_big; /* too_big: 2^64 or more */
};

/* rest: what stands behind the point, as a fraction of 2^64. */
static bool rounds_up(enum fp_rounding rounding, bool sign, bool odd, uint64_t rest, bool below) {
    const uint64_t half = (uint64_t)1 << 63;
    bool inexact = rest || below;
    switch (rounding) {
    case FP_TIE_EVEN: return rest > half || (rest == half && odd);
    case FP_POSITIVE: return inexact && !sign;
    case FP_NEGATIVE: return inexact && sign;
    case FP_TIE_AWAY: return rest >= half;
    default: return false;
    }
}

/* mantissa x 2^exponent, mantissa not 0. */
static struct whole whole_of(bool sign, int exponent, uint64_t mantissa, enum fp_rounding rounding) {
    if (exponent > 0) return (struct whole){0, false, true};
    if (exponent == 0) return (struct whole){mantissa, false, false};
    unsigned shift = (unsigned)-exponent;
    uint64_t value = shift < 64 ? mantissa >> shift : 0;
    uint64_t rest = shift < 64 ? mantissa << (64 - shift) : shift == 64 ? mantissa : 0;
    bool below = shift > 64, up = rounds_up(rounding, sign, value & 1, rest, below);
    return (struct whole){value + up, rest || below, false};
}

uint64_t fp_round_int(struct fp_env *env, unsigned n, uint64_t bits, enum fp_rounding rounding, bool exact) {
    struct number a = unpack(env, n, bits);
    if (is_nan(a)) return process_nan(env, n, a, bits);
    if (a.type == TYPE_ZERO) return zero(n, a.sign);
    if (a.type == TYPE_INFINITY || a.exponent >= 0) return bits;
    struct whole w = whole_of(a.sign, a.exponent, a.mantissa, rounding);
    if (w.inexact && exact) env->flags |= FPSR_IXC;
    return w.value ? round_to(env, n, a.sign, 0, w.value, FP_TOWARD_ZERO) : zero(n, a.sign);
}

/* SatQ of a sign and a magnitude. */
static uint64_t saturate(struct whole w, bool sign, unsigned m, bool is_unsigned, bool *saturated) {
    uint64_t top = is_unsigned ? UINT64_MAX >> (64 - m) : ((uint64_t)1 << (m - 1)) - 1;
    uint64_t limit = !sign ? top : is_unsigned ? 0 : top + 1;
    *saturated = w.too_big || w.value > limit;
    uint64_t magnitude = *saturated ? limit : w.value;
    return (sign ? 0 - magnitude : magnitude) & UINT64_MAX >> (64 - m);
}

uint64_t fp_to_fixed(struct fp_env *env, unsigned n, uint64_t bits, unsigned m, unsigned fbits,
                     bool is_unsigned, enum fp_rounding rounding) {
    struct number a = unpack(env, n, bits);
    struct whole w = {0, false, a.type == TYPE_INFINITY};
    bool saturated;
    if (is_nan(a)) env->flags |= FPSR_IOC;
    if (a.type == TYPE_NONZERO) w = whole_of(a.sign, a.exponent + (int)fbits, a.mantissa, rounding);
    uint64_t result = saturate(w, a.sign && !is_nan(a), m, is_unsigned, &saturated);
    if (saturated)
        env->flags |= FPSR_IOC;
    else if (w.inexact)
        env->flags |= FPSR_IXC;
    return result;
}

uint64_t fp_from_fixed(struct fp_env *env, unsigned n, uint64_t a, unsigned m, unsigned fbits,
                       bool is_unsigned) {
    int64_t extended = (int64_t)(a << (64 - m)) >> (64 - m);
    bool sign = !is_unsigned && extended < 0;
    uint64_t magnitude = is_unsigned ? a : sign ? 0 - (uint64_t)extended : (uint64_t)extended;
    if (!magnitude) return zero(n, false);
    return round_to(env, n, sign, -(int)fbits, magnitude, fp_rounding_mode(env));
}

/* FPConvertNaN: the payload's top bits stay; the result is quiet. */
static uint64_t convert_nan(unsigned n, uint64_t bits, unsigned m) {
    uint64_t payload = bits & fraction_mask(n);
    unsigned from = fraction_bits(n), to = fraction_bits(m);
    payload = to >= from ? payload << (to - from) : payload >> (from - to);
    return pack(m, bits >> (n - 1) & 1, exponent_max(m), payload | quiet_bit(m));
}

/* Alternative half precision has neither NaN nor infinity. */
static uint64_t convert_to_alternative(struct fp_env *env, struct number a) {
    env->flags |= FPSR_IOC;
    return is_nan(a) ? zero(16, a.sign) : pack(16, a.sign, 0x1f, 0x3ff);
}

static uint64_t convert_special(struct fp_env *env, unsigned n, struct number a, uint64_t bits, unsigned m) {
    if (m == 16 && env->control & FPCR_AHP) return convert_to_alternative(env, a);
    if (a.type == TYPE_INFINITY) return infinity(m, a.sign);
    if (a.type == TYPE_SIGNALING) env->flags |= FPSR_IOC;
    return env->control & FPCR_DN ? default_nan(m) : convert_nan(n, bits, m);
}

uint64_t fp_convert(struct fp_env *env, unsigned n, uint64_t bits, unsigned m, enum fp_rounding rounding) {
    struct number a = unpack_to_convert(env, n, bits);
    if (a.type == TYPE_ZERO) return zero(m, a.sign);
    if (a.type != TYPE_NONZERO) return convert_special(env, n, a, bits, m);
    return round_converted(env, m, a.sign, a.exponent, a.mantissa, rounding);
}

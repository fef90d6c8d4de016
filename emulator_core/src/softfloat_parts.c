/* Taking numbers apart, NaNs, and the one rounding that every result goes through. */
#include "softfloat_parts.h"

/* ---- apart --------------------------------------------------------------------------------------------- */

static struct number normal(bool sign, int exponent, uint64_t mantissa) {
    int shift = __builtin_clzll(mantissa);
    return (struct number){TYPE_NONZERO, sign, exponent - shift, mantissa << shift};
}

static bool flushes(unsigned n, uint32_t control) { return control & (n == 16 ? FPCR_FZ16 : FPCR_FZ); }

static struct number unpack_denormal(struct fp_env *env, unsigned n, bool sign, uint64_t fraction,
                                     uint32_t control) {
    if (fraction && !flushes(n, control))
        return normal(sign, minimum_exponent(n) - (int)fraction_bits(n), fraction);
    if (fraction && n != 16) env->flags |= FPSR_IDC;
    return (struct number){TYPE_ZERO, sign, 0, 0};
}

static struct number unpack_base(struct fp_env *env, unsigned n, uint64_t bits, uint32_t control) {
    unsigned f = fraction_bits(n), exponent = (unsigned)(bits >> f) & exponent_max(n);
    uint64_t fraction = bits & fraction_mask(n);
    bool sign = bits >> (n - 1) & 1;
    if (exponent == 0) return unpack_denormal(env, n, sign, fraction, control);
    if (exponent == exponent_max(n) && !(n == 16 && control & FPCR_AHP)) {
        enum fp_type nan = fraction & quiet_bit(n) ? TYPE_QUIET : TYPE_SIGNALING;
        return (struct number){fraction ? nan : TYPE_INFINITY, sign, 0, 0};
    }
    return normal(sign, (int)exponent - 1 + minimum_exponent(n) - (int)f, fraction | (uint64_t)1 << f);
}

struct number unpack(struct fp_env *env, unsigned n, uint64_t bits) {
    return unpack_base(env, n, bits, env->control & ~(uint32_t)FPCR_AHP);
}
struct number unpack_to_convert(struct fp_env *env, unsigned n, uint64_t bits) {
    return unpack_base(env, n, bits, env->control & ~(uint32_t)FPCR_FZ16);
}

/* ---- NaNs ---------------------------------------------------------------------------------------------- */

uint64_t process_nan(struct fp_env *env, unsigned n, struct number a, uint64_t bits) {
    if (a.type == TYPE_SIGNALING) env->flags |= FPSR_IOC;
    return env->control & FPCR_DN ? default_nan(n) : bits | quiet_bit(n);
}

bool process_nans(struct fp_env *env, unsigned n, struct number a, struct number b, uint64_t abits,
                  uint64_t bbits, uint64_t *out) {
    if (!is_nan(a) && !is_nan(b)) return false;
    bool first = a.type == TYPE_SIGNALING || (b.type != TYPE_SIGNALING && a.type == TYPE_QUIET);
    *out = first ? process_nan(env, n, a, abits) : process_nan(env, n, b, bbits);
    return true;
}

/* ---- together ------------------------------------------------------------------------------------------ */

bool overflows_to_infinity(enum fp_rounding rounding, bool sign) {
    switch (rounding) {
    case FP_TIE_EVEN: return true;
    case FP_POSITIVE: return !sign;
    case FP_NEGATIVE: return sign;
    default: return false;
    }
}

/* Does a result round away from zero? rest is what stands behind its last bit, as a fraction of 2^128. */
static bool rounds_up(enum fp_rounding rounding, bool sign, bool odd, u128 rest) {
    const u128 half = (u128)1 << 127;
    switch (rounding) {
    case FP_TIE_EVEN: return rest > half || (rest == half && odd);
    case FP_POSITIVE: return rest && !sign;
    case FP_NEGATIVE: return rest && sign;
    default: return false;
    }
}

static uint64_t overflow(struct fp_env *env, unsigned n, bool sign, enum fp_rounding rounding) {
    env->flags |= FPSR_OFC | FPSR_IXC;
    return overflows_to_infinity(rounding, sign) ? infinity(n, sign) : max_normal(n, sign);
}

/* Alternative half precision has no infinity. */
static uint64_t alternative_overflow(struct fp_env *env, bool sign) {
    env->flags |= FPSR_IOC;
    return pack(16, sign, 0x1f, 0x3ff);
}

/* FPRoundBase: m has bit 127 set and is worth m x 2^(exponent - 127). */
static uint64_t round_base(struct fp_env *env, unsigned n, bool sign, int exponent, u128 m,
                           enum fp_rounding rounding, uint32_t control) {
    int minimum = minimum_exponent(n);
    if (exponent < minimum && flushes(n, control)) {
        env->flags |= FPSR_UFC;
        return zero(n, sign);
    }
    unsigned f = fraction_bits(n), biased = exponent < minimum ? 0 : (unsigned)(exponent - minimum + 1);
    unsigned shift = 127 - f + (biased ? 0 : (unsigned)(minimum - exponent));
    uint64_t whole = shift < 128 ? (uint64_t)(m >> shift) : 0;
    u128 rest = shift < 128 ? m << (128 - shift) : shift == 128 ? m : 1;
    if (!biased && rest) env->flags |= FPSR_UFC;
    if (rounds_up(rounding, sign, whole & 1, rest)) whole++;
    if (rounding == FP_ODD && rest) whole |= 1;
    /* The hidden bit of whole, or a carry into or out of it, counts in the exponent. */
    uint64_t magnitude = biased ? ((uint64_t)(biased - 1) << f) + whole : whole;
    bool alternative = n == 16 && control & FPCR_AHP;
    uint64_t reached = magnitude >> f;
    if (alternative && reached > exponent_max(n)) return alternative_overflow(env, sign);
    if (!alternative && reached >= exponent_max(n)) return overflow(env, n, sign, rounding);
    if (rest) env->flags |= FPSR_IXC;
    return (uint64_t)sign << (n - 1) | magnitude;
}

static int leading_zeros(u128 m) {
    uint64_t high = (uint64_t)(m >> 64);
    return high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)m);
}

uint64_t round_to(struct fp_env *env, unsigned n, bool sign, int exponent, u128 m,
                  enum fp_rounding rounding) {
    int shift = leading_zeros(m);
    return round_base(env, n, sign, exponent + 127 - shift, m << shift, rounding,
                      env->control & ~(uint32_t)FPCR_AHP);
}

uint64_t round_converted(struct fp_env *env, unsigned n, bool sign, int exponent, u128 m,
                         enum fp_rounding rounding) {
    int shift = leading_zeros(m);
    uint32_t control = env->control & ~(uint32_t)FPCR_FZ16;
    return round_base(env, n, sign, exponent + 127 - shift, m << shift, rounding, control);
}

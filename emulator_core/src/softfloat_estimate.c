/* Estimates of reciprocals and of reciprocal square roots, to 8 bits. */
#include "softfloat_parts.h"

/* Both take a number in units of 1/512 and give one in units of 1/256 above 1. */
static unsigned recip_estimate(unsigned a) { return ((1u << 19) / (2 * a + 1) + 1) / 2; }

static unsigned rsqrt_estimate(unsigned a) {
    uint64_t x = a < 256 ? 2 * a + 1 : 2 * (a | 1), b = 512;
    while (x * (b + 1) * (b + 1) < (uint64_t)1 << 28) b++;
    return (unsigned)(b + 1) / 2;
}

uint32_t fp_unsigned_recip_estimate(uint32_t a) {
    return a >> 31 ? recip_estimate(a >> 23) << 23 : UINT32_MAX;
}

uint32_t fp_unsigned_rsqrt_estimate(uint32_t a) {
    return a >> 30 ? rsqrt_estimate(a >> 23) << 23 : UINT32_MAX;
}

/* The exponent as the format has it, going on below 1 for denormals. */
static int biased_exponent(unsigned n, struct number a) { return a.exponent + 63 - minimum_exponent(n) + 1; }
/* 1 and the first eight bits of the fraction. */
static unsigned scaled(struct number a) { return (unsigned)(a.mantissa >> 55); }

static uint64_t recip_overflow(struct fp_env *env, unsigned n, bool sign) {
    env->flags |= FPSR_OFC | FPSR_IXC;
    return overflows_to_infinity(fp_rounding_mode(env), sign) ? infinity(n, sign) : max_normal(n, sign);
}

static bool flushes(const struct fp_env *env, unsigned n) {
    return env->control & (n == 16 ? FPCR_FZ16 : FPCR_FZ);
}

static uint64_t recip_nonzero(struct fp_env *env, unsigned n, struct number a) {
    int exponent = biased_exponent(n, a), result = (int)exponent_max(n) - 2 - exponent;
    if (exponent < -1) return recip_overflow(env, n, a.sign);
    if (result < 1 && flushes(env, n)) {
        env->flags |= FPSR_UFC;
        return zero(n, a.sign);
    }
    uint64_t fraction = (uint64_t)(recip_estimate(scaled(a)) & 255) << (fraction_bits(n) - 8);
    if (result < 1) { /* a denormal: its hidden bit is written out */
        fraction = (fraction | (fraction_mask(n) + 1)) >> (1 - result);
        result = 0;
    }
    return pack(n, a.sign, (uint64_t)result, fraction);
}

uint64_t fp_recip_estimate(struct fp_env *env, unsigned n, uint64_t bits) {
    struct number a = unpack(env, n, bits);
    if (is_nan(a)) return process_nan(env, n, a, bits);
    if (a.type == TYPE_INFINITY) return zero(n, a.sign);
    if (a.type == TYPE_NONZERO) return recip_nonzero(env, n, a);
    env->flags |= FPSR_DZC;
    return infinity(n, a.sign);
}

static uint64_t rsqrt_nonzero(unsigned n, struct number a) {
    int exponent = biased_exponent(n, a), bias3 = 3 * (1 - minimum_exponent(n)) - 1;
    unsigned estimate = rsqrt_estimate(exponent & 1 ? scaled(a) >> 1 : scaled(a));
    return pack(n, false, (uint64_t)((bias3 - exponent) / 2),
                (uint64_t)(estimate & 255) << (fraction_bits(n) - 8));
}

uint64_t fp_rsqrt_estimate(struct fp_env *env, unsigned n, uint64_t bits) {
    struct number a = unpack(env, n, bits);
    if (is_nan(a)) return process_nan(env, n, a, bits);
    if (a.type == TYPE_ZERO) {
        env->flags |= FPSR_DZC;
        return infinity(n, a.sign);
    }
    if (a.sign) {
        env->flags |= FPSR_IOC;
        return default_nan(n);
    }
    return a.type == TYPE_INFINITY ? zero(n, false) : rsqrt_nonzero(n, a);
}

uint64_t fp_recip_exponent(struct fp_env *env, unsigned n, uint64_t bits) {
    struct number a = unpack(env, n, bits);
    if (is_nan(a)) return process_nan(env, n, a, bits);
    unsigned exponent = (unsigned)(bits >> fraction_bits(n)) & exponent_max(n);
    return pack(n, a.sign, exponent ? exponent ^ exponent_max(n) : exponent_max(n) - 1, 0);
}

/* The soft-float against the host's floating point in every rounding mode, and against values worked out by
 * hand where the host has no such rule: NaNs, flushing, half precision, estimates. */
#include "check.h"
#include "softfloat.h"

#include <fenv.h>
#include <math.h>
#include <string.h>

enum { ROUNDS = 200000 };

/* ---- the host
 * ------------------------------------------------------------------------------------------------ */

static const int host_modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

static uint64_t from_double(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return bits;
}
static double to_double(uint64_t bits) {
    double x;
    memcpy(&x, &bits, 8);
    return x;
}
static uint64_t from_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}
static float to_float(uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float x;
    memcpy(&x, &low, 4);
    return x;
}

static uint32_t host_flags(void) {
    int raised = fetestexcept(FE_ALL_EXCEPT);
    return (raised & FE_INVALID ? FPSR_IOC : 0) | (raised & FE_DIVBYZERO ? FPSR_DZC : 0) |
           (raised & FE_OVERFLOW ? FPSR_OFC : 0) | (raised & FE_UNDERFLOW ? FPSR_UFC : 0) |
           (raised & FE_INEXACT ? FPSR_IXC : 0);
}

enum operation { ADD, SUB, MUL, DIV, SQRT, FMA, OPERATIONS };

static double host_double(enum operation op, volatile double a, volatile double b, volatile double c) {
    switch (op) {
    case ADD: return a + b;
    case SUB: return a - b;
    case MUL: return a * b;
    case DIV: return a / b;
    case SQRT: return sqrt(a);
    default: return fma(a, b, c);
    }
}
static float host_float(enum operation op, volatile float a, volatile float b, volatile float c) {
    switch (op) {
    case ADD: return a + b;
    case SUB: return a - b;
    case MUL: return a * b;
    case DIV: return a / b;
    case SQRT: return sqrtf(a);
    default: return fmaf(a, b, c);
    }
}
static uint64_t host(enum operation op, unsigned n, uint64_t a, uint64_t b, uint64_t c) {
    if (n == 64) return from_double(host_double(op, to_double(a), to_double(b), to_double(c)));
    return from_float(host_float(op, to_float(a), to_float(b), to_float(c)));
}
static uint64_t ours(struct fp_env *env, enum operation op, unsigned n, uint64_t a, uint64_t b, uint64_t c) {
    switch (op) {
    case ADD: return fp_add(env, n, a, b);
    case SUB: return fp_sub(env, n, a, b);
    case MUL: return fp_mul(env, n, a, b);
    case DIV: return fp_div(env, n, a, b);
    case SQRT: return fp_sqrt(env, n, a);
    default: return fp_mul_add(env, n, c, a, b);
    }
}

/* ---- random operands
 * ----------------------------------------------------------------------------------------- */

static unsigned fraction_of(unsigned n) { return n == 16 ? 10 : n == 32 ? 23 : 52; }
static uint64_t infinity_of(unsigned n) {
    return (((uint64_t)1 << (n - 1 - fraction_of(n))) - 1) << fraction_of(n);
}
static bool is_nan(unsigned n, uint64_t x) { return fp_abs(n, x) > infinity_of(n); }

/* Often near 1, near another operand, or at an end of the range; never a NaN. */
static uint64_t number(uint64_t *seed, unsigned n, uint64_t other) {
    uint64_t bits = random_u64(seed), pick = random_u64(seed) >> 60,
             fraction = ((uint64_t)1 << fraction_of(n)) - 1;
    uint64_t one = infinity_of(n) >> 1 & ~fraction;
    uint64_t x = bits & (fp_sign_bit(n) - 1);
    if (pick < 4) x = one + (bits >> 56 << fraction_of(n) >> 4 & ~fraction) + (bits & fraction);
    if (pick == 4) x = fp_abs(n, other) + (bits & 3);
    if (pick == 5) x = bits & fraction;
    if (pick == 6) x = infinity_of(n) - (bits & 3);
    if (pick == 7) x &= ~(fraction >> 2);
    x &= fp_sign_bit(n) - 1;
    if (is_nan(n, x)) x = one;
    return x | (bits >> 63 << (n - 1));
}

/* The host finds a result tiny after rounding, Arm before: they part where it rounds up to the least normal.
 */
static bool same_flags(unsigned n, uint64_t result, uint32_t ours, uint32_t hosts) {
    bool border = fp_abs(n, result) == (uint64_t)1 << fraction_of(n);
    return border ? (ours | FPSR_UFC) == (hosts | FPSR_UFC) : ours == hosts;
}

static void compare_with_host(uint64_t *seed, enum operation op, unsigned n, unsigned mode) {
    uint64_t a = number(seed, n, 0), b = number(seed, n, a), c = number(seed, n, b);
    struct fp_env env = {mode << FPCR_RMODE_LSB, 0};
    fesetround(host_modes[mode]);
    feclearexcept(FE_ALL_EXCEPT);
    uint64_t expected = host(op, n, a, b, c);
    uint32_t flags = host_flags();
    fesetround(FE_TONEAREST);
    uint64_t result = ours(&env, op, n, a, b, c);
    CHECK(is_nan(n, expected) ? is_nan(n, result) : result == expected);
    CHECK(same_flags(n, result, env.flags, flags));
}

/* IXC set before lets the host compute where it may: the same bits, and the same flags besides. */
static void compare_with_itself(uint64_t *seed, enum operation op, unsigned n, unsigned mode) {
    uint64_t a = number(seed, n, 0), b = number(seed, n, a), c = number(seed, n, b);
    uint32_t control = mode << FPCR_RMODE_LSB | (random_u64(seed) >> 63 ? FPCR_FZ : 0);
    struct fp_env integers = {control, 0}, quick = {control, FPSR_IXC};
    CHECK(ours(&quick, op, n, a, b, c) == ours(&integers, op, n, a, b, c));
    CHECK(quick.flags == (integers.flags | FPSR_IXC));
}

static void test_arithmetic(void) {
    uint64_t seed = 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned n = i / OPERATIONS % 2 ? 32 : 64, mode = i / OPERATIONS / 2 % 4;
        compare_with_host(&seed, i % OPERATIONS, n, mode);
        compare_with_itself(&seed, i % OPERATIONS, n, mode & mode >> 1);
    }
}

static void test_conversions_with_host(void) {
    uint64_t seed = 2;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct fp_env env = {0, 0};
        uint64_t a = number(&seed, 64, 0), integer = random_u64(&seed) >> (i % 64);
        CHECK(fp_convert(&env, 64, a, 32, FP_TIE_EVEN) == from_float((float)to_double(a)));
        CHECK(fp_from_fixed(&env, 64, integer, 64, 0, false) == from_double((double)(int64_t)integer));
        CHECK(fp_from_fixed(&env, 32, integer, 64, 0, true) == from_float((float)integer));
        CHECK(fp_round_int(&env, 64, a, FP_TIE_EVEN, false) == from_double(nearbyint(to_double(a))));
        CHECK(fp_round_int(&env, 64, a, FP_TIE_AWAY, false) == from_double(round(to_double(a))));
        if (fabs(to_double(a)) < 0x1p62)
            CHECK((int64_t)fp_to_fixed(&env, 64, a, 64, 0, false, FP_TOWARD_ZERO) == (int64_t)to_double(a));
        int order = to_double(a) < 1.5 ? 8 : to_double(a) > 1.5 ? 2 : 6;
        CHECK((int)fp_compare(&env, 64, a, from_double(1.5), false) == order);
    }
}

/* ---- half precision: every number
 * ---------------------------------------------------------------------------- */

static uint64_t half_of(double x) {
    struct fp_env env = {0, 0};
    return fp_convert(&env, 64, from_double(x), 16, FP_TIE_EVEN);
}
static double value_of_half(uint64_t x) {
    struct fp_env env = {0, 0};
    return to_double(fp_convert(&env, 16, x, 64, FP_TIE_EVEN));
}

/* What the bits mean, by the definition. */
static double half_by_definition(uint64_t x) {
    int exponent = x >> 10 & 31, fraction = x & 1023;
    double magnitude = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return x >> 15 ? -magnitude : magnitude;
}

static void test_every_half(void) {
    for (uint64_t x = 0; x < 0x10000; x++) {
        if (fp_abs(16, x) >= infinity_of(16)) continue;
        struct fp_env env = {0, 0};
        CHECK(value_of_half(x) == half_by_definition(x));
        CHECK(half_of(half_by_definition(x)) == x);
        if (!(x >> 15)) CHECK(fp_sqrt(&env, 16, x) == half_of(sqrt(half_by_definition(x))));
    }
}

/* A double holds sums and products of halves exactly, and more than twice the digits of their quotients. */
static void test_half_arithmetic(void) {
    uint64_t seed = 3;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct fp_env env = {0, 0};
        uint64_t a = number(&seed, 16, 0), b = number(&seed, 16, a);
        if (fp_abs(16, a) == infinity_of(16) || fp_abs(16, b) == infinity_of(16)) continue;
        double x = half_by_definition(a), y = half_by_definition(b);
        CHECK(fp_add(&env, 16, a, b) == half_of(x + y));
        CHECK(fp_mul(&env, 16, a, b) == half_of(x * y));
        if (y != 0) CHECK(fp_div(&env, 16, a, b) == half_of(x / y));
    }
}

/* ---- by hand
 * ------------------------------------------------------------------------------------------------- */

static void check1(uint64_t (*fn)(struct fp_env *, unsigned, uint64_t), uint32_t control, unsigned n,
                   uint64_t a, uint64_t expected, uint32_t flags) {
    struct fp_env env = {control, 0};
    CHECK(fn(&env, n, a) == expected);
    CHECK(env.flags == flags);
}
static void check2(uint64_t (*fn)(struct fp_env *, unsigned, uint64_t, uint64_t), uint32_t control,
                   unsigned n, uint64_t a, uint64_t b, uint64_t expected, uint32_t flags) {
    struct fp_env env = {control, 0};
    CHECK(fn(&env, n, a, b) == expected);
    CHECK(env.flags == flags);
}
static void check_convert(uint32_t control, unsigned n, uint64_t a, unsigned m, uint64_t expected,
                          uint32_t flags) {
    struct fp_env env = {control, 0};
    CHECK(fp_convert(&env, n, a, m, fp_rounding_mode(&env)) == expected);
    CHECK(env.flags == flags);
}
static void check_fma(uint64_t addend, uint64_t a, uint64_t b, uint64_t expected, uint32_t flags) {
    struct fp_env env = {0, 0};
    CHECK(fp_mul_add(&env, 32, addend, a, b) == expected);
    CHECK(env.flags == flags);
}

static void test_nans(void) {
    const uint64_t quiet = 0x7fc00001, quiet2 = 0xffc00002, signaling = 0x7f800003, one = 0x3f800000;
    const uint64_t infinite = 0x7f800000;
    check2(fp_add, 0, 32, quiet, quiet2, quiet, 0);
    check2(fp_add, 0, 32, one, quiet2, quiet2, 0);
    check2(fp_add, 0, 32, quiet, signaling, 0x7fc00003, FPSR_IOC);
    check2(fp_sub, 0, 32, quiet2, one, quiet2, 0);
    check2(fp_mul, FPCR_DN, 32, quiet2, one, 0x7fc00000, 0);
    check2(fp_sub, 0, 32, infinite, infinite, 0x7fc00000, FPSR_IOC);
    check2(fp_mulx, 0, 32, 0x80000000, infinite, 0xc0000000, 0);
    check2(fp_max, 0, 32, 0x80000000, 0, 0, 0);
    check2(fp_min, 0, 32, 0, 0x80000000, 0x80000000, 0);
    check2(fp_max_num, 0, 32, quiet, one, one, 0);
    check2(fp_min_num, 0, 32, one, signaling, 0x7fc00003, FPSR_IOC);
    check2(fp_max_num, 0, 32, quiet2, quiet, quiet2, 0);
    check_fma(quiet, 0, infinite, 0x7fc00000, FPSR_IOC);
    check_fma(signaling, 0, infinite, 0x7fc00003, FPSR_IOC);
    check_fma(quiet, one, signaling, 0x7fc00003, FPSR_IOC);
    check_fma(quiet, quiet2, one, quiet, 0);
}

static void test_flushing(void) {
    check2(fp_add, FPCR_FZ, 32, 1, 0x80000001, 0, FPSR_IDC);
    check2(fp_mul, FPCR_FZ, 32, 0x00800000, 0x3f000000, 0, FPSR_UFC);
    check2(fp_mul, 0, 32, 0x00800000, 0x3f000000, 0x00400000, 0);
    check2(fp_add, FPCR_FZ, 16, 1, 1, 2, 0);
    check2(fp_add, FPCR_FZ16, 16, 1, 1, 0, 0);
    check2(fp_mul, FPCR_FZ16, 16, 0x8400, 0x3800, 0x8000, FPSR_UFC);
    check_convert(FPCR_FZ16, 32, 0x33800000, 16, 1, 0);
    check_convert(FPCR_FZ, 32, 1, 64, 0, FPSR_IDC);
}

static void test_alternative_half(void) {
    check_convert(FPCR_AHP, 32, 0x47800000, 16, 0x7c00, 0);        /* 65536 */
    check_convert(FPCR_AHP, 32, 0x48000000, 16, 0x7fff, FPSR_IOC); /* 131072 */
    check_convert(FPCR_AHP, 32, 0xff800000, 16, 0xffff, FPSR_IOC);
    check_convert(FPCR_AHP, 32, 0xffc00000, 16, 0x8000, FPSR_IOC);
    check_convert(FPCR_AHP, 16, 0x7fff, 32, 0x47ffe000, 0); /* 131008 */
    check_convert(0, 32, 0x47800000, 16, 0x7c00, FPSR_OFC | FPSR_IXC);
    check_convert(3u << FPCR_RMODE_LSB, 32, 0x47800000, 16, 0x7bff, FPSR_OFC | FPSR_IXC);
    check_convert(0, 16, 0x7d01, 64, 0x7ffc040000000000 | 0x0008000000000000, FPSR_IOC);
}

static void test_odd(void) {
    struct fp_env env = {0, 0};
    CHECK(fp_convert(&env, 64, 0x3ff0000000000001, 32, FP_ODD) == 0x3f800001);
    CHECK(fp_convert(&env, 64, 0x7fe0000000000000, 32, FP_ODD) == 0x7f7fffff);
    CHECK(env.flags == (FPSR_IXC | FPSR_OFC));
}

static void test_fixed(void) {
    struct fp_env env = {0, 0};
    CHECK(fp_to_fixed(&env, 64, from_double(2.5), 32, 0, false, FP_TIE_EVEN) == 2 && env.flags == FPSR_IXC);
    CHECK(fp_to_fixed(&env, 64, from_double(-2.5), 32, 0, false, FP_TIE_AWAY) == 0xfffffffd);
    CHECK(fp_to_fixed(&env, 64, from_double(1.75), 32, 2, true, FP_TOWARD_ZERO) == 7);
    env.flags = 0;
    CHECK(fp_to_fixed(&env, 64, from_double(-1), 32, 0, true, FP_TOWARD_ZERO) == 0 && env.flags == FPSR_IOC);
    CHECK(fp_to_fixed(&env, 64, from_double(INFINITY), 64, 0, false, FP_TOWARD_ZERO) == INT64_MAX);
    CHECK(fp_to_fixed(&env, 64, from_double(-0x1p63), 64, 0, false, FP_TOWARD_ZERO) == (uint64_t)INT64_MIN);
    CHECK(fp_to_fixed(&env, 32, 0x7fc00000, 32, 0, false, FP_TOWARD_ZERO) == 0);
    CHECK(fp_from_fixed(&env, 32, 0xffffffff, 32, 4, false) == from_float(-0.0625f));
}

static void test_estimates(void) {
    check1(fp_recip_estimate, 0, 32, 0x3f800000, 0x3f7f8000, 0);
    check1(fp_recip_estimate, 0, 32, 0x80000000, 0xff800000, FPSR_DZC);
    check1(fp_recip_estimate, 0, 32, 0x00000001, 0x7f800000, FPSR_OFC | FPSR_IXC);
    check1(fp_recip_estimate, 0, 32, 0x7f000000, 0x003fe000, 0);
    check1(fp_recip_estimate, FPCR_FZ, 32, 0x7f000000, 0, FPSR_UFC);
    check1(fp_rsqrt_estimate, 0, 32, 0x3f800000, 0x3f7f8000, 0);
    check1(fp_rsqrt_estimate, 0, 64, 0x4010000000000000, 0x3fdff00000000000, 0);
    check1(fp_rsqrt_estimate, 0, 32, 0xbf800000, 0x7fc00000, FPSR_IOC);
    check1(fp_recip_exponent, 0, 32, 0x40400000, 0x3f800000, 0);
    check1(fp_recip_exponent, 0, 32, 0x80000000, 0xff000000, 0);
    check2(fp_recip_step, 0, 32, 0, 0x7f800000, 0x40000000, 0);
    check2(fp_rsqrt_step, 0, 32, 0x3f800000, 0x3f800000, 0x3f800000, 0);
    CHECK(fp_unsigned_recip_estimate(0x7fffffff) == UINT32_MAX);
    CHECK(fp_unsigned_recip_estimate(0x80000000) == 0xff800000);
    CHECK(fp_unsigned_rsqrt_estimate(0x40000000) == 0xff800000);
    CHECK(fp_unsigned_rsqrt_estimate(0x3fffffff) == UINT32_MAX);
}

static void test_immediates(void) {
    CHECK(fp_expand_imm(64, 0x70) == from_double(1.0));
    CHECK(fp_expand_imm(32, 0x80) == from_float(-2.0f));
    CHECK(fp_expand_imm(16, 0x60) == half_of(0.5));
    CHECK(fp_expand_imm(64, 0x3f) == from_double(31.0));
}

int main(void) {
    test_arithmetic();
    test_conversions_with_host();
    test_every_half();
    test_half_arithmetic();
    test_nans();
    test_flushing();
    test_alternative_half();
    test_odd();
    test_fixed();
    test_estimates();
    test_immediates();
    return check_status();
}

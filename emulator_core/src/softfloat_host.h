/* The host's own arithmetic, for the cases in which it provably gives the bits and flags of this one.
 *
 * IEEE 754 defines the rounded result. With operands that are normal or zero and a result strictly between
 * the least normal and infinity in magnitude, rounding to the nearest even, nothing else can be raised than
 * IXC; so when IXC is set already, the host's result is the whole answer. Neither FZ, DN nor a host that
 * flushes denormals has a part in it.
 */
#ifndef CVMDBG_SOFTFLOAT_HOST_H
#define CVMDBG_SOFTFLOAT_HOST_H

#include "softfloat_parts.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Does the host round each operation to its type at once? */
#if FLT_EVAL_METHOD == 0
enum { HOST_ROUNDS = 1 };
#else
enum { HOST_ROUNDS = 0 };
#endif

static inline bool host_serves(const struct fp_env *env, unsigned n) {
    return HOST_ROUNDS && n != 16 && env->flags & FPSR_IXC && fp_rounding_mode(env) == FP_TIE_EVEN;
}

static inline bool host_operand(unsigned n, uint64_t a) {
    uint64_t magnitude = fp_abs(n, a), least = (uint64_t)1 << fraction_bits(n);
    return magnitude == 0 || magnitude - least < infinity(n, false) - least;
}
static inline bool host_result(unsigned n, uint64_t a) {
    uint64_t magnitude = fp_abs(n, a);
    return magnitude > (uint64_t)1 << fraction_bits(n) && magnitude < infinity(n, false);
}

static inline double host_double(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline uint64_t bits_of_double(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof x);
    return bits;
}
static inline float host_float(uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float x;
    memcpy(&x, &low, sizeof x);
    return x;
}
static inline uint64_t bits_of_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof x);
    return bits;
}

/* name(env, n, a, b, out): true if the host's `a operator b` is the answer. */
#define HOST_BINARY(name, operator)                                                                          \
    static inline bool name(const struct fp_env *env, unsigned n, uint64_t a, uint64_t b, uint64_t *out) {   \
        if (!host_serves(env, n) || !host_operand(n, a) || !host_operand(n, b)) return false;                \
        *out = n == 64 ? bits_of_double(host_double(a) operator host_double(b))                              \
                       : bits_of_float(host_float(a) operator host_float(b));                                \
        return host_result(n, *out);                                                                         \
    }
HOST_BINARY(host_add, +)
HOST_BINARY(host_sub, -)
HOST_BINARY(host_mul, *)
HOST_BINARY(host_div, /)

static inline bool host_fma(const struct fp_env *env, unsigned n, uint64_t c, uint64_t a, uint64_t b,
                            uint64_t *out) {
    if (!host_serves(env, n) || !host_operand(n, a) || !host_operand(n, b) || !host_operand(n, c))
        return false;
    *out = n == 64 ? bits_of_double(fma(host_double(a), host_double(b), host_double(c)))
                   : bits_of_float(fmaf(host_float(a), host_float(b), host_float(c)));
    return host_result(n, *out);
}

static inline bool host_sqrt(const struct fp_env *env, unsigned n, uint64_t a, uint64_t *out) {
    if (!host_serves(env, n) || !host_operand(n, a) || a & fp_sign_bit(n)) return false;
    *out = n == 64 ? bits_of_double(sqrt(host_double(a))) : bits_of_float(sqrtf(host_float(a)));
    return host_result(n, *out);
}

#endif

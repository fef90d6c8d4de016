/* Numbers taken apart and rounded together again: what the files of softfloat share. */
#ifndef CVMDBG_SOFTFLOAT_PARTS_H
#define CVMDBG_SOFTFLOAT_PARTS_H

#include "softfloat.h"

typedef unsigned __int128 u128;

/*  n   sign   exponent   fraction            value of a normal number: 1.fraction x 2^(exponent - bias)
 *  16 |  1  |     5    |    10    |          of a denormal:            0.fraction x 2^(1 - bias)
 *  32 |  1  |     8    |    23    |
 *  64 |  1  |    11    |    52    |                                                                   */
static inline unsigned fraction_bits(unsigned n) { return n == 16 ? 10 : n == 32 ? 23 : 52; }
static inline unsigned exponent_bits(unsigned n) { return n - 1 - fraction_bits(n); }
static inline unsigned exponent_max(unsigned n) {
    return (1u << exponent_bits(n)) - 1;
} /* of infinities and NaNs */
static inline int minimum_exponent(unsigned n) { return 2 - (1 << (exponent_bits(n) - 1)); }
static inline uint64_t fraction_mask(unsigned n) { return ((uint64_t)1 << fraction_bits(n)) - 1; }
static inline uint64_t quiet_bit(unsigned n) { return (uint64_t)1 << (fraction_bits(n) - 1); }

static inline uint64_t pack(unsigned n, bool sign, uint64_t exponent, uint64_t fraction) {
    return (uint64_t)sign << (n - 1) | exponent << fraction_bits(n) | fraction;
}
static inline uint64_t zero(unsigned n, bool sign) { return pack(n, sign, 0, 0); }
static inline uint64_t infinity(unsigned n, bool sign) { return pack(n, sign, exponent_max(n), 0); }
static inline uint64_t max_normal(unsigned n, bool sign) {
    return pack(n, sign, exponent_max(n) - 1, fraction_mask(n));
}
static inline uint64_t default_nan(unsigned n) { return pack(n, false, exponent_max(n), quiet_bit(n)); }
static inline uint64_t two(unsigned n) { return pack(n, false, (uint64_t)1 << (exponent_bits(n) - 1), 0); }
static inline uint64_t one_point_five(unsigned n) {
    return pack(n, false, ((uint64_t)1 << (exponent_bits(n) - 1)) - 1, quiet_bit(n));
}

enum fp_type { TYPE_ZERO, TYPE_NONZERO, TYPE_INFINITY, TYPE_QUIET, TYPE_SIGNALING };

struct number {
    enum fp_type type;
    bool sign;
    int exponent;      /* of nonzero: the magnitude is mantissa x 2^exponent */
    uint64_t mantissa; /* of nonzero: bit 63 is set */
};

static inline bool is_nan(struct number a) { return a.type >= TYPE_QUIET; }

struct number unpack(struct fp_env *, unsigned n, uint64_t bits); /* FPUnpack: IEEE half precision */
struct number unpack_to_convert(struct fp_env *, unsigned n,
                                uint64_t bits); /* FPUnpackCV: no FZ16, AHP counts */

/* m x 2^exponent in format n; m is not 0. Bits that were lost below m stand in its bit 0 (shift_jam). */
uint64_t round_to(struct fp_env *, unsigned n, bool sign, int exponent, u128 m, enum fp_rounding);
uint64_t round_converted(struct fp_env *, unsigned n, bool sign, int exponent, u128 m, enum fp_rounding);

/* m >> shift; bit 0 says whether a lost bit was set. */
static inline u128 shift_jam(u128 m, unsigned shift) {
    if (shift == 0) return m;
    if (shift >= 128) return m != 0;
    return m >> shift | ((m << (128 - shift)) != 0);
}

uint64_t process_nan(struct fp_env *, unsigned n, struct number, uint64_t bits);
/* FPProcessNaNs: a signaling one first, then in order. false: neither is a NaN. */
bool process_nans(struct fp_env *, unsigned n, struct number a, struct number b, uint64_t abits,
                  uint64_t bbits, uint64_t *out);
bool overflows_to_infinity(enum fp_rounding, bool sign);

#endif

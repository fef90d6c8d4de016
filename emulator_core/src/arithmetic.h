/* Integer arithmetic that clauses share: flags of an addition, logical immediates, bit order. */
#ifndef CVMDBG_ARITHMETIC_H
#define CVMDBG_ARITHMETIC_H

#include <stdbool.h>
#include <stdint.h>

/* NZCV of a + b. For 32 bits shift both left by 32: carry and overflow leave at the same place. */
static inline unsigned flags_of_add(uint64_t a, uint64_t b) {
    uint64_t r = a + b;
    return (unsigned)((r >> 63) << 3 | (uint64_t)(r == 0) << 2 | (uint64_t)(r < a) << 1 |
                      ((a ^ r) & (b ^ r)) >> 63);
}

/* NZCV of a + b + carry. */
static inline unsigned flags_of_carry_add(uint64_t a, uint64_t b, unsigned carry) {
    uint64_t r = a + b + carry, c = carry ? r <= a : r < a;
    return (unsigned)((r >> 63) << 3 | (uint64_t)(r == 0) << 2 | c << 1 | ((a ^ r) & (b ^ r)) >> 63);
}

/* The carry enters from below the 32 bits that count. */
static inline unsigned flags_of_carry_add32(uint64_t a, uint64_t b, unsigned carry) {
    return flags_of_add(a << 32 | (carry ? 0xffffffff : 0), b << 32 | carry);
}

/* NZCV of a logical result: C and V are clear. */
static inline unsigned flags_of_logic(uint64_t r) {
    return (unsigned)((r >> 63) << 3 | (uint64_t)(r == 0) << 2);
}

static inline uint64_t rotate_right(uint64_t value, unsigned n) {
    return n ? value >> n | value << (64 - n) : value;
}

static inline uint32_t rotate_right32(uint32_t value, unsigned n) {
    return n ? value >> n | value << (32 - n) : value;
}

static inline uint64_t reverse_bits(uint64_t v) {
    v = (v & 0x5555555555555555) << 1 | (v >> 1 & 0x5555555555555555);
    v = (v & 0x3333333333333333) << 2 | (v >> 2 & 0x3333333333333333);
    v = (v & 0x0f0f0f0f0f0f0f0f) << 4 | (v >> 4 & 0x0f0f0f0f0f0f0f0f);
    return __builtin_bswap64(v);
}

static inline unsigned leading_zeros(uint64_t v) { return v ? (unsigned)__builtin_clzll(v) : 64; }

static inline uint64_t divide(uint64_t a, uint64_t b) { return b ? a / b : 0; }

/* The quotient of the least number and -1 wraps; the host would trap. */
static inline int64_t divide_signed(int64_t a, int64_t b) {
    if (b == 0) return 0;
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

/* A logical immediate (DecodeBitMasks): elements of 2^len bits, each a run of ones rotated right. false:
 * reserved. */
static inline bool decode_bit_mask(unsigned n, unsigned imms, unsigned immr, uint64_t *mask) {
    unsigned selector = n << 6 | (~imms & 0x3f);
    if (selector < 2) return false;
    unsigned size = 1u << (31 - __builtin_clz(selector)), levels = size - 1;
    if ((imms & levels) == levels) return false;
    uint64_t run = ((uint64_t)2 << (imms & levels)) - 1, rotation = immr & levels;
    if (rotation)
        run = (run >> rotation | run << (size - rotation)) & (size == 64 ? ~0ull : (1ull << size) - 1);
    for (; size < 64; size *= 2) run |= run << size;
    *mask = run;
    return true;
}

#endif

/* Vector instructions are a shape (how many lanes, how wide), a function of one lane, and a way to walk the
 * lanes.
 *
 * A walk checks that the shape is not reserved, then that floating point is enabled, reads its registers from
 * the usual fields (Rd 4:0, Rn 9:5, Rm 20:16) and writes Rd with what it does not compute cleared. A scalar
 * instruction is a walk over one lane.
 */
#ifndef CVMDBG_SIMD_H
#define CVMDBG_SIMD_H

#include "exec.h"
#include "softfloat.h"

/* ---- elements ------------------------------------------------------------------------------------------ */

static inline uint64_t low_bits(uint64_t value, unsigned bits) { return value & UINT64_MAX >> (64 - bits); }
static inline int64_t sign_extended(uint64_t value, unsigned bits) {
    return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

/* Element e of v, where elements are esize bits; e counts from the low end. */
static inline uint64_t element_get(struct vector v, unsigned e, unsigned esize) {
    unsigned at = e * esize;
    return low_bits((at < 64 ? v.lo : v.hi) >> (at & 63), esize);
}
static inline void element_set(struct vector *v, unsigned e, unsigned esize, uint64_t value) {
    unsigned at = e * esize;
    uint64_t *half = at < 64 ? &v->lo : &v->hi, mask = UINT64_MAX >> (64 - esize) << (at & 63);
    *half = (*half & ~mask) | (value << (at & 63) & mask);
}

/* ---- shapes -------------------------------------------------------------------------------------------- */

struct shape {
    unsigned esize;    /* bits of an element */
    unsigned elements; /* 0: the encoding is reserved */
    bool upper;        /* long, narrow: the upper half of the register with the narrow elements */
};

#define SHAPE_RESERVED ((struct shape){0, 0, false})

/* 64 or 128 bits by Q. */
static inline struct shape shape_vector(uint32_t word, unsigned esize) {
    unsigned q = field(word, 30, 1);
    if (esize == 64 && !q) return SHAPE_RESERVED;
    return (struct shape){esize, (q ? 128u : 64u) >> __builtin_ctz(esize), false};
}
static inline struct shape shape_scalar(unsigned esize) { return (struct shape){esize, 1, false}; }
/* 64 bits, which half by Q. */
static inline struct shape shape_long(uint32_t word, unsigned esize) {
    return (struct shape){esize, 64u >> __builtin_ctz(esize), field(word, 30, 1)};
}

/* The width by size, bits 23:22, which must be from first to last. */
static inline bool shape_allows(uint32_t word, unsigned first, unsigned last) {
    return field(word, 22, 2) >= first && field(word, 22, 2) <= last;
}
static inline struct shape shape_sizes(uint32_t word, unsigned first, unsigned last) {
    return shape_allows(word, first, last) ? shape_vector(word, 8u << field(word, 22, 2)) : SHAPE_RESERVED;
}
static inline struct shape shape_scalar_sizes(uint32_t word, unsigned first, unsigned last) {
    return shape_allows(word, first, last) ? shape_scalar(8u << field(word, 22, 2)) : SHAPE_RESERVED;
}
static inline struct shape shape_long_sizes(uint32_t word, unsigned first, unsigned last) {
    return shape_allows(word, first, last) ? shape_long(word, 8u << field(word, 22, 2)) : SHAPE_RESERVED;
}

/* Single or double by bit 22. */
static inline struct shape shape_fp(uint32_t word) { return shape_vector(word, 32u << field(word, 22, 1)); }
static inline struct shape shape_scalar_fp(uint32_t word) { return shape_scalar(32u << field(word, 22, 1)); }

/* ---- lanes --------------------------------------------------------------------------------------------- */

struct lane {
    struct fp_env fp; /* FPCR, and flags for FPSR: QC of saturation too */
    unsigned esize;   /* bits of a source element */
    unsigned shift;   /* of shifts by an immediate; fraction bits of conversions */
    uint64_t d;       /* what the result's element held */
};

/* Elements come zero-extended; of the result the low bits count. */
typedef uint64_t lane1(struct lane *, uint64_t n);
typedef uint64_t lane2(struct lane *, uint64_t n, uint64_t m);

static inline int64_t signed_lane(const struct lane *l, uint64_t x) { return sign_extended(x, l->esize); }
uint64_t saturate_signed(struct lane *, __int128 value, unsigned bits);
uint64_t saturate_unsigned(struct lane *, __int128 value, unsigned bits);

/* ---- walks --------------------------------------------------------------------------------------------- */

enum outcome walk_unary(struct cpu *, uint32_t word, unsigned esize, unsigned elements, unsigned shift,
                        lane1 *);
enum outcome walk_binary(struct cpu *, uint32_t word, unsigned esize, unsigned elements, lane2 *);
static inline enum outcome simd_unary_shift(struct cpu *cpu, uint32_t word, struct shape s, unsigned shift,
                                            lane1 *fn) {
    return walk_unary(cpu, word, s.esize, s.elements, shift, fn);
}
static inline enum outcome simd_unary(struct cpu *cpu, uint32_t word, struct shape s, lane1 *fn) {
    return walk_unary(cpu, word, s.esize, s.elements, 0, fn);
}
static inline enum outcome simd_binary(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    return walk_binary(cpu, word, s.esize, s.elements, fn);
}
enum outcome simd_pairwise(struct cpu *, uint32_t word, struct shape,
                           lane2 *); /* adjacent elements of Vn, then of Vm */
enum outcome simd_pair(struct cpu *, uint32_t word, struct shape, lane2 *); /* the two low elements of Vn */
enum outcome simd_reduce(struct cpu *, uint32_t word, struct shape,
                         lane2 *); /* all elements of Vn, by halves */
enum outcome simd_reduce_long(struct cpu *, uint32_t word, struct shape,
                              lane1 *extend); /* their sum, twice as wide */
enum outcome simd_pairwise_long(struct cpu *, uint32_t word, struct shape,
                                lane2 *); /* results twice as wide */

/* Wide results of narrow sources; of a wide Vn and a narrow Vm; narrow results of wide sources. */
enum outcome simd_widen(struct cpu *, uint32_t word, struct shape, unsigned shift, lane1 *);
enum outcome simd_long(struct cpu *, uint32_t word, struct shape, lane2 *);
enum outcome simd_wide(struct cpu *, uint32_t word, struct shape, lane2 *);
enum outcome simd_narrow(struct cpu *, uint32_t word, struct shape, unsigned shift, lane1 *);
enum outcome simd_narrow_binary(struct cpu *, uint32_t word, struct shape, lane2 *);

/* One element of Vm for all lanes. The index is H:L:M, H:L or H by the element's width; M else is Rm's top
 * bit. */
struct vector simd_indexed(struct cpu *, uint32_t word, unsigned esize);
enum outcome simd_by_element(struct cpu *, uint32_t word, struct shape, lane2 *);
enum outcome simd_long_by_element(struct cpu *, uint32_t word, struct shape, lane2 *);

#endif

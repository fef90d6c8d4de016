/* Shapes of floating-point vectors, and operations of one lane. */
#ifndef CVMDBG_SIMD_FLOAT_H
#define CVMDBG_SIMD_FLOAT_H

#include "simd.h"

static inline struct shape fp(uint32_t word) { return shape_fp(word); }
static inline struct shape half(uint32_t word) { return shape_vector(word, 16); }
static inline struct shape scalar(uint32_t word) { return shape_scalar_fp(word); }
static inline struct shape scalar_half(uint32_t word) { return (void)word, shape_scalar(16); }

#define LANE2(name, fn)                                                                                      \
    static uint64_t name(struct lane *l, uint64_t n, uint64_t m) { return fn(&l->fp, l->esize, n, m); }
#define LANE1(name, fn)                                                                                      \
    static uint64_t name(struct lane *l, uint64_t n) { return fn(&l->fp, l->esize, n); }

#endif

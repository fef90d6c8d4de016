/* V registers in memory: plain data movement, 1 << scale bytes, scale 0..4. */
#ifndef CVMDBG_VECTOR_ACCESS_H
#define CVMDBG_VECTOR_ACCESS_H

#include "exec.h"

enum { SCALE_Q = 4 };

/* Sixteen bytes are checked as one access and move as two halves. A load clears the rest of the register. */
static inline bool vector_load(struct cpu *cpu, struct va at, unsigned scale, struct vector *out) {
    uint64_t half[2] = {0, 0};
    if (scale == SCALE_Q) {
        if (!mem_check(cpu, at, 16, false, false, ACCESS_PLAIN)) return false;
        if (!mem_load_pair(cpu, at, 8, half, ACCESS_PLAIN)) return false;
    } else if (!mem_load(cpu, at, 1u << scale, half, ACCESS_PLAIN))
        return false;
    *out = (struct vector){half[0], half[1]};
    return true;
}

static inline bool vector_store(struct cpu *cpu, struct va at, unsigned scale, struct vector value) {
    if (scale < SCALE_Q) return mem_store(cpu, at, 1u << scale, value.lo, ACCESS_PLAIN);
    return mem_check(cpu, at, 16, true, false, ACCESS_PLAIN) &&
           mem_store_pair(cpu, at, 8, (uint64_t[2]){value.lo, value.hi}, ACCESS_PLAIN);
}

#endif

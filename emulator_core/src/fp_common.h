/* What the scalar floating-point clauses share: operands by ftype, results with their flags. */
#ifndef CVMDBG_FP_COMMON_H
#define CVMDBG_FP_COMMON_H

#include "exec.h"
#include "softfloat.h"

/* Bits of ftype 23:22; 0 if it is reserved. */
static inline unsigned fp_width(uint32_t word) {
    static const uint8_t widths[] = {32, 64, 0, 16};
    return widths[field(word, 22, 2)];
}

static inline uint64_t fp_get(struct cpu *cpu, unsigned n, unsigned width) {
    return v_get(cpu, n).lo & UINT64_MAX >> (64 - width);
}
static inline uint64_t fp_n(struct cpu *cpu, uint32_t word) {
    return fp_get(cpu, field(word, 5, 5), fp_width(word));
}
static inline uint64_t fp_m(struct cpu *cpu, uint32_t word) {
    return fp_get(cpu, field(word, 16, 5), fp_width(word));
}
static inline uint64_t fp_a(struct cpu *cpu, uint32_t word) {
    return fp_get(cpu, field(word, 10, 5), fp_width(word));
}

static inline enum outcome fp_set(struct cpu *cpu, uint32_t word, uint64_t value) {
    v_set(cpu, field(word, 0, 5), (struct vector){value, 0});
    return NEXT;
}
static inline enum outcome fp_result(struct cpu *cpu, uint32_t word, const struct fp_env *env,
                                     uint64_t value) {
    cpu->fpsr |= env->flags;
    return fp_set(cpu, word, value);
}

/* Returns from the clause when ftype is reserved or floating point is off. */
#define FP_BEGIN                                                                                             \
    do {                                                                                                     \
        if (!fp_width(word)) return undefined(cpu);                                                          \
        if (!fp_enabled(cpu)) return FAULT;                                                                  \
    } while (0)

#endif

/* What every workload has: one function, run so many times, whose result tells whether all of it was right. */
#ifndef WORK_H
#define WORK_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of that many rounds; the same in every engine. */
uint64_t work(uint64_t rounds);

/* Numbers that look random and are always the same (Knuth's MMIX generator). */
static inline uint32_t draw(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static inline uint64_t mix(uint64_t sum, uint64_t value) {
    sum = (sum ^ value) * 0x9e3779b97f4a7c15;
    return sum ^ sum >> 29;
}

/* The bits of a double. */
static inline uint64_t bits_of(double value) {
    union {
        double number;
        uint64_t bits;
    } u = {value};
    return u.bits;
}

#endif

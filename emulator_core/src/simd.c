/* The walks over lanes. */
#include "simd.h"

/* ---- saturation ---------------------------------------------------------------------------------------- */

static uint64_t saturate(struct lane *l, __int128 value, __int128 low, __int128 high) {
    if (value >= low && value <= high) return (uint64_t)value;
    l->fp.flags |= FPSR_QC;
    return (uint64_t)(value < low ? low : high);
}
uint64_t saturate_signed(struct lane *l, __int128 value, unsigned bits) {
    __int128 limit = (__int128)1 << (bits - 1);
    return saturate(l, value, -limit, limit - 1);
}
uint64_t saturate_unsigned(struct lane *l, __int128 value, unsigned bits) {
    return saturate(l, value, 0, ((__int128)1 << bits) - 1);
}

/* ---- what all walks share ------------------------------------------------------------------------------ */

static struct vector vd(struct cpu *cpu, uint32_t word) { return v_get(cpu, field(word, 0, 5)); }
static struct vector vn(struct cpu *cpu, uint32_t word) { return v_get(cpu, field(word, 5, 5)); }
static struct vector vm(struct cpu *cpu, uint32_t word) { return v_get(cpu, field(word, 16, 5)); }

static struct lane lane_of(struct cpu *cpu, unsigned esize, unsigned shift) {
    return (struct lane){.fp = {cpu->fpcr, cpu->fpsr}, .esize = esize, .shift = shift};
}

static enum outcome finish(struct cpu *cpu, uint32_t word, const struct lane *l, struct vector result) {
    v_set(cpu, field(word, 0, 5), result);
    cpu->fpsr |= l->fp.flags;
    return NEXT;
}

/* A narrow result fills one half: the lower clears the upper, the upper keeps the lower. */
static enum outcome finish_narrow(struct cpu *cpu, uint32_t word, struct lane *l, uint64_t half, bool upper) {
    struct vector result = {upper ? vd(cpu, word).lo : half, upper ? half : 0};
    return finish(cpu, word, l, result);
}

static struct vector half_of(struct vector v, bool upper) { return (struct vector){upper ? v.hi : v.lo, 0}; }

/* FAULT or an undefined instruction, or NEXT: go on. */
static enum outcome refuse(struct cpu *cpu, unsigned elements) {
    if (!elements) return undefined(cpu);
    return fp_enabled(cpu) ? NEXT : FAULT;
}
#define BEGIN(elements)                                                                                      \
    do {                                                                                                     \
        enum outcome refused = refuse(cpu, elements);                                                        \
        if (refused != NEXT) return refused;                                                                 \
    } while (0)

/* ---- lanes of one width -------------------------------------------------------------------------------- */

/* The lanes of one half of the register. */
static inline uint64_t half_unary(struct lane *l, uint64_t d, uint64_t n, unsigned lanes, lane1 *fn) {
    uint64_t result = 0;
    for (unsigned at = 0, end = lanes * l->esize; at < end; at += l->esize) {
        l->d = low_bits(d >> at, l->esize);
        result |= low_bits(fn(l, low_bits(n >> at, l->esize)), l->esize) << at;
    }
    return result;
}
static inline uint64_t half_binary(struct lane *l, uint64_t d, uint64_t n, uint64_t m, unsigned lanes,
                                   lane2 *fn) {
    uint64_t result = 0;
    for (unsigned at = 0, end = lanes * l->esize; at < end; at += l->esize) {
        l->d = low_bits(d >> at, l->esize);
        uint64_t value = fn(l, low_bits(n >> at, l->esize), low_bits(m >> at, l->esize));
        result |= low_bits(value, l->esize) << at;
    }
    return result;
}

/* Those in the lower half, which is all that a scalar has. */
static unsigned lanes_below(unsigned esize, unsigned elements) {
    unsigned per_half = 64u >> __builtin_ctz(esize);
    return elements < per_half ? elements : per_half;
}

enum outcome walk_unary(struct cpu *cpu, uint32_t word, unsigned esize, unsigned elements, unsigned shift,
                        lane1 *fn) {
    BEGIN(elements);
    struct vector n = vn(cpu, word), d = vd(cpu, word);
    struct lane l = lane_of(cpu, esize, shift);
    unsigned below = lanes_below(esize, elements);
    uint64_t low = half_unary(&l, d.lo, n.lo, below, fn),
             high = half_unary(&l, d.hi, n.hi, elements - below, fn);
    return finish(cpu, word, &l, (struct vector){low, high});
}

static inline enum outcome binary(struct cpu *cpu, uint32_t word, unsigned esize, unsigned elements,
                                  struct vector m, lane2 *fn) {
    struct vector n = vn(cpu, word), d = vd(cpu, word);
    struct lane l = lane_of(cpu, esize, 0);
    unsigned below = lanes_below(esize, elements);
    uint64_t low = half_binary(&l, d.lo, n.lo, m.lo, below, fn);
    uint64_t high = half_binary(&l, d.hi, n.hi, m.hi, elements - below, fn);
    return finish(cpu, word, &l, (struct vector){low, high});
}

enum outcome walk_binary(struct cpu *cpu, uint32_t word, unsigned esize, unsigned elements, lane2 *fn) {
    BEGIN(elements);
    return binary(cpu, word, esize, elements, vm(cpu, word), fn);
}

enum outcome simd_pairwise(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s.elements);
    struct vector source[2] = {vn(cpu, word), vm(cpu, word)}, result = {0, 0};
    struct lane l = lane_of(cpu, s.esize, 0);
    for (unsigned e = 0; e < s.elements; e++) {
        struct vector from = source[2 * e >= s.elements];
        unsigned pair = 2 * e % s.elements;
        uint64_t value = fn(&l, element_get(from, pair, s.esize), element_get(from, pair + 1, s.esize));
        element_set(&result, e, s.esize, value);
    }
    return finish(cpu, word, &l, result);
}

enum outcome simd_pair(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s.elements);
    struct vector n = vn(cpu, word);
    struct lane l = lane_of(cpu, s.esize, 0);
    uint64_t value = fn(&l, element_get(n, 0, s.esize), element_get(n, 1, s.esize));
    return finish(cpu, word, &l, (struct vector){low_bits(value, s.esize), 0});
}

/* The order decides which NaN comes through: neighbours first, then neighbours of these. */
static uint64_t fold(struct lane *l, struct vector v, unsigned first, unsigned count, lane2 *fn) {
    if (count == 1) return element_get(v, first, l->esize);
    uint64_t low = fold(l, v, first, count / 2, fn), high = fold(l, v, first + count / 2, count / 2, fn);
    return low_bits(fn(l, low, high), l->esize);
}

enum outcome simd_reduce(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s.elements);
    struct lane l = lane_of(cpu, s.esize, 0);
    uint64_t value = fold(&l, vn(cpu, word), 0, s.elements, fn);
    return finish(cpu, word, &l, (struct vector){value, 0});
}

/* ---- lanes of two widths ------------------------------------------------------------------------------- */

enum outcome simd_reduce_long(struct cpu *cpu, uint32_t word, struct shape s, lane1 *extend) {
    BEGIN(s.elements);
    struct lane l = lane_of(cpu, s.esize, 0);
    uint64_t total = 0;
    for (unsigned e = 0; e < s.elements; e++) total += extend(&l, element_get(vn(cpu, word), e, s.esize));
    return finish(cpu, word, &l, (struct vector){low_bits(total, 2 * s.esize), 0});
}

enum outcome simd_pairwise_long(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s.elements);
    struct vector n = vn(cpu, word), d = vd(cpu, word), result = {0, 0};
    struct lane l = lane_of(cpu, s.esize, 0);
    for (unsigned e = 0; e < s.elements / 2; e++) {
        l.d = element_get(d, e, 2 * s.esize);
        uint64_t value = fn(&l, element_get(n, 2 * e, s.esize), element_get(n, 2 * e + 1, s.esize));
        element_set(&result, e, 2 * s.esize, value);
    }
    return finish(cpu, word, &l, result);
}

enum outcome simd_widen(struct cpu *cpu, uint32_t word, struct shape s, unsigned shift, lane1 *fn) {
    BEGIN(s.elements);
    struct vector n = half_of(vn(cpu, word), s.upper), result = {0, 0};
    struct lane l = lane_of(cpu, s.esize, shift);
    for (unsigned e = 0; e < s.elements; e++)
        element_set(&result, e, 2 * s.esize, fn(&l, element_get(n, e, s.esize)));
    return finish(cpu, word, &l, result);
}

static enum outcome to_wide(struct cpu *cpu, uint32_t word, struct shape s, struct vector n, unsigned nsize,
                            struct vector m, lane2 *fn) {
    struct vector d = vd(cpu, word), result = {0, 0};
    struct lane l = lane_of(cpu, s.esize, 0);
    for (unsigned e = 0; e < s.elements; e++) {
        l.d = element_get(d, e, 2 * s.esize);
        element_set(&result, e, 2 * s.esize, fn(&l, element_get(n, e, nsize), element_get(m, e, s.esize)));
    }
    return finish(cpu, word, &l, result);
}

enum outcome simd_long(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s.elements);
    struct vector n = half_of(vn(cpu, word), s.upper), m = half_of(vm(cpu, word), s.upper);
    return to_wide(cpu, word, s, n, s.esize, m, fn);
}

enum outcome simd_wide(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s.elements);
    return to_wide(cpu, word, s, vn(cpu, word), 2 * s.esize, half_of(vm(cpu, word), s.upper), fn);
}

enum outcome simd_narrow(struct cpu *cpu, uint32_t word, struct shape s, unsigned shift, lane1 *fn) {
    BEGIN(s.elements);
    struct vector n = vn(cpu, word), result = {0, 0};
    struct lane l = lane_of(cpu, s.esize, shift);
    for (unsigned e = 0; e < s.elements; e++)
        element_set(&result, e, s.esize, fn(&l, element_get(n, e, 2 * s.esize)));
    return finish_narrow(cpu, word, &l, result.lo, s.upper);
}

enum outcome simd_narrow_binary(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s.elements);
    struct vector n = vn(cpu, word), m = vm(cpu, word), result = {0, 0};
    struct lane l = lane_of(cpu, s.esize, 0);
    for (unsigned e = 0; e < s.elements; e++) {
        uint64_t value = fn(&l, element_get(n, e, 2 * s.esize), element_get(m, e, 2 * s.esize));
        element_set(&result, e, s.esize, value);
    }
    return finish_narrow(cpu, word, &l, result.lo, s.upper);
}

/* ---- by element ---------------------------------------------------------------------------------------- */

struct vector simd_indexed(struct cpu *cpu, uint32_t word, unsigned esize) {
    unsigned h = field(word, 11, 1), l = field(word, 21, 1), m = field(word, 20, 1);
    unsigned index = esize == 16 ? h << 2 | l << 1 | m : esize == 32 ? h << 1 | l : h;
    struct vector from = v_get(cpu, field(word, 16, esize == 16 ? 4 : 5)), all = {0, 0};
    uint64_t value = element_get(from, index, esize);
    for (unsigned e = 0; e < 128 / esize; e++) element_set(&all, e, esize, value);
    return all;
}

/* A double has no L. */
static struct shape with_index(uint32_t word, struct shape s) {
    return s.esize == 64 && field(word, 21, 1) ? SHAPE_RESERVED : s;
}

enum outcome simd_by_element(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(with_index(word, s).elements);
    return binary(cpu, word, s.esize, s.elements, simd_indexed(cpu, word, s.esize), fn);
}

enum outcome simd_long_by_element(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s.elements);
    struct vector n = half_of(vn(cpu, word), s.upper);
    return to_wide(cpu, word, s, n, s.esize, simd_indexed(cpu, word, s.esize), fn);
}

/* The walks over lanes. */
#include "simd.h"

/* ---- shapes -------------------------------------------------------------------------------------------- */

static const struct shape reserved;
static bool is_128(uint32_t word) { return word >> 30 & 1; }
static bool size_within(uint32_t word, unsigned first, unsigned last) {
    return field(word, 22, 2) >= first && field(word, 22, 2) <= last;
}

struct shape shape_vector(uint32_t word, unsigned esize) {
    if (esize == 64 && !is_128(word)) return reserved;
    return (struct shape){esize, (is_128(word) ? 128 : 64) / esize, false};
}
struct shape shape_sizes(uint32_t word, unsigned first, unsigned last) {
    return size_within(word, first, last) ? shape_vector(word, 8u << field(word, 22, 2)) : reserved;
}
struct shape shape_scalar(unsigned esize) { return (struct shape){esize, 1, false}; }
struct shape shape_scalar_sizes(uint32_t word, unsigned first, unsigned last) {
    return size_within(word, first, last) ? shape_scalar(8u << field(word, 22, 2)) : reserved;
}
struct shape shape_long_sizes(uint32_t word, unsigned first, unsigned last) {
    unsigned esize = 8u << field(word, 22, 2);
    return size_within(word, first, last) ? (struct shape){esize, 64 / esize, is_128(word)} : reserved;
}
struct shape shape_fp(uint32_t word) { return shape_vector(word, 32u << field(word, 22, 1)); }
struct shape shape_scalar_fp(uint32_t word) { return shape_scalar(32u << field(word, 22, 1)); }

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

static struct lane lane_of(struct cpu *cpu, struct shape s, unsigned shift) {
    return (struct lane){.fp = {cpu->fpcr, cpu->fpsr}, .esize = s.esize, .shift = shift};
}

static enum outcome finish(struct cpu *cpu, uint32_t word, struct lane *l, struct vector result) {
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
static enum outcome refuse(struct cpu *cpu, struct shape s) {
    if (!s.elements) return undefined(cpu);
    return fp_enabled(cpu) ? NEXT : FAULT;
}
#define BEGIN(s)                                                                                             \
    do {                                                                                                     \
        enum outcome refused = refuse(cpu, s);                                                               \
        if (refused != NEXT) return refused;                                                                 \
    } while (0)

/* ---- lanes of one width -------------------------------------------------------------------------------- */

enum outcome simd_unary_shift(struct cpu *cpu, uint32_t word, struct shape s, unsigned shift, lane1 *fn) {
    BEGIN(s);
    struct vector n = vn(cpu, word), d = vd(cpu, word), result = {0, 0};
    struct lane l = lane_of(cpu, s, shift);
    for (unsigned e = 0; e < s.elements; e++) {
        l.d = element_get(d, e, s.esize);
        element_set(&result, e, s.esize, fn(&l, element_get(n, e, s.esize)));
    }
    return finish(cpu, word, &l, result);
}

enum outcome simd_unary(struct cpu *cpu, uint32_t word, struct shape s, lane1 *fn) {
    return simd_unary_shift(cpu, word, s, 0, fn);
}

static enum outcome binary(struct cpu *cpu, uint32_t word, struct shape s, struct vector m, lane2 *fn) {
    struct vector n = vn(cpu, word), d = vd(cpu, word), result = {0, 0};
    struct lane l = lane_of(cpu, s, 0);
    for (unsigned e = 0; e < s.elements; e++) {
        l.d = element_get(d, e, s.esize);
        element_set(&result, e, s.esize, fn(&l, element_get(n, e, s.esize), element_get(m, e, s.esize)));
    }
    return finish(cpu, word, &l, result);
}

enum outcome simd_binary(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s);
    return binary(cpu, word, s, vm(cpu, word), fn);
}

enum outcome simd_pairwise(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s);
    struct vector source[2] = {vn(cpu, word), vm(cpu, word)}, result = {0, 0};
    struct lane l = lane_of(cpu, s, 0);
    for (unsigned e = 0; e < s.elements; e++) {
        struct vector from = source[2 * e >= s.elements];
        unsigned pair = 2 * e % s.elements;
        uint64_t value = fn(&l, element_get(from, pair, s.esize), element_get(from, pair + 1, s.esize));
        element_set(&result, e, s.esize, value);
    }
    return finish(cpu, word, &l, result);
}

enum outcome simd_pair(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s);
    struct vector n = vn(cpu, word);
    struct lane l = lane_of(cpu, s, 0);
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
    BEGIN(s);
    struct lane l = lane_of(cpu, s, 0);
    uint64_t value = fold(&l, vn(cpu, word), 0, s.elements, fn);
    return finish(cpu, word, &l, (struct vector){value, 0});
}

/* ---- lanes of two widths ------------------------------------------------------------------------------- */

enum outcome simd_reduce_long(struct cpu *cpu, uint32_t word, struct shape s, lane1 *extend) {
    BEGIN(s);
    struct lane l = lane_of(cpu, s, 0);
    uint64_t total = 0;
    for (unsigned e = 0; e < s.elements; e++) total += extend(&l, element_get(vn(cpu, word), e, s.esize));
    return finish(cpu, word, &l, (struct vector){low_bits(total, 2 * s.esize), 0});
}

enum outcome simd_pairwise_long(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s);
    struct vector n = vn(cpu, word), d = vd(cpu, word), result = {0, 0};
    struct lane l = lane_of(cpu, s, 0);
    for (unsigned e = 0; e < s.elements / 2; e++) {
        l.d = element_get(d, e, 2 * s.esize);
        uint64_t value = fn(&l, element_get(n, 2 * e, s.esize), element_get(n, 2 * e + 1, s.esize));
        element_set(&result, e, 2 * s.esize, value);
    }
    return finish(cpu, word, &l, result);
}

enum outcome simd_widen(struct cpu *cpu, uint32_t word, struct shape s, unsigned shift, lane1 *fn) {
    BEGIN(s);
    struct vector n = half_of(vn(cpu, word), s.upper), result = {0, 0};
    struct lane l = lane_of(cpu, s, shift);
    for (unsigned e = 0; e < s.elements; e++)
        element_set(&result, e, 2 * s.esize, fn(&l, element_get(n, e, s.esize)));
    return finish(cpu, word, &l, result);
}

static enum outcome to_wide(struct cpu *cpu, uint32_t word, struct shape s, struct vector n, unsigned nsize,
                            struct vector m, lane2 *fn) {
    struct vector d = vd(cpu, word), result = {0, 0};
    struct lane l = lane_of(cpu, s, 0);
    for (unsigned e = 0; e < s.elements; e++) {
        l.d = element_get(d, e, 2 * s.esize);
        element_set(&result, e, 2 * s.esize, fn(&l, element_get(n, e, nsize), element_get(m, e, s.esize)));
    }
    return finish(cpu, word, &l, result);
}

enum outcome simd_long(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s);
    struct vector n = half_of(vn(cpu, word), s.upper), m = half_of(vm(cpu, word), s.upper);
    return to_wide(cpu, word, s, n, s.esize, m, fn);
}

enum outcome simd_wide(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s);
    return to_wide(cpu, word, s, vn(cpu, word), 2 * s.esize, half_of(vm(cpu, word), s.upper), fn);
}

enum outcome simd_narrow(struct cpu *cpu, uint32_t word, struct shape s, unsigned shift, lane1 *fn) {
    BEGIN(s);
    struct vector n = vn(cpu, word), result = {0, 0};
    struct lane l = lane_of(cpu, s, shift);
    for (unsigned e = 0; e < s.elements; e++)
        element_set(&result, e, s.esize, fn(&l, element_get(n, e, 2 * s.esize)));
    return finish_narrow(cpu, word, &l, result.lo, s.upper);
}

enum outcome simd_narrow_binary(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s);
    struct vector n = vn(cpu, word), m = vm(cpu, word), result = {0, 0};
    struct lane l = lane_of(cpu, s, 0);
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
    return s.esize == 64 && field(word, 21, 1) ? reserved : s;
}

enum outcome simd_by_element(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(with_index(word, s));
    return binary(cpu, word, s, simd_indexed(cpu, word, s.esize), fn);
}

enum outcome simd_long_by_element(struct cpu *cpu, uint32_t word, struct shape s, lane2 *fn) {
    BEGIN(s);
    struct vector n = half_of(vn(cpu, word), s.upper);
    return to_wide(cpu, word, s, n, s.esize, simd_indexed(cpu, word, s.esize), fn);
}

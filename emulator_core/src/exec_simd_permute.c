/* Moving elements about: between registers, within them, by tables; logic on whole registers. */
#include "simd.h"

static struct vector vn(struct cpu *cpu, uint32_t word) { return v_get(cpu, field(word, 5, 5)); }
static struct vector vm(struct cpu *cpu, uint32_t word) { return v_get(cpu, field(word, 16, 5)); }
static struct vector vd(struct cpu *cpu, uint32_t word) { return v_get(cpu, field(word, 0, 5)); }
static enum outcome set(struct cpu *cpu, uint32_t word, struct vector value) {
    v_set(cpu, field(word, 0, 5), value);
    return NEXT;
}

static struct vector replicated(struct shape s, uint64_t value) {
    struct vector result = {0, 0};
    for (unsigned e = 0; e < s.elements; e++) element_set(&result, e, s.esize, value);
    return result;
}

/* ---- between elements and general registers: imm5 is index:1:0…0, zeros by the width ------------------- */

struct place {
    unsigned esize, index; /* esize 0: reserved */
};

static struct place place_of(uint32_t word) {
    unsigned imm5 = field(word, 16, 5), size = (unsigned)__builtin_ctz(imm5 | 32);
    if (size > 3) return (struct place){0, 0};
    return (struct place){8u << size, imm5 >> (size + 1)};
}

static enum outcome replicate(struct cpu *cpu, uint32_t word, struct shape s, uint64_t value) {
    if (!s.elements) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    return set(cpu, word, replicated(s, value));
}

static struct shape duplicates(uint32_t word) {
    unsigned esize = place_of(word).esize;
    return esize ? shape_vector(word, esize) : (struct shape){0, 0, false};
}

EXEC(dup_advsimd_gen_aarch64_instrs_vector_transfer_integer_dup) {
    return replicate(cpu, word, duplicates(word), x_get(cpu, field(word, 5, 5)));
}

static uint64_t element_at(struct cpu *cpu, uint32_t word, struct place p) {
    return p.esize ? element_get(vn(cpu, word), p.index, p.esize) : 0;
}
EXEC(dup_advsimd_elt_aarch64_instrs_vector_transfer_vector_cpy_dup_simd) {
    return replicate(cpu, word, duplicates(word), element_at(cpu, word, place_of(word)));
}
EXEC(dup_advsimd_elt_aarch64_instrs_vector_transfer_vector_cpy_dup_sisd) {
    struct place p = place_of(word);
    struct shape one = {p.esize, p.esize ? 1 : 0, false};
    return replicate(cpu, word, one, element_at(cpu, word, p));
}

static enum outcome insert(struct cpu *cpu, uint32_t word, struct place p, uint64_t value) {
    if (!fp_enabled(cpu)) return FAULT;
    struct vector result = vd(cpu, word);
    element_set(&result, p.index, p.esize, value);
    return set(cpu, word, result);
}
EXEC(ins_advsimd_gen_aarch64_instrs_vector_transfer_integer_insert) {
    struct place p = place_of(word);
    return p.esize ? insert(cpu, word, p, x_get(cpu, field(word, 5, 5))) : undefined(cpu);
}
EXEC(ins_advsimd_elt_aarch64_instrs_vector_transfer_vector_insert) {
    struct place p = place_of(word);
    if (!p.esize) return undefined(cpu);
    unsigned from = field(word, 11, 4) / (p.esize / 8);
    return insert(cpu, word, p, element_get(vn(cpu, word), from, p.esize));
}

/* SMOV to Wd takes bytes and halfwords, to Xd words too; UMOV to Xd takes doublewords only. */
EXEC(smov_advsimd_aarch64_instrs_vector_transfer_integer_move_signed) {
    struct place p = place_of(word);
    bool to_x = field(word, 30, 1);
    if (!p.esize || p.esize > (to_x ? 32 : 16)) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    int64_t value = sign_extended(element_at(cpu, word, p), p.esize);
    x_set(cpu, field(word, 0, 5), to_x ? (uint64_t)value : (uint32_t)value);
    return NEXT;
}
EXEC(umov_advsimd_aarch64_instrs_vector_transfer_integer_move_unsigned) {
    struct place p = place_of(word);
    bool to_x = field(word, 30, 1);
    if (!p.esize || (p.esize == 64) != to_x) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    x_set(cpu, field(word, 0, 5), element_at(cpu, word, p));
    return NEXT;
}

/* ---- permutations of two registers --------------------------------------------------------------------- */

/* Where element e of the result comes from: an element of Vn, or of Vm from `elements` on. */
typedef unsigned source_fn(unsigned e, unsigned elements, unsigned part);
static unsigned zip(unsigned e, unsigned elements, unsigned part) {
    return part * elements / 2 + e / 2 + (e & 1 ? elements : 0);
}
static unsigned uzp(unsigned e, unsigned elements, unsigned part) {
    (void)elements;
    return 2 * e + part;
}
static unsigned trn(unsigned e, unsigned elements, unsigned part) {
    return (e & ~1u) + part + (e & 1 ? elements : 0);
}

static enum outcome permute(struct cpu *cpu, uint32_t word, unsigned part, source_fn *source) {
    struct shape s = shape_sizes(word, 0, 3);
    if (!s.elements) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    struct vector from[2] = {vn(cpu, word), vm(cpu, word)}, result = {0, 0};
    for (unsigned e = 0; e < s.elements; e++) {
        unsigned at = source(e, s.elements, part);
        element_set(&result, e, s.esize, element_get(from[at / s.elements], at % s.elements, s.esize));
    }
    return set(cpu, word, result);
}

EXEC(zip1_advsimd_aarch64_instrs_vector_transfer_vector_permute_zip) { return permute(cpu, word, 0, zip); }
EXEC(zip2_advsimd_aarch64_instrs_vector_transfer_vector_permute_zip) { return permute(cpu, word, 1, zip); }
EXEC(uzp1_advsimd_aarch64_instrs_vector_transfer_vector_permute_unzip) { return permute(cpu, word, 0, uzp); }
EXEC(uzp2_advsimd_aarch64_instrs_vector_transfer_vector_permute_unzip) { return permute(cpu, word, 1, uzp); }
EXEC(trn1_advsimd_aarch64_instrs_vector_transfer_vector_permute_transpose) {
    return permute(cpu, word, 0, trn);
}
EXEC(trn2_advsimd_aarch64_instrs_vector_transfer_vector_permute_transpose) {
    return permute(cpu, word, 1, trn);
}

EXEC(ext_advsimd_aarch64_instrs_vector_transfer_vector_extract) {
    unsigned bytes = field(word, 30, 1) ? 16 : 8, first = field(word, 11, 4);
    if (first >= bytes) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    struct vector from[2] = {vn(cpu, word), vm(cpu, word)}, result = {0, 0};
    for (unsigned e = 0; e < bytes; e++) {
        unsigned at = first + e;
        element_set(&result, e, 8, element_get(from[at / bytes], at % bytes, 8));
    }
    return set(cpu, word, result);
}

/* The elements of each container in reverse order. */
static enum outcome reverse(struct cpu *cpu, uint32_t word, unsigned container) {
    struct shape s = shape_sizes(word, 0, 2);
    if (!s.elements || s.esize >= container) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    struct vector n = vn(cpu, word), result = {0, 0};
    unsigned last = container / s.esize - 1;
    for (unsigned e = 0; e < s.elements; e++)
        element_set(&result, e, s.esize, element_get(n, e ^ last, s.esize));
    return set(cpu, word, result);
}

EXEC(rev64_advsimd_aarch64_instrs_vector_arithmetic_unary_rev) { return reverse(cpu, word, 64); }
EXEC(rev32_advsimd_aarch64_instrs_vector_arithmetic_unary_rev) { return reverse(cpu, word, 32); }
EXEC(rev16_advsimd_aarch64_instrs_vector_arithmetic_unary_rev) { return reverse(cpu, word, 16); }

/* ---- tables: one to four registers from Vn on, wrapping after V31 -------------------------------------- */

static enum outcome look_up(struct cpu *cpu, uint32_t word, bool keep) {
    if (!fp_enabled(cpu)) return FAULT;
    struct vector index = vm(cpu, word), result = keep ? vd(cpu, word) : (struct vector){0, 0};
    unsigned first = field(word, 5, 5), registers = field(word, 13, 2) + 1,
             bytes = field(word, 30, 1) ? 16 : 8;
    if (bytes == 8) result.hi = 0;
    for (unsigned e = 0; e < bytes; e++) {
        unsigned at = (unsigned)element_get(index, e, 8);
        if (at >= 16 * registers) continue;
        element_set(&result, e, 8, element_get(v_get(cpu, (first + at / 16) % 32), at % 16, 8));
    }
    return set(cpu, word, result);
}

EXEC(tbl_advsimd_aarch64_instrs_vector_transfer_vector_table) { return look_up(cpu, word, false); }
EXEC(tbx_advsimd_aarch64_instrs_vector_transfer_vector_table) { return look_up(cpu, word, true); }

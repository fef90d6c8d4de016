/* LD1 to LD4, ST1 to ST4: structures of one to four elements, an element to a register. */
#include "simd.h"

#include <string.h>

static bool is_load(uint32_t word) { return field(word, 22, 1); }

static uint64_t read_element(const uint8_t *bytes, unsigned esize) {
    uint64_t value = 0;
    memcpy(&value, bytes, esize / 8);
    return value;
}

/* Write-back is by the bytes moved, or by Xm. */
static enum outcome finish(struct cpu *cpu, uint32_t word, unsigned bytes) {
    unsigned m = field(word, 16, 5);
    if (field(word, 23, 1)) base_set(cpu, field(word, 5, 5), m == 31 ? bytes : (int64_t)x_get(cpu, m));
    return NEXT;
}

static bool ready(struct cpu *cpu, uint32_t word) {
    return fp_enabled(cpu) && sp_aligned(cpu, field(word, 5, 5));
}

/* ---- multiple structures: whole registers -------------------------------------------------------------- */

/* Opcode 15:12: how many registers, and how many of them make a structure. */
static const struct layout {
    uint8_t repeats, structure; /* 0: reserved */
} layouts[16] = {[0] = {1, 4}, [2] = {4, 1}, [4] = {1, 3}, [6] = {3, 1},
                 [7] = {1, 1}, [8] = {1, 2}, [10] = {2, 1}};

/* Memory has element 0 of each register of the structure, then element 1 of each. */
static unsigned memory_index(struct layout x, unsigned elements, unsigned repeat, unsigned e, unsigned s) {
    return (repeat * elements + e) * x.structure + s;
}

/* Registers without structure lie one behind the other. */
static void move_whole(struct cpu *cpu, uint32_t word, unsigned count, unsigned size, uint8_t *bytes) {
    for (unsigned r = 0; r < count; r++, bytes += size) {
        uint64_t *halves = cpu->v[(field(word, 0, 5) + r) % 32];
        if (!is_load(word)) {
            memcpy(bytes, halves, size);
            continue;
        }
        halves[1] = 0;
        memcpy(halves, bytes, size);
    }
}

static void move_multiple(struct cpu *cpu, uint32_t word, struct layout x, struct shape v, uint8_t *bytes) {
    unsigned count = x.repeats * x.structure;
    if (x.structure == 1) {
        move_whole(cpu, word, count, v.elements * v.esize / 8, bytes);
        return;
    }
    for (unsigned r = 0; r < count; r++) {
        unsigned t = (field(word, 0, 5) + r) % 32, repeat = r / x.structure, s = r % x.structure;
        struct vector value = is_load(word) ? (struct vector){0, 0} : v_get(cpu, t);
        for (unsigned e = 0; e < v.elements; e++) {
            uint8_t *at = bytes + memory_index(x, v.elements, repeat, e, s) * v.esize / 8;
            uint64_t element = element_get(value, e, v.esize);
            if (is_load(word))
                element_set(&value, e, v.esize, read_element(at, v.esize));
            else
                memcpy(at, &element, v.esize / 8);
        }
        if (is_load(word)) v_set(cpu, t, value);
    }
}

static enum outcome multiple(struct cpu *cpu, uint32_t word) {
    struct layout x = layouts[field(word, 12, 4)];
    unsigned esize = 8u << field(word, 10, 2), bits = field(word, 30, 1) ? 128 : 64;
    struct shape v = {esize, bits / esize, false};
    uint8_t bytes[64];
    unsigned size = x.repeats * x.structure * bits / 8;
    if (!size || (v.elements == 1 && x.structure != 1)) return undefined(cpu);
    if (!ready(cpu, word)) return FAULT;
    struct va va = va_base(cpu, field(word, 5, 5));
    if (is_load(word) && !mem_load_bytes(cpu, va, size, esize / 8, bytes)) return FAULT;
    move_multiple(cpu, word, x, v, bytes);
    if (!is_load(word) && !mem_store_bytes(cpu, va, size, esize / 8, bytes)) return FAULT;
    return finish(cpu, word, size);
}

EXEC(ld1_advsimd_mult_aarch64_instrs_memory_vector_multiple_no_wb) { return multiple(cpu, word); }
EXEC(ld2_advsimd_mult_aarch64_instrs_memory_vector_multiple_no_wb) { return multiple(cpu, word); }
EXEC(ld3_advsimd_mult_aarch64_instrs_memory_vector_multiple_no_wb) { return multiple(cpu, word); }
EXEC(ld4_advsimd_mult_aarch64_instrs_memory_vector_multiple_no_wb) { return multiple(cpu, word); }
EXEC(st1_advsimd_mult_aarch64_instrs_memory_vector_multiple_no_wb) { return multiple(cpu, word); }
EXEC(st2_advsimd_mult_aarch64_instrs_memory_vector_multiple_no_wb) { return multiple(cpu, word); }
EXEC(st3_advsimd_mult_aarch64_instrs_memory_vector_multiple_no_wb) { return multiple(cpu, word); }
EXEC(st4_advsimd_mult_aarch64_instrs_memory_vector_multiple_no_wb) { return multiple(cpu, word); }
EXEC(ld1_advsimd_mult_aarch64_instrs_memory_vector_multiple_post_inc) { return multiple(cpu, word); }
EXEC(ld2_advsimd_mult_aarch64_instrs_memory_vector_multiple_post_inc) { return multiple(cpu, word); }
EXEC(ld3_advsimd_mult_aarch64_instrs_memory_vector_multiple_post_inc) { return multiple(cpu, word); }
EXEC(ld4_advsimd_mult_aarch64_instrs_memory_vector_multiple_post_inc) { return multiple(cpu, word); }
EXEC(st1_advsimd_mult_aarch64_instrs_memory_vector_multiple_post_inc) { return multiple(cpu, word); }
EXEC(st2_advsimd_mult_aarch64_instrs_memory_vector_multiple_post_inc) { return multiple(cpu, word); }
EXEC(st3_advsimd_mult_aarch64_instrs_memory_vector_multiple_post_inc) { return multiple(cpu, word); }
EXEC(st4_advsimd_mult_aarch64_instrs_memory_vector_multiple_post_inc) { return multiple(cpu, word); }

/* ---- one structure: one element of each register, or all of them alike --------------------------------- */

static unsigned registers_of(uint32_t word) { return (field(word, 13, 1) << 1 | field(word, 21, 1)) + 1; }

struct place {
    unsigned esize, index; /* esize 0: reserved */
};

/* Q:S:size counts elements from the low end, less the bits that the element's width makes 0. */
static struct place place_of(uint32_t word) {
    unsigned s = field(word, 12, 1), size = field(word, 10, 2);
    unsigned index = field(word, 30, 1) << 3 | s << 2 | size;
    switch (field(word, 14, 2)) {
    case 0: return (struct place){8, index};
    case 1: return (struct place){size & 1 ? 0 : 16, index >> 1};
    case 2:
        return size == 0 ? (struct place){32, index >> 2}
                         : (struct place){size == 1 && !s ? 64 : 0, index >> 3};
    default: return (struct place){0, 0};
    }
}

static bool load_structure(struct cpu *cpu, uint32_t word, unsigned esize, uint8_t bytes[32]) {
    struct va va = va_base(cpu, field(word, 5, 5));
    return mem_load_bytes(cpu, va, registers_of(word) * esize / 8, esize / 8, bytes);
}

static enum outcome load_one(struct cpu *cpu, uint32_t word) {
    struct place p = place_of(word);
    uint8_t bytes[32];
    if (!p.esize) return undefined(cpu);
    if (!ready(cpu, word) || !load_structure(cpu, word, p.esize, bytes)) return FAULT;
    for (unsigned r = 0; r < registers_of(word); r++) {
        unsigned t = (field(word, 0, 5) + r) % 32;
        struct vector value = v_get(cpu, t);
        element_set(&value, p.index, p.esize, read_element(bytes + r * p.esize / 8, p.esize));
        v_set(cpu, t, value);
    }
    return finish(cpu, word, registers_of(word) * p.esize / 8);
}

static enum outcome store_one(struct cpu *cpu, uint32_t word) {
    struct place p = place_of(word);
    uint8_t bytes[32];
    if (!p.esize) return undefined(cpu);
    if (!ready(cpu, word)) return FAULT;
    for (unsigned r = 0; r < registers_of(word); r++) {
        uint64_t element = element_get(v_get(cpu, (field(word, 0, 5) + r) % 32), p.index, p.esize);
        memcpy(bytes + r * p.esize / 8, &element, p.esize / 8);
    }
    unsigned size = registers_of(word) * p.esize / 8;
    if (!mem_store_bytes(cpu, va_base(cpu, field(word, 5, 5)), size, p.esize / 8, bytes)) return FAULT;
    return finish(cpu, word, size);
}

static enum outcome load_replicated(struct cpu *cpu, uint32_t word) {
    unsigned esize = 8u << field(word, 10, 2), bits = field(word, 30, 1) ? 128 : 64;
    uint8_t bytes[32];
    if (!ready(cpu, word) || !load_structure(cpu, word, esize, bytes)) return FAULT;
    for (unsigned r = 0; r < registers_of(word); r++) {
        struct vector value = {0, 0};
        for (unsigned e = 0; e < bits / esize; e++)
            element_set(&value, e, esize, read_element(bytes + r * esize / 8, esize));
        v_set(cpu, (field(word, 0, 5) + r) % 32, value);
    }
    return finish(cpu, word, registers_of(word) * esize / 8);
}

EXEC(ld1_advsimd_sngl_aarch64_instrs_memory_vector_single_no_wb) { return load_one(cpu, word); }
EXEC(ld2_advsimd_sngl_aarch64_instrs_memory_vector_single_no_wb) { return load_one(cpu, word); }
EXEC(ld3_advsimd_sngl_aarch64_instrs_memory_vector_single_no_wb) { return load_one(cpu, word); }
EXEC(ld4_advsimd_sngl_aarch64_instrs_memory_vector_single_no_wb) { return load_one(cpu, word); }
EXEC(ld1_advsimd_sngl_aarch64_instrs_memory_vector_single_post_inc) { return load_one(cpu, word); }
EXEC(ld2_advsimd_sngl_aarch64_instrs_memory_vector_single_post_inc) { return load_one(cpu, word); }
EXEC(ld3_advsimd_sngl_aarch64_instrs_memory_vector_single_post_inc) { return load_one(cpu, word); }
EXEC(ld4_advsimd_sngl_aarch64_instrs_memory_vector_single_post_inc) { return load_one(cpu, word); }
EXEC(st1_advsimd_sngl_aarch64_instrs_memory_vector_single_no_wb) { return store_one(cpu, word); }
EXEC(st2_advsimd_sngl_aarch64_instrs_memory_vector_single_no_wb) { return store_one(cpu, word); }
EXEC(st3_advsimd_sngl_aarch64_instrs_memory_vector_single_no_wb) { return store_one(cpu, word); }
EXEC(st4_advsimd_sngl_aarch64_instrs_memory_vector_single_no_wb) { return store_one(cpu, word); }
EXEC(st1_advsimd_sngl_aarch64_instrs_memory_vector_single_post_inc) { return store_one(cpu, word); }
EXEC(st2_advsimd_sngl_aarch64_instrs_memory_vector_single_post_inc) { return store_one(cpu, word); }
EXEC(st3_advsimd_sngl_aarch64_instrs_memory_vector_single_post_inc) { return store_one(cpu, word); }
EXEC(st4_advsimd_sngl_aarch64_instrs_memory_vector_single_post_inc) { return store_one(cpu, word); }
EXEC(ld2r_advsimd_aarch64_instrs_memory_vector_single_no_wb) { return load_replicated(cpu, word); }
EXEC(ld3r_advsimd_aarch64_instrs_memory_vector_single_no_wb) { return load_replicated(cpu, word); }
EXEC(ld4r_advsimd_aarch64_instrs_memory_vector_single_no_wb) { return load_replicated(cpu, word); }
EXEC(ld2r_advsimd_aarch64_instrs_memory_vector_single_post_inc) { return load_replicated(cpu, word); }
EXEC(ld3r_advsimd_aarch64_instrs_memory_vector_single_post_inc) { return load_replicated(cpu, word); }
EXEC(ld4r_advsimd_aarch64_instrs_memory_vector_single_post_inc) { return load_replicated(cpu, word); }

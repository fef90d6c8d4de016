/* Vectors of an immediate, and bitwise logic with one. */
#include "simd.h"

static uint8_t imm8(uint32_t word) { return (uint8_t)(field(word, 16, 3) << 5 | field(word, 5, 5)); }

static uint64_t repeat(uint64_t value, unsigned bits) {
    for (; bits < 64; bits *= 2) value |= value << bits;
    return value;
}

/* Each bit of imm8 becomes a byte. */
static uint64_t spread(uint8_t imm) {
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) value |= imm >> i & 1 ? (uint64_t)255 << 8 * i : 0;
    return value;
}

/* AdvSIMDExpandImm:  cmode 0xx. words, shifted by bytes · 10x. halfwords · 110. words, ones shifted in · 1110
 * bytes, or bits if op · 1111 single or double. */
static uint64_t expanded(uint32_t word) {
    unsigned cmode = field(word, 12, 4), op = field(word, 29, 1), bytes = 8 * (cmode >> 1 & 3);
    uint64_t imm = imm8(word);
    if (cmode < 8) return repeat(imm << bytes, 32);
    if (cmode < 12) return repeat(imm << (bytes & 8), 16);
    if (cmode == 12) return repeat(imm << 8 | 0xff, 32);
    if (cmode == 13) return repeat(imm << 16 | 0xffff, 32);
    if (cmode == 14) return op ? spread((uint8_t)imm) : repeat(imm, 8);
    return op ? fp_expand_imm(64, (uint8_t)imm) : repeat(fp_expand_imm(32, (uint8_t)imm), 32);
}

static enum outcome set_all(struct cpu *cpu, uint32_t word, uint64_t low, uint64_t high) {
    v_set(cpu, field(word, 0, 5), (struct vector){low, field(word, 30, 1) ? high : 0});
    return NEXT;
}

static enum outcome move(struct cpu *cpu, uint32_t word, uint64_t value) {
    return fp_enabled(cpu) ? set_all(cpu, word, value, value) : FAULT;
}

EXEC(movi_advsimd_aarch64_instrs_vector_logical) { return move(cpu, word, expanded(word)); }
EXEC(mvni_advsimd_aarch64_instrs_vector_logical) { return move(cpu, word, ~expanded(word)); }
EXEC(fmov_advsimd_aarch64_instrs_vector_fp16_movi) {
    return move(cpu, word, repeat(fp_expand_imm(16, imm8(word)), 16));
}
/* A double is no 64-bit vector. */
EXEC(fmov_advsimd_aarch64_instrs_vector_logical) {
    return field(word, 29, 1) && !field(word, 30, 1) ? undefined(cpu) : move(cpu, word, expanded(word));
}
EXEC(orr_advsimd_imm_aarch64_instrs_vector_logical) {
    if (!fp_enabled(cpu)) return FAULT;
    struct vector d = v_get(cpu, field(word, 0, 5));
    uint64_t imm = expanded(word);
    return set_all(cpu, word, d.lo | imm, d.hi | imm);
}
EXEC(bic_advsimd_imm_aarch64_instrs_vector_logical) {
    if (!fp_enabled(cpu)) return FAULT;
    struct vector d = v_get(cpu, field(word, 0, 5));
    uint64_t imm = expanded(word);
    return set_all(cpu, word, d.lo & ~imm, d.hi & ~imm);
}

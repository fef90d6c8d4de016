/* Loads and stores of integers and V registers through the alternate base: Cn in A64, Xn under DDC in C64. */
#include "exec_morello.h"

/* Where a form's offset stands. */
static int64_t unscaled(uint32_t word) { return signed_field(word, 12, 9); }
static int64_t scaled(uint32_t word, unsigned scale) { return (int64_t)field(word, 12, 9) << scale; }

static bool alt_base_at(struct cpu *cpu, uint32_t word, int64_t offset, struct va *at) {
    if (!caps_enabled(cpu) || !sp_aligned(cpu, rn(word))) return false;
    *at = va_add(va_alt_base(cpu, rn(word)), offset);
    return true;
}

/* How a loaded value widens. */
enum width { ZERO, SIGN_TO_32, SIGN_TO_64 };

static uint64_t widen(uint64_t value, unsigned scale, enum width width) {
    unsigned unused = 64 - (8u << scale);
    uint64_t wide = (uint64_t)((int64_t)(value << unused) >> unused);
    return width == ZERO ? value : width == SIGN_TO_32 ? (uint32_t)wide : wide;
}

static enum outcome load_ordered(struct cpu *cpu, uint32_t word, unsigned scale) {
    struct va at;
    uint64_t value;
    if (!alt_base_at(cpu, word, 0, &at) || !mem_load(cpu, at, 1u << scale, &value, ACCESS_ORDERED))
        return FAULT;
    x_set(cpu, rd(word), value);
    return NEXT;
}

static enum outcome store_ordered(struct cpu *cpu, uint32_t word, unsigned scale) {
    struct va at;
    if (!alt_base_at(cpu, word, 0, &at)) return FAULT;
    return mem_store(cpu, at, 1u << scale, x_get(cpu, rd(word)), ACCESS_ORDERED) ? NEXT : FAULT;
}

EXEC(ALDARB_R_R_B) { return load_ordered(cpu, word, 0); }
EXEC(ALDAR_R_R_32) { return load_ordered(cpu, word, 2); }
EXEC(ASTLRB_R_R_B) { return store_ordered(cpu, word, 0); }
EXEC(ASTLR_R_R_32) { return store_ordered(cpu, word, 2); }

static enum outcome load(struct cpu *cpu, uint32_t word, int64_t offset, unsigned scale, enum width width) {
    struct va at;
    uint64_t value;
    if (!alt_base_at(cpu, word, offset, &at)) return FAULT;
    if (!mem_load(cpu, at, 1u << scale, &value, ACCESS_PLAIN)) return FAULT;
    x_set(cpu, rd(word), widen(value, scale, width));
    return NEXT;
}

static enum outcome store(struct cpu *cpu, uint32_t word, int64_t offset, unsigned scale) {
    struct va at;
    if (!alt_base_at(cpu, word, offset, &at)) return FAULT;
    return mem_store(cpu, at, 1u << scale, x_get(cpu, rd(word)), ACCESS_PLAIN) ? NEXT : FAULT;
}

/* Unscaled signed offset. */
EXEC(ALDURB_R_RI_32) { return load(cpu, word, unscaled(word), 0, ZERO); }
EXEC(ALDURH_R_RI_32) { return load(cpu, word, unscaled(word), 1, ZERO); }
EXEC(ALDUR_R_RI_32) { return load(cpu, word, unscaled(word), 2, ZERO); }
EXEC(ALDURSB_R_RI_32) { return load(cpu, word, unscaled(word), 0, SIGN_TO_32); }
EXEC(ALDURSH_R_RI_32) { return load(cpu, word, unscaled(word), 1, SIGN_TO_32); }
EXEC(ALDURSB_R_RI_64) { return load(cpu, word, unscaled(word), 0, SIGN_TO_64); }
EXEC(ALDURSH_R_RI_64) { return load(cpu, word, unscaled(word), 1, SIGN_TO_64); }
EXEC(ALDURSW_R_RI_64) { return load(cpu, word, unscaled(word), 2, SIGN_TO_64); }
EXEC(ASTURB_R_RI_32) { return store(cpu, word, unscaled(word), 0); }
EXEC(ASTURH_R_RI_32) { return store(cpu, word, unscaled(word), 1); }
EXEC(ASTUR_R_RI_32) { return store(cpu, word, unscaled(word), 2); }

/* Scaled unsigned offset. */
EXEC(ALDRB_R_RUI_B) { return load(cpu, word, scaled(word, 0), 0, ZERO); }
EXEC(ALDR_R_RUI_32) { return load(cpu, word, scaled(word, 2), 2, ZERO); }
EXEC(ASTRB_R_RUI_B) { return store(cpu, word, scaled(word, 0), 0); }
EXEC(ASTR_R_RUI_32) { return store(cpu, word, scaled(word, 2), 2); }

/* Register offset. */
EXEC(ALDRB_R_RRB_B) { return load(cpu, word, register_offset(cpu, word, 0), 0, ZERO); }
EXEC(ALDRH_R_RRB_32) { return load(cpu, word, register_offset(cpu, word, 1), 1, ZERO); }
EXEC(ALDR_R_RRB_32) { return load(cpu, word, register_offset(cpu, word, 2), 2, ZERO); }
EXEC(ALDR_R_RRB_64) { return load(cpu, word, register_offset(cpu, word, 3), 3, ZERO); }
EXEC(ALDRSB_R_RRB_32) { return load(cpu, word, register_offset(cpu, word, 0), 0, SIGN_TO_32); }
EXEC(ALDRSH_R_RRB_32) { return load(cpu, word, register_offset(cpu, word, 1), 1, SIGN_TO_32); }
EXEC(ALDRSB_R_RRB_64) { return load(cpu, word, register_offset(cpu, word, 0), 0, SIGN_TO_64); }
EXEC(ALDRSH_R_RRB_64) { return load(cpu, word, register_offset(cpu, word, 1), 1, SIGN_TO_64); }
EXEC(ASTRB_R_RRB_B) { return store(cpu, word, register_offset(cpu, word, 0), 0); }
EXEC(ASTRH_R_RRB_32) { return store(cpu, word, register_offset(cpu, word, 1), 1); }
EXEC(ASTR_R_RRB_32) { return store(cpu, word, register_offset(cpu, word, 2), 2); }
EXEC(ASTR_R_RRB_64) { return store(cpu, word, register_offset(cpu, word, 3), 3); }

/* V registers: plain data movement. A load clears the rest of the register. */
static bool v_base_at(struct cpu *cpu, uint32_t word, int64_t offset, struct va *at) {
    return caps_enabled(cpu) && fp_enabled(cpu) && alt_base_at(cpu, word, offset, at);
}

static enum outcome load_v(struct cpu *cpu, uint32_t word, int64_t offset, unsigned scale) {
    struct va at;
    uint64_t halves[2] = {0, 0};
    unsigned size = 1u << scale;
    if (!v_base_at(cpu, word, offset, &at) || !mem_load_bytes(cpu, at, size, size, halves)) return FAULT;
    v_set(cpu, rd(word), (struct vector){halves[0], halves[1]});
    return NEXT;
}

static enum outcome store_v(struct cpu *cpu, uint32_t word, int64_t offset, unsigned scale) {
    struct va at;
    struct vector value = v_get(cpu, rd(word));
    uint64_t halves[2] = {value.lo, value.hi};
    unsigned size = 1u << scale;
    if (!v_base_at(cpu, word, offset, &at) || !mem_store_bytes(cpu, at, size, size, halves)) return FAULT;
    return NEXT;
}

EXEC(ALDUR_V_RI_B) { return load_v(cpu, word, unscaled(word), 0); }
EXEC(ALDUR_V_RI_H) { return load_v(cpu, word, unscaled(word), 1); }
EXEC(ALDUR_V_RI_S) { return load_v(cpu, word, unscaled(word), 2); }
EXEC(ALDUR_V_RI_D) { return load_v(cpu, word, unscaled(word), 3); }
EXEC(ALDUR_V_RI_Q) { return load_v(cpu, word, unscaled(word), 4); }
EXEC(ALDR_V_RRB_S) { return load_v(cpu, word, register_offset(cpu, word, 2), 2); }
EXEC(ALDR_V_RRB_D) { return load_v(cpu, word, register_offset(cpu, word, 3), 3); }
EXEC(ASTUR_V_RI_B) { return store_v(cpu, word, unscaled(word), 0); }
EXEC(ASTUR_V_RI_H) { return store_v(cpu, word, unscaled(word), 1); }
EXEC(ASTUR_V_RI_S) { return store_v(cpu, word, unscaled(word), 2); }
EXEC(ASTUR_V_RI_D) { return store_v(cpu, word, unscaled(word), 3); }
EXEC(ASTUR_V_RI_Q) { return store_v(cpu, word, unscaled(word), 4); }
EXEC(ASTR_V_RRB_S) { return store_v(cpu, word, register_offset(cpu, word, 2), 2); }
EXEC(ASTR_V_RRB_D) { return store_v(cpu, word, register_offset(cpu, word, 3), 3); }

/* Loads and stores of B, H, S, D and Q registers. */
#include "exec.h"

#include <string.h>

/* opc<1>:size of a single load or store: 0 is a byte, 4 is 16 bytes. */
static unsigned scale_of(uint32_t word) { return field(word, 23, 1) << 2 | field(word, 30, 2); }

/* One register of size bytes, or two of them one behind the other. */
struct transfer {
    unsigned count, size, t[2];
    bool load;
};

static bool load(struct cpu *cpu, struct va va, const struct transfer *x) {
    uint8_t bytes[32];
    if (!mem_load_bytes(cpu, va, x->count * x->size, x->size, bytes)) return false;
    for (unsigned i = 0; i < x->count; i++) {
        uint64_t halves[2] = {0, 0};
        memcpy(halves, bytes + i * x->size, x->size);
        v_set(cpu, x->t[i], (struct vector){halves[0], halves[1]});
    }
    return true;
}

static bool store(struct cpu *cpu, struct va va, const struct transfer *x) {
    uint8_t bytes[32];
    for (unsigned i = 0; i < x->count; i++) {
        struct vector value = v_get(cpu, x->t[i]);
        uint64_t halves[2] = {value.lo, value.hi};
        memcpy(bytes + i * x->size, halves, x->size);
    }
    return mem_store_bytes(cpu, va, x->count * x->size, x->size, bytes);
}

enum mode { OFFSET, PRE, POST };

static enum outcome at_base(struct cpu *cpu, uint32_t word, struct transfer x, int64_t offset,
                            enum mode mode) {
    unsigned n = field(word, 5, 5);
    if (!fp_enabled(cpu) || !sp_aligned(cpu, n)) return FAULT;
    struct va va = va_add(va_base(cpu, n), mode == POST ? 0 : offset);
    if (!(x.load ? load : store)(cpu, va, &x)) return FAULT;
    if (mode != OFFSET) base_set(cpu, n, offset);
    return NEXT;
}

/* ---- one register -------------------------------------------------------------------------------------- */

static struct transfer single_of(uint32_t word) {
    return (struct transfer){1, 1u << scale_of(word), {field(word, 0, 5)}, field(word, 22, 1)};
}

static enum outcome single(struct cpu *cpu, uint32_t word, int64_t offset, enum mode mode) {
    if (scale_of(word) > 4) return undefined(cpu);
    return at_base(cpu, word, single_of(word), offset, mode);
}
static enum outcome single_imm9(struct cpu *cpu, uint32_t word, enum mode mode) {
    return single(cpu, word, signed_field(word, 12, 9), mode);
}
static enum outcome single_imm12(struct cpu *cpu, uint32_t word) {
    return single(cpu, word, (int64_t)field(word, 10, 12) << scale_of(word), OFFSET);
}
/* Xm, or Wm extended, shifted by the size if S. */
static enum outcome single_register(struct cpu *cpu, uint32_t word) {
    unsigned option = field(word, 13, 3);
    uint64_t x = x_get(cpu, field(word, 16, 5));
    if (!(option & 2)) return undefined(cpu);
    if (option == 2) x = (uint32_t)x;
    if (option == 6) x = (uint64_t)(int64_t)(int32_t)x;
    return single(cpu, word, (int64_t)(x << (field(word, 12, 1) ? scale_of(word) & 7 : 0)), OFFSET);
}

EXEC(ldur_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_offset_normal) {
    return single_imm9(cpu, word, OFFSET);
}
EXEC(stur_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_offset_normal) {
    return single_imm9(cpu, word, OFFSET);
}
EXEC(ldr_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_post_idx) {
    return single_imm9(cpu, word, POST);
}
EXEC(str_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_post_idx) {
    return single_imm9(cpu, word, POST);
}
EXEC(ldr_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_pre_idx) {
    return single_imm9(cpu, word, PRE);
}
EXEC(str_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_pre_idx) {
    return single_imm9(cpu, word, PRE);
}
EXEC(ldr_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_unsigned) {
    return single_imm12(cpu, word);
}
EXEC(str_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_unsigned) {
    return single_imm12(cpu, word);
}
EXEC(ldr_reg_fpsimd_aarch64_instrs_memory_single_simdfp_register) { return single_register(cpu, word); }
EXEC(str_reg_fpsimd_aarch64_instrs_memory_single_simdfp_register) { return single_register(cpu, word); }

/* PC-relative: S, D or Q by opc. */
EXEC(ldr_lit_fpsimd_aarch64_instrs_memory_literal_simdfp) {
    unsigned opc = field(word, 30, 2);
    if (opc == 3) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    struct transfer x = {1, 4u << opc, {field(word, 0, 5)}, true};
    uint64_t address = pc_get(cpu) + (uint64_t)(signed_field(word, 5, 19) * 4);
    return load(cpu, va_by_register(cpu, R_PCC, address), &x) ? NEXT : FAULT;
}

/* ---- two registers ------------------------------------------------------------------------------------- */

/* A load into one register twice is undefined. */
static enum outcome pair(struct cpu *cpu, uint32_t word, enum mode mode) {
    unsigned opc = field(word, 30, 2);
    struct transfer x = {2, 4u << opc, {field(word, 0, 5), field(word, 10, 5)}, field(word, 22, 1)};
    if (opc == 3) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    if (x.load && x.t[0] == x.t[1]) return undefined(cpu);
    return at_base(cpu, word, x, signed_field(word, 15, 7) * x.size, mode);
}

EXEC(ldnp_fpsimd_aarch64_instrs_memory_pair_simdfp_no_alloc) { return pair(cpu, word, OFFSET); }
EXEC(stnp_fpsimd_aarch64_instrs_memory_pair_simdfp_no_alloc) { return pair(cpu, word, OFFSET); }
EXEC(ldp_fpsimd_aarch64_instrs_memory_pair_simdfp_offset) { return pair(cpu, word, OFFSET); }
EXEC(stp_fpsimd_aarch64_instrs_memory_pair_simdfp_offset) { return pair(cpu, word, OFFSET); }
EXEC(ldp_fpsimd_aarch64_instrs_memory_pair_simdfp_post_idx) { return pair(cpu, word, POST); }
EXEC(stp_fpsimd_aarch64_instrs_memory_pair_simdfp_post_idx) { return pair(cpu, word, POST); }
EXEC(ldp_fpsimd_aarch64_instrs_memory_pair_simdfp_pre_idx) { return pair(cpu, word, PRE); }
EXEC(stp_fpsimd_aarch64_instrs_memory_pair_simdfp_pre_idx) { return pair(cpu, word, PRE); }

/* A64 loads and stores of V registers, and the move of an element to a general register. */
#include "exec_morello.h"
#include "vector_access.h"

/* ---- one register
 * ----------------------------------------------------------------------------------------------- */

/* size and opc<1> together are the scale; above 4 it is reserved. */
static unsigned scale_of(uint32_t word) { return field(word, 23, 1) << 2 | field(word, 30, 2); }
static bool is_load(uint32_t word) { return field(word, 22, 1); }

static bool transfer(struct cpu *cpu, struct va at, unsigned scale, unsigned t, bool load) {
    struct vector value = v_get(cpu, t);
    if (!load) return vector_store(cpu, at, scale, value);
    if (!vector_load(cpu, at, scale, &value)) return false;
    v_set(cpu, t, value);
    return true;
}

/* The access is at base + before; then the base moves by write_back. */
static enum outcome single(struct cpu *cpu, uint32_t word, int64_t before, int64_t write_back) {
    unsigned scale = scale_of(word), n = rn(word);
    if (scale > SCALE_Q) return undefined(cpu);
    if (!fp_enabled(cpu) || !sp_aligned(cpu, n)) return FAULT;
    if (!transfer(cpu, va_add(va_base(cpu, n), before), scale, rd(word), is_load(word))) return FAULT;
    if (write_back) base_set(cpu, n, write_back);
    return NEXT;
}

static int64_t imm9(uint32_t word) { return signed_field(word, 12, 9); }
static enum outcome unscaled(struct cpu *cpu, uint32_t word) { return single(cpu, word, imm9(word), 0); }
static enum outcome post(struct cpu *cpu, uint32_t word) { return single(cpu, word, 0, imm9(word)); }
static enum outcome pre(struct cpu *cpu, uint32_t word) { return single(cpu, word, imm9(word), imm9(word)); }
static enum outcome scaled(struct cpu *cpu, uint32_t word) {
    return single(cpu, word, (int64_t)field(word, 10, 12) << scale_of(word), 0);
}

static enum outcome by_register(struct cpu *cpu, uint32_t word) {
    unsigned option = field(word, 13, 3), scale = scale_of(word);
    if (!(option & 2) || scale > SCALE_Q) return undefined(cpu);
    uint64_t offset = extend(x_get(cpu, rm(word)), option, field(word, 12, 1) ? scale : 0);
    return single(cpu, word, (int64_t)offset, 0);
}

EXEC(ldr_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_unsigned) { return scaled(cpu, word); }
EXEC(str_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_unsigned) { return scaled(cpu, word); }
EXEC(ldur_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_offset_normal) {
    return unscaled(cpu, word);
}
EXEC(stur_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_offset_normal) {
    return unscaled(cpu, word);
}
EXEC(ldr_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_post_idx) { return post(cpu, word); }
EXEC(str_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_post_idx) { return post(cpu, word); }
EXEC(ldr_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_pre_idx) { return pre(cpu, word); }
EXEC(str_imm_fpsimd_aarch64_instrs_memory_single_simdfp_immediate_signed_pre_idx) { return pre(cpu, word); }
EXEC(ldr_reg_fpsimd_aarch64_instrs_memory_single_simdfp_register) { return by_register(cpu, word); }
EXEC(str_reg_fpsimd_aarch64_instrs_memory_single_simdfp_register) { return by_register(cpu, word); }

/* Relative to PCC, whatever the mode. */
EXEC(ldr_lit_fpsimd_aarch64_instrs_memory_literal_simdfp) {
    unsigned opc = field(word, 30, 2);
    if (opc == 3) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    struct va at = va_add(va_cap(pcc_get(cpu), EMU_PCC), signed_field(word, 5, 19) * 4);
    return transfer(cpu, at, 2 + opc, rd(word), true) ? NEXT : FAULT;
}

/* ---- pairs
 * ------------------------------------------------------------------------------------------------------ */

static unsigned rt2(uint32_t word) { return field(word, 10, 5); }

/* The capability is asked for both registers at once. */
static bool may_transfer_pair(struct cpu *cpu, struct va at, unsigned scale, bool load) {
    return va_check(cpu, at, 2u << scale, load ? CAP_PERM_LOAD : CAP_PERM_STORE, load ? EMU_READ : EMU_WRITE);
}

static bool transfer_pair(struct cpu *cpu, struct va at, unsigned scale, uint32_t word) {
    struct va second = va_add(at, 1 << scale);
    struct vector value[2] = {v_get(cpu, rd(word)), v_get(cpu, rt2(word))};
    if (!is_load(word))
        return vector_store(cpu, at, scale, value[0]) && vector_store(cpu, second, scale, value[1]);
    if (!vector_load(cpu, at, scale, &value[0]) || !vector_load(cpu, second, scale, &value[1])) return false;
    v_set(cpu, rd(word), value[0]);
    v_set(cpu, rt2(word), value[1]);
    return true;
}

static enum outcome pair(struct cpu *cpu, uint32_t word, bool indexed_after, bool writes_back) {
    unsigned opc = field(word, 30, 2), scale = 2 + opc, n = rn(word);
    int64_t offset = signed_field(word, 15, 7) * (1 << scale);
    if (opc == 3) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    if (is_load(word) && rd(word) == rt2(word)) return undefined(cpu); /* Unpredictable_LDPOVERLAP */
    if (!sp_aligned(cpu, n)) return FAULT;
    struct va at = va_add(va_base(cpu, n), indexed_after ? 0 : offset);
    if (!may_transfer_pair(cpu, at, scale, is_load(word)) || !transfer_pair(cpu, at, scale, word))
        return FAULT;
    if (writes_back) base_set(cpu, n, offset);
    return NEXT;
}

EXEC(ldnp_fpsimd_aarch64_instrs_memory_pair_simdfp_no_alloc) { return pair(cpu, word, false, false); }
EXEC(stnp_fpsimd_aarch64_instrs_memory_pair_simdfp_no_alloc) { return pair(cpu, word, false, false); }
EXEC(ldp_fpsimd_aarch64_instrs_memory_pair_simdfp_offset) { return pair(cpu, word, false, false); }
EXEC(stp_fpsimd_aarch64_instrs_memory_pair_simdfp_offset) { return pair(cpu, word, false, false); }
EXEC(ldp_fpsimd_aarch64_instrs_memory_pair_simdfp_pre_idx) { return pair(cpu, word, false, true); }
EXEC(stp_fpsimd_aarch64_instrs_memory_pair_simdfp_pre_idx) { return pair(cpu, word, false, true); }
EXEC(ldp_fpsimd_aarch64_instrs_memory_pair_simdfp_post_idx) { return pair(cpu, word, true, true); }
EXEC(stp_fpsimd_aarch64_instrs_memory_pair_simdfp_post_idx) { return pair(cpu, word, true, true); }

/* ---- elements
 * --------------------------------------------------------------------------------------------------- */

/*   imm5   xxxx1 byte, xxx10 half, xx100 word, x1000 doubleword (with Q); the bits above are the index */
EXEC(umov_advsimd_aarch64_instrs_vector_transfer_integer_move_unsigned) {
    unsigned imm5 = field(word, 16, 5), q = field(word, 30, 1);
    unsigned scale = imm5 ? (unsigned)__builtin_ctz(imm5) : 4;
    if (scale > 3 || q != (scale == 3)) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    struct vector v = v_get(cpu, rn(word));
    unsigned bit = imm5 >> (scale + 1) << (scale + 3);
    uint64_t element = (bit < 64 ? v.lo : v.hi) >> (bit & 63);
    x_set(cpu, rd(word), scale == 3 ? element : element & ((1ull << (8 << scale)) - 1));
    return NEXT;
}

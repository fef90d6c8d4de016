/* Acquire loads, release stores and the unprivileged forms. */
#include "exec.h"

static enum outcome load_ordered(struct cpu *cpu, uint32_t word) {
    unsigned n = field(word, 5, 5);
    uint64_t value;
    if (!sp_aligned(cpu, n)) return FAULT;
    if (!mem_load(cpu, va_base(cpu, n), 1u << field(word, 30, 2), &value, ACCESS_ORDERED)) return FAULT;
    x_set(cpu, field(word, 0, 5), value);
    return NEXT;
}

static enum outcome store_ordered(struct cpu *cpu, uint32_t word) {
    unsigned n = field(word, 5, 5);
    if (!sp_aligned(cpu, n)) return FAULT;
    uint64_t value = x_get(cpu, field(word, 0, 5));
    return mem_store(cpu, va_base(cpu, n), 1u << field(word, 30, 2), value, ACCESS_ORDERED) ? NEXT : FAULT;
}

static uint64_t sign_extend(uint64_t value, unsigned bits) {
    return (uint64_t)((int64_t)(value << (64 - bits)) >> (64 - bits));
}

/* opc: 1 zero-extends, 2 sign-extends to 64 bits, 3 to 32. */
static enum outcome load_unprivileged(struct cpu *cpu, uint32_t word) {
    unsigned n = field(word, 5, 5), scale = field(word, 30, 2), opc = field(word, 22, 2);
    uint64_t value;
    if (!sp_aligned(cpu, n)) return FAULT;
    struct va va = va_add(va_base(cpu, n), signed_field(word, 12, 9));
    if (!mem_load(cpu, va, 1u << scale, &value, ACCESS_UNPRIVILEGED)) return FAULT;
    if (opc >= 2) value = sign_extend(value, 8u << scale);
    x_set(cpu, field(word, 0, 5), opc == 3 ? (uint32_t)value : value);
    return NEXT;
}

static enum outcome store_unprivileged(struct cpu *cpu, uint32_t word) {
    unsigned n = field(word, 5, 5);
    if (!sp_aligned(cpu, n)) return FAULT;
    struct va va = va_add(va_base(cpu, n), signed_field(word, 12, 9));
    uint64_t value = x_get(cpu, field(word, 0, 5));
    return mem_store(cpu, va, 1u << field(word, 30, 2), value, ACCESS_UNPRIVILEGED) ? NEXT : FAULT;
}

EXEC(ldapr_aarch64_instrs_memory_ordered_rcpc) { return load_ordered(cpu, word); }
EXEC(ldaprb_aarch64_instrs_memory_ordered_rcpc) { return load_ordered(cpu, word); }
EXEC(ldaprh_aarch64_instrs_memory_ordered_rcpc) { return load_ordered(cpu, word); }
EXEC(ldar_aarch64_instrs_memory_ordered) { return load_ordered(cpu, word); }
EXEC(ldarb_aarch64_instrs_memory_ordered) { return load_ordered(cpu, word); }
EXEC(ldarh_aarch64_instrs_memory_ordered) { return load_ordered(cpu, word); }
EXEC(ldlar_aarch64_instrs_memory_ordered) { return load_ordered(cpu, word); }
EXEC(ldlarb_aarch64_instrs_memory_ordered) { return load_ordered(cpu, word); }
EXEC(ldlarh_aarch64_instrs_memory_ordered) { return load_ordered(cpu, word); }

EXEC(stllr_aarch64_instrs_memory_ordered) { return store_ordered(cpu, word); }
EXEC(stllrb_aarch64_instrs_memory_ordered) { return store_ordered(cpu, word); }
EXEC(stllrh_aarch64_instrs_memory_ordered) { return store_ordered(cpu, word); }
EXEC(stlr_aarch64_instrs_memory_ordered) { return store_ordered(cpu, word); }
EXEC(stlrb_aarch64_instrs_memory_ordered) { return store_ordered(cpu, word); }
EXEC(stlrh_aarch64_instrs_memory_ordered) { return store_ordered(cpu, word); }

EXEC(ldtr_aarch64_instrs_memory_single_general_immediate_signed_offset_unpriv) {
    return load_unprivileged(cpu, word);
}
EXEC(ldtrb_aarch64_instrs_memory_single_general_immediate_signed_offset_unpriv) {
    return load_unprivileged(cpu, word);
}
EXEC(ldtrh_aarch64_instrs_memory_single_general_immediate_signed_offset_unpriv) {
    return load_unprivileged(cpu, word);
}
EXEC(ldtrsb_aarch64_instrs_memory_single_general_immediate_signed_offset_unpriv) {
    return load_unprivileged(cpu, word);
}
EXEC(ldtrsh_aarch64_instrs_memory_single_general_immediate_signed_offset_unpriv) {
    return load_unprivileged(cpu, word);
}
EXEC(ldtrsw_aarch64_instrs_memory_single_general_immediate_signed_offset_unpriv) {
    return load_unprivileged(cpu, word);
}

EXEC(sttr_aarch64_instrs_memory_single_general_immediate_signed_offset_unpriv) {
    return store_unprivileged(cpu, word);
}
EXEC(sttrb_aarch64_instrs_memory_single_general_immediate_signed_offset_unpriv) {
    return store_unprivileged(cpu, word);
}
EXEC(sttrh_aarch64_instrs_memory_single_general_immediate_signed_offset_unpriv) {
    return store_unprivileged(cpu, word);
}

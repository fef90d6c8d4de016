/* Loads and stores of capabilities: the ordered, unprivileged and literal ones. The others are in
 * ops_morello.inc. */
#include "exec_morello.h"

/* The checked base register. false: a trap or a misaligned stack pointer. */
static bool base_at(struct cpu *cpu, uint32_t word, base_fn *base, int64_t offset, struct va *at) {
    if (!caps_enabled(cpu) || !sp_aligned(cpu, rn(word))) return false;
    *at = va_add(base(cpu, rn(word)), offset);
    return true;
}

static enum outcome load(struct cpu *cpu, uint32_t word, base_fn *base, int64_t offset, unsigned flags) {
    struct va at;
    struct cap loaded;
    if (!base_at(cpu, word, base, offset, &at) || !mem_load_cap(cpu, at, &loaded, flags)) return FAULT;
    c_set(cpu, rd(word), loaded);
    return NEXT;
}

static enum outcome store(struct cpu *cpu, uint32_t word, base_fn *base, int64_t offset, unsigned flags) {
    struct va at;
    bool stored =
        base_at(cpu, word, base, offset, &at) && mem_store_cap(cpu, at, c_get(cpu, rd(word)), flags);
    return stored ? NEXT : FAULT;
}

/* LDTR, STTR: EL1 accesses memory as EL0 would. */
static int64_t offset16(uint32_t word) { return signed_field(word, 12, 9) * 16; }

EXEC(LDTR_C_RIB_C) { return load(cpu, word, va_base, offset16(word), ACCESS_UNPRIVILEGED); }
EXEC(STTR_C_RIB_C) { return store(cpu, word, va_base, offset16(word), ACCESS_UNPRIVILEGED); }

/* Ordered ones; one thread runs at a time, so the order itself is no matter. */
EXEC(LDAR_C_R_C) { return load(cpu, word, va_base, 0, ACCESS_ORDERED); }
EXEC(LDAPR_C_R_C) { return load(cpu, word, va_base, 0, ACCESS_ORDERED); }
EXEC(STLR_C_R_C) { return store(cpu, word, va_base, 0, ACCESS_ORDERED); }
EXEC(ALDAR_C_R_C) { return load(cpu, word, va_alt_base, 0, ACCESS_ORDERED); }
EXEC(ASTLR_C_R_C) { return store(cpu, word, va_alt_base, 0, ACCESS_ORDERED); }

/* Relative to PCC, whatever the mode: aligned down to a granule. */
EXEC(LDR_C_I_C) {
    if (!caps_enabled(cpu)) return FAULT;
    struct va at = va_cap(pcc_get(cpu), EMU_PCC);
    struct cap loaded;
    at.address = (at.address + (uint64_t)(signed_field(word, 5, 17) * 16)) & ~(uint64_t)15;
    if (!mem_load_cap(cpu, at, &loaded, ACCESS_PLAIN)) return FAULT;
    c_set(cpu, rd(word), loaded);
    return NEXT;
}

/* LSE atomics: load-op, store-op, swap, compare and swap. One thread runs at a time, so order is no matter.
 */
#include "exec.h"

enum atomic {
    ATOMIC_ADD,
    ATOMIC_BIC,
    ATOMIC_EOR,
    ATOMIC_ORR,
    ATOMIC_SMAX,
    ATOMIC_SMIN,
    ATOMIC_UMAX,
    ATOMIC_UMIN
};

static uint64_t low_bytes(uint64_t value, unsigned size) {
    return size == 8 ? value : value & ((1ull << 8 * size) - 1);
}

static int64_t as_signed(uint64_t value, unsigned size) { return (int64_t)(value << (64 - 8 * size)); }

/* What memory holds afterwards; both operands are size bytes wide. */
static uint64_t combine(enum atomic op, uint64_t old, uint64_t operand, unsigned size) {
    bool above = as_signed(old, size) > as_signed(operand, size);
    switch (op) {
    case ATOMIC_ADD: return old + operand;
    case ATOMIC_BIC: return old & ~operand;
    case ATOMIC_EOR: return old ^ operand;
    case ATOMIC_ORR: return old | operand;
    case ATOMIC_SMAX: return above ? old : operand;
    case ATOMIC_SMIN: return above ? operand : old;
    case ATOMIC_UMAX: return old > operand ? old : operand;
    default: return old > operand ? operand : old;
    }
}

/* Both permissions of the authority, then alignment and the page, before memory changes. */
static bool check(struct cpu *cpu, struct va va, unsigned size) {
    return va_check(cpu, va, size, CAP_PERM_LOAD, EMU_READ) &&
           va_check(cpu, va, size, CAP_PERM_STORE, EMU_WRITE) &&
           mem_check(cpu, va, size, false, false, ACCESS_ATOMIC) &&
           mem_check(cpu, va, size, true, false, ACCESS_ATOMIC);
}

/* MemAtomic: memory becomes old op Xs; old is the outcome. */
static bool load_op(struct cpu *cpu, uint32_t word, uint64_t *old) {
    unsigned size = 1u << field(word, 30, 2), n = field(word, 5, 5);
    uint64_t operand = low_bytes(x_get(cpu, field(word, 16, 5)), size);
    if (!sp_aligned(cpu, n)) return false;
    struct va va = va_base(cpu, n);
    if (!check(cpu, va, size) || !mem_load(cpu, va, size, old, ACCESS_ATOMIC)) return false;
    return mem_store(cpu, va, size, combine(field(word, 12, 3), *old, operand, size), ACCESS_ATOMIC);
}

static enum outcome load_op_to_register(struct cpu *cpu, uint32_t word) {
    uint64_t old;
    if (!load_op(cpu, word, &old)) return FAULT;
    x_set(cpu, field(word, 0, 5), old);
    return NEXT;
}

static enum outcome load_op_only(struct cpu *cpu, uint32_t word) {
    uint64_t old;
    return load_op(cpu, word, &old) ? NEXT : FAULT;
}

static enum outcome swap(struct cpu *cpu, uint32_t word) {
    unsigned size = 1u << field(word, 30, 2), n = field(word, 5, 5);
    uint64_t store = x_get(cpu, field(word, 16, 5)), old;
    if (!sp_aligned(cpu, n)) return FAULT;
    struct va va = va_base(cpu, n);
    if (!check(cpu, va, size) || !mem_load(cpu, va, size, &old, ACCESS_ATOMIC)) return FAULT;
    if (!mem_store(cpu, va, size, store, ACCESS_ATOMIC)) return FAULT;
    x_set(cpu, field(word, 0, 5), old);
    return NEXT;
}

static enum outcome compare_and_swap(struct cpu *cpu, uint32_t word) {
    unsigned size = 1u << field(word, 30, 2), s = field(word, 16, 5), n = field(word, 5, 5);
    uint64_t expected = low_bytes(x_get(cpu, s), size), store = x_get(cpu, field(word, 0, 5)), old;
    if (!sp_aligned(cpu, n)) return FAULT;
    struct va va = va_base(cpu, n);
    if (!check(cpu, va, size) || !mem_load(cpu, va, size, &old, ACCESS_ATOMIC)) return FAULT;
    if (old == expected && !mem_store(cpu, va, size, store, ACCESS_ATOMIC)) return FAULT;
    x_set(cpu, s, old);
    return NEXT;
}

EXEC(casp_aarch64_instrs_memory_atomicops_cas_pair) {
    unsigned size = 4u << field(word, 30, 1), s = field(word, 16, 5), t = field(word, 0, 5),
             n = field(word, 5, 5);
    if (s & 1 || t & 1) return undefined(cpu);
    uint64_t expected[2] = {low_bytes(x_get(cpu, s), size), low_bytes(x_get(cpu, s + 1), size)};
    uint64_t store[2] = {x_get(cpu, t), x_get(cpu, t + 1)}, old[2];
    if (!sp_aligned(cpu, n)) return FAULT;
    struct va va = va_base(cpu, n);
    if (!check(cpu, va, 2 * size) || !mem_load_pair(cpu, va, size, old, ACCESS_ATOMIC)) return FAULT;
    bool equal = old[0] == expected[0] && old[1] == expected[1];
    if (equal && !mem_store_pair(cpu, va, size, store, ACCESS_ATOMIC)) return FAULT;
    x_set(cpu, s, old[0]);
    x_set(cpu, s + 1, old[1]);
    return NEXT;
}

EXEC(cas_aarch64_instrs_memory_atomicops_cas_single) { return compare_and_swap(cpu, word); }
EXEC(casb_aarch64_instrs_memory_atomicops_cas_single) { return compare_and_swap(cpu, word); }
EXEC(cash_aarch64_instrs_memory_atomicops_cas_single) { return compare_and_swap(cpu, word); }

EXEC(swp_aarch64_instrs_memory_atomicops_swp) { return swap(cpu, word); }
EXEC(swpb_aarch64_instrs_memory_atomicops_swp) { return swap(cpu, word); }
EXEC(swph_aarch64_instrs_memory_atomicops_swp) { return swap(cpu, word); }

EXEC(ldadd_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldaddb_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldaddh_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldclr_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldclrb_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldclrh_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldeor_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldeorb_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldeorh_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldset_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldsetb_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldseth_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldsmax_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldsmaxb_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldsmaxh_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldsmin_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldsminb_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldsminh_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldumax_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldumaxb_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldumaxh_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(ldumin_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(lduminb_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }
EXEC(lduminh_aarch64_instrs_memory_atomicops_ld) { return load_op_to_register(cpu, word); }

/* The forms without a result. */
EXEC(stadd_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(staddb_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(staddh_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stclr_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stclrb_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stclrh_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(steor_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(steorb_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(steorh_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stset_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stsetb_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stseth_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stsmax_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stsmaxb_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stsmaxh_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stsmin_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stsminb_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stsminh_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stumax_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stumaxb_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stumaxh_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stumin_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stuminb_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }
EXEC(stuminh_aarch64_instrs_memory_atomicops_st) { return load_op_only(cpu, word); }

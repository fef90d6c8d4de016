/* Exclusive loads and stores. */
#include "exec.h"

static unsigned order(uint32_t word) { return ACCESS_ATOMIC | (field(word, 15, 1) ? ACCESS_ORDERED : 0); }

static enum outcome load_exclusive(struct cpu *cpu, uint32_t word) {
    unsigned size = 1u << field(word, 30, 2), n = field(word, 5, 5);
    uint64_t value;
    if (!sp_aligned(cpu, n)) return FAULT;
    struct va va = va_base(cpu, n);
    if (!mem_load(cpu, va, size, &value, order(word))) return FAULT;
    exclusive_set(cpu, va.address, size);
    x_set(cpu, field(word, 0, 5), value);
    return NEXT;
}

/* The status in Ws is 0 when the store happened. A lost monitor does not excuse an access that would fault.
 */
static enum outcome store_exclusive(struct cpu *cpu, uint32_t word) {
    unsigned size = 1u << field(word, 30, 2), n = field(word, 5, 5);
    if (!sp_aligned(cpu, n)) return FAULT;
    struct va va = va_base(cpu, n);
    if (!mem_check(cpu, va, size, true, false, order(word))) return FAULT;
    bool pass = exclusive_pass(cpu, va.address, size);
    if (pass && !mem_store(cpu, va, size, x_get(cpu, field(word, 0, 5)), order(word))) return FAULT;
    w_set(cpu, field(word, 16, 5), !pass);
    return NEXT;
}

static enum outcome load_exclusive_pair(struct cpu *cpu, uint32_t word) {
    unsigned size = 4u << field(word, 30, 1), t = field(word, 0, 5), t2 = field(word, 10, 5),
             n = field(word, 5, 5);
    uint64_t value[2];
    if (t == t2) return undefined(cpu); /* LDPOVERLAP */
    if (!sp_aligned(cpu, n)) return FAULT;
    struct va va = va_base(cpu, n);
    if (!mem_load_pair(cpu, va, size, value, order(word))) return FAULT;
    exclusive_set(cpu, va.address, 2 * size);
    x_set(cpu, t, value[0]);
    x_set(cpu, t2, value[1]);
    return NEXT;
}

static enum outcome store_exclusive_pair(struct cpu *cpu, uint32_t word) {
    unsigned size = 4u << field(word, 30, 1), n = field(word, 5, 5);
    uint64_t value[2] = {x_get(cpu, field(word, 0, 5)), x_get(cpu, field(word, 10, 5))};
    if (!sp_aligned(cpu, n)) return FAULT;
    struct va va = va_base(cpu, n);
    if (!mem_check(cpu, va, 2 * size, true, false, order(word))) return FAULT;
    bool pass = exclusive_pass(cpu, va.address, 2 * size);
    if (pass && !mem_store_pair(cpu, va, size, value, order(word))) return FAULT;
    w_set(cpu, field(word, 16, 5), !pass);
    return NEXT;
}

EXEC(clrex_aarch64_instrs_system_monitors) {
    (void)word;
    exclusive_clear(cpu);
    return NEXT;
}

EXEC(ldaxr_aarch64_instrs_memory_exclusive_single) { return load_exclusive(cpu, word); }
EXEC(ldaxrb_aarch64_instrs_memory_exclusive_single) { return load_exclusive(cpu, word); }
EXEC(ldaxrh_aarch64_instrs_memory_exclusive_single) { return load_exclusive(cpu, word); }
EXEC(ldxr_aarch64_instrs_memory_exclusive_single) { return load_exclusive(cpu, word); }
EXEC(ldxrb_aarch64_instrs_memory_exclusive_single) { return load_exclusive(cpu, word); }
EXEC(ldxrh_aarch64_instrs_memory_exclusive_single) { return load_exclusive(cpu, word); }

EXEC(stlxr_aarch64_instrs_memory_exclusive_single) { return store_exclusive(cpu, word); }
EXEC(stlxrb_aarch64_instrs_memory_exclusive_single) { return store_exclusive(cpu, word); }
EXEC(stlxrh_aarch64_instrs_memory_exclusive_single) { return store_exclusive(cpu, word); }
EXEC(stxr_aarch64_instrs_memory_exclusive_single) { return store_exclusive(cpu, word); }
EXEC(stxrb_aarch64_instrs_memory_exclusive_single) { return store_exclusive(cpu, word); }
EXEC(stxrh_aarch64_instrs_memory_exclusive_single) { return store_exclusive(cpu, word); }

EXEC(ldaxp_aarch64_instrs_memory_exclusive_pair) { return load_exclusive_pair(cpu, word); }
EXEC(ldxp_aarch64_instrs_memory_exclusive_pair) { return load_exclusive_pair(cpu, word); }
EXEC(stlxp_aarch64_instrs_memory_exclusive_pair) { return store_exclusive_pair(cpu, word); }
EXEC(stxp_aarch64_instrs_memory_exclusive_pair) { return store_exclusive_pair(cpu, word); }

/* Atomic capability accesses: swap, compare and swap, exclusives. One thread runs at a time, so the acquire
 * and release forms do what the plain ones do. */
#include "exec_morello.h"

enum { SINGLE = 16, PAIR = 32 };

static bool base_at(struct cpu *cpu, uint32_t word, struct va *at) {
    if (!caps_enabled(cpu) || !sp_aligned(cpu, rn(word))) return false;
    *at = va_base(cpu, rn(word));
    return true;
}

/* The permissions that storing this value needs. */
static uint32_t to_store(struct cap value) {
    if (!value.tag) return CAP_PERM_STORE;
    return CAP_PERM_STORE | CAP_PERM_STORE_CAP | (cap_is_local(value) ? CAP_PERM_STORE_LOCAL : 0);
}

/* Both directions are checked before either happens: permissions first, then alignment and the page. What
 * both would refuse is reported as a read. */
static bool may_exchange(struct cpu *cpu, struct va at, struct cap stored) {
    return va_check(cpu, at, SINGLE, CAP_PERM_LOAD, EMU_READ_CAP) &&
           va_check(cpu, at, SINGLE, to_store(stored), EMU_WRITE_CAP) &&
           mem_check(cpu, at, SINGLE, false, true, ACCESS_ATOMIC) &&
           mem_check(cpu, at, SINGLE, true, true, ACCESS_ATOMIC);
}

static enum outcome swap(struct cpu *cpu, uint32_t word) {
    struct va at;
    struct cap stored = c_get(cpu, rm(word)), old;
    if (!base_at(cpu, word, &at) || !may_exchange(cpu, at, stored)) return FAULT;
    if (!mem_load_cap(cpu, at, &old, ACCESS_ATOMIC)) return FAULT;
    if (!mem_store_cap(cpu, at, stored, ACCESS_ATOMIC)) return FAULT;
    c_set(cpu, rd(word), old);
    return NEXT;
}

EXEC(SWP_CC_R_C) { return swap(cpu, word); }
EXEC(SWPA_CC_R_C) { return swap(cpu, word); }
EXEC(SWPAL_CC_R_C) { return swap(cpu, word); }
EXEC(SWPL_CC_R_C) { return swap(cpu, word); }

/* What is compared, with all 129 bits, is the value as the load would deliver it. */
static enum outcome compare_and_swap(struct cpu *cpu, uint32_t word) {
    struct va at;
    unsigned s = rm(word);
    struct cap expected = c_get(cpu, s), stored = c_get(cpu, rd(word)), old;
    if (!base_at(cpu, word, &at) || !may_exchange(cpu, at, stored)) return FAULT;
    if (!mem_load_cap(cpu, at, &old, ACCESS_ATOMIC)) return FAULT;
    if (cap_is_equal(old, expected) && !mem_store_cap(cpu, at, stored, ACCESS_ATOMIC)) return FAULT;
    c_set(cpu, s, old);
    return NEXT;
}

EXEC(CAS_C_R_C) { return compare_and_swap(cpu, word); }
EXEC(CASA_C_R_C) { return compare_and_swap(cpu, word); }
EXEC(CASAL_C_R_C) { return compare_and_swap(cpu, word); }
EXEC(CASL_C_R_C) { return compare_and_swap(cpu, word); }

/* Exclusives. The address of a pair is aligned to the pair. */

static unsigned rt2(uint32_t word) { return field(word, 10, 5); }

static enum outcome load_exclusive(struct cpu *cpu, uint32_t word) {
    struct va at;
    struct cap loaded;
    if (!base_at(cpu, word, &at) || !mem_load_cap(cpu, at, &loaded, ACCESS_ATOMIC)) return FAULT;
    exclusive_set(cpu, at.address, SINGLE);
    c_set(cpu, rd(word), loaded);
    return NEXT;
}

EXEC(LDXR_C_R_C) { return load_exclusive(cpu, word); }
EXEC(LDAXR_C_R_C) { return load_exclusive(cpu, word); }

static enum outcome load_exclusive_pair(struct cpu *cpu, uint32_t word) {
    struct va at;
    struct cap loaded[2];
    if (!caps_enabled(cpu)) return FAULT;
    if (rd(word) == rt2(word)) return undefined(cpu); /* Unpredictable_LDPOVERLAP */
    if (!base_at(cpu, word, &at) || !mem_check(cpu, at, PAIR, false, true, ACCESS_ATOMIC)) return FAULT;
    if (!mem_load_cap_pair(cpu, at, loaded, ACCESS_ATOMIC)) return FAULT;
    exclusive_set(cpu, at.address, PAIR);
    c_set(cpu, rd(word), loaded[0]);
    c_set(cpu, rt2(word), loaded[1]);
    return NEXT;
}

EXEC(LDXP_C_R_C) { return load_exclusive_pair(cpu, word); }
EXEC(LDAXP_C_R_C) { return load_exclusive_pair(cpu, word); }

/* The status in Ws is 0 when the store happened. A lost monitor does not excuse an access that would fault.
 */
static enum outcome store_exclusive(struct cpu *cpu, uint32_t word) {
    struct va at;
    struct cap stored = c_get(cpu, rd(word));
    if (!base_at(cpu, word, &at) || !va_check(cpu, at, SINGLE, to_store(stored), EMU_WRITE_CAP)) return FAULT;
    if (!mem_check(cpu, at, SINGLE, true, true, ACCESS_ATOMIC)) return FAULT;
    bool pass = exclusive_pass(cpu, at.address, SINGLE);
    if (pass && !mem_store_cap(cpu, at, stored, ACCESS_ATOMIC)) return FAULT;
    w_set(cpu, rm(word), !pass);
    return NEXT;
}

EXEC(STXR_R_CR_C) { return store_exclusive(cpu, word); }
EXEC(STLXR_R_CR_C) { return store_exclusive(cpu, word); }

static bool may_store_pair(struct cpu *cpu, struct va at, const struct cap stored[2]) {
    return va_check(cpu, at, SINGLE, to_store(stored[0]), EMU_WRITE_CAP) &&
           va_check(cpu, va_add(at, SINGLE), SINGLE, to_store(stored[1]), EMU_WRITE_CAP) &&
           mem_check(cpu, at, PAIR, true, true, ACCESS_ATOMIC);
}

static enum outcome store_exclusive_pair(struct cpu *cpu, uint32_t word) {
    struct va at;
    struct cap stored[2] = {c_get(cpu, rd(word)), c_get(cpu, rt2(word))};
    if (!base_at(cpu, word, &at) || !may_store_pair(cpu, at, stored)) return FAULT;
    bool pass = exclusive_pass(cpu, at.address, PAIR);
    if (pass && !mem_store_cap_pair(cpu, at, stored, ACCESS_ATOMIC)) return FAULT;
    w_set(cpu, rm(word), !pass);
    return NEXT;
}

EXEC(STXP_R_CR_C) { return store_exclusive_pair(cpu, word); }
EXEC(STLXP_R_CR_C) { return store_exclusive_pair(cpu, word); }

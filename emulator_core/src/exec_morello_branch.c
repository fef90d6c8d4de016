/* Branches to capabilities. Nothing traps here: a target that may not be branched to loses its tag, and the
 * fetch faults. Every transfer through a seal that leaves the compartment, or fails, is reported to the
 * crossing ring. */
#include "exec_morello.h"

enum { NO_REGISTER = 255, LINK = 30, PAIR_DATA = 29 };

static struct emu_cap outside(struct cap c) { return (struct emu_cap){c.lo, c.hi, c.tag}; }

static bool loses_executive(struct cpu *cpu, struct cap target) {
    return is_executive(cpu) && !cap_is_executive(target);
}

static bool is_sentry(struct cap c, uint32_t type) { return c.tag && cap_get_object_type(c) == type; }
static struct cap open_sentry(struct cap c, uint32_t type) { return is_sentry(c, type) ? cap_unseal(c) : c; }
static struct cap tag_unless(struct cap c, bool lost) { return lost ? cap_with_tag_clear(c) : c; }

static enum outcome transfer(struct cpu *cpu, struct cap target, bool call) {
    struct cap link = link_get(cpu);
    if (call) c_set(cpu, LINK, link);
    return branch_x_to_cap(cpu, target);
}

/* One capability: an RB sentry is opened, anything else is taken as it is or, where a seal is demanded,
 * refused. executive: does a target without Executive lose its tag here? */
struct single {
    struct cap named; /* as the register or memory holds it */
    bool executive, seal_demanded;
};

static struct cap single_target(struct cpu *cpu, struct single s) {
    struct cap target = tag_unless(s.named, s.executive && loses_executive(cpu, s.named));
    bool refused = s.seal_demanded && !is_sentry(target, CAP_SEAL_TYPE_RB);
    return tag_unless(open_sentry(target, CAP_SEAL_TYPE_RB), refused);
}

/* The checks that did not hold. */
static uint8_t single_failures(struct cpu *cpu, struct single s) {
    uint8_t failed = 0;
    bool sealed = cap_is_sealed(s.named);
    if (!s.named.tag) failed |= EMU_PAIR_CN_TAG;
    if (!sealed) failed |= EMU_PAIR_CN_SEALED;
    if (sealed && cap_get_object_type(s.named) != CAP_SEAL_TYPE_RB) failed |= EMU_PAIR_OTYPE;
    if (s.executive && loses_executive(cpu, s.named)) failed |= EMU_PAIR_EXECUTIVE;
    return failed;
}

/* A sentry within the compartment, such as an ordinary sealed return, is not a crossing. */
static void report_single(struct cpu *cpu, unsigned n, struct single s, struct cap base) {
    bool through_base = cap_is_sealed(base);
    if (!cap_is_sealed(s.named) && !s.seal_demanded && !through_base) return;
    uint8_t failed = single_failures(cpu, s);
    if (!s.seal_demanded) failed &= (uint8_t)~EMU_PAIR_CN_SEALED;
    if (!failed && cap_bounds_equal(s.named, pcc_get(cpu))) return;
    struct emu_crossing crossing = {
        .kind = failed ? EMU_CROSSING_FAILED : EMU_CROSSING_SENTRY,
        .cn = (uint8_t)n,
        .cm = NO_REGISTER,
        .failed = failed,
        .to = s.named.lo & ~(uint64_t)1,
        .target = outside(s.named),
        .paired = outside(base),
    };
    ring_push(cpu, &crossing);
}

static enum outcome branch(struct cpu *cpu, uint32_t word, struct single s, bool call) {
    s.named = c_get(cpu, rn(word));
    report_single(cpu, rn(word), s, cap_null());
    return transfer(cpu, single_target(cpu, s), call);
}

/* BR, BLR, RET: sealed or not. */
static enum outcome branch_any(struct cpu *cpu, uint32_t word, bool call) {
    if (!caps_enabled(cpu)) return FAULT;
    return branch(cpu, word, (struct single){.executive = true}, call);
}

static bool seals_links(struct cpu *cpu) { return cctlr_get(cpu) & CCTLR_SBL; }

/* BRS, BLRS, RETS of one register: while links are sealed, only a sentry passes. */
static enum outcome branch_sealed(struct cpu *cpu, uint32_t word, bool call) {
    if (!caps_enabled(cpu)) return FAULT;
    return branch(cpu, word, (struct single){.executive = true, .seal_demanded = seals_links(cpu)}, call);
}

/* BRR, BLRR, RETR: from Executive to Restricted. */
static enum outcome branch_restricted(struct cpu *cpu, uint32_t word, bool call) {
    if (!is_executive(cpu)) return undefined(cpu);
    if (!caps_enabled(cpu)) return FAULT;
    return branch(cpu, word, (struct single){.seal_demanded = seals_links(cpu)}, call);
}

EXEC(BR_C_C) { return branch_any(cpu, word, false); }
EXEC(BLR_C_C) { return branch_any(cpu, word, true); }
EXEC(RET_C_C) { return branch_any(cpu, word, false); }
EXEC(BRS_C_C) { return branch_sealed(cpu, word, false); }
EXEC(BLRS_C_C) { return branch_sealed(cpu, word, true); }
EXEC(RETS_C_C) { return branch_sealed(cpu, word, false); }
EXEC(BRR_C_C) { return branch_restricted(cpu, word, false); }
EXEC(BLRR_C_C) { return branch_restricted(cpu, word, true); }
EXEC(RETR_C_C) { return branch_restricted(cpu, word, false); }

/* To the next instruction in the other mode. */
EXEC(BX___C) {
    (void)word;
    if (!caps_enabled(cpu)) return FAULT;
    return branch_x_to_cap(cpu, cap_add(pcc_get(cpu), in_c64(cpu) ? 4 : 5));
}

/* Sealed pairs: Cn is the code, Cm the data that goes with it. */

static bool has(struct cap c, uint32_t permission) { return cap_check_permissions(c, permission); }

static uint8_t pair_failures(struct cpu *cpu, struct cap code, struct cap data) {
    uint32_t type = cap_get_object_type(code);
    bool same_key = type > CAP_MAX_FIXED_SEAL_TYPE && type == cap_get_object_type(data);
    bool both_bsp = has(code, CAP_PERM_BRANCH_SEALED_PAIR) && has(data, CAP_PERM_BRANCH_SEALED_PAIR);
    bool code_and_data = has(code, CAP_PERM_EXECUTE) && !has(data, CAP_PERM_EXECUTE);
    return (uint8_t)((code.tag ? 0 : EMU_PAIR_CN_TAG) | (data.tag ? 0 : EMU_PAIR_CM_TAG) |
                     (cap_is_sealed(code) ? 0 : EMU_PAIR_CN_SEALED) |
                     (cap_is_sealed(data) ? 0 : EMU_PAIR_CM_SEALED) | (same_key ? 0 : EMU_PAIR_OTYPE) |
                     (both_bsp ? 0 : EMU_PAIR_BSP) | (code_and_data ? 0 : EMU_PAIR_EXECUTE) |
                     (loses_executive(cpu, code) ? EMU_PAIR_EXECUTIVE : 0));
}

static enum outcome branch_pair(struct cpu *cpu, uint32_t word, bool call) {
    if (!caps_enabled(cpu)) return FAULT;
    struct cap code = c_get(cpu, rn(word)), data = c_get(cpu, rm(word));
    uint8_t failed = pair_failures(cpu, code, data);
    struct emu_crossing crossing = {
        .kind = failed ? EMU_CROSSING_FAILED : EMU_CROSSING_PAIR,
        .cn = (uint8_t)rn(word),
        .cm = (uint8_t)rm(word),
        .failed = failed,
        .to = code.lo & ~(uint64_t)1,
        .target = outside(code),
        .paired = outside(data),
    };
    ring_push(cpu, &crossing);
    struct cap target = failed ? cap_with_tag_clear(code) : cap_unseal(code);
    struct cap opened = failed ? data : cap_unseal(data);
    c_set(cpu, PAIR_DATA, opened);
    return transfer(cpu, target, call);
}

EXEC(BRS_C_C_C) { return branch_pair(cpu, word, false); }
EXEC(BLRS_C_C_C) { return branch_pair(cpu, word, true); }
EXEC(RETS_C_C_C) { return branch_pair(cpu, word, false); }

/* Load and branch: the target comes from memory. Through C29 an LPB or LB sentry is opened first, and C29
 * receives the data that belongs to the code: the pair's first half, or the opened base. */

static int base_register(struct cpu *cpu, unsigned n) {
    if (n != 31) return (int)n;
    return is_executive(cpu) ? EMU_CSP : EMU_RCSP;
}

static enum outcome branch_loaded(struct cpu *cpu, uint32_t word, struct cap target, struct cap base) {
    struct single s = {.named = target, .executive = true};
    report_single(cpu, rn(word), s, base);
    return branch_x_to_cap(cpu, single_target(cpu, s));
}

/* The link wins over data for the same register, where the architecture leaves it unknown. */
static enum outcome load_pair_and_branch(struct cpu *cpu, uint32_t word, bool call) {
    unsigned n = rn(word), t = rd(word);
    if (!caps_enabled(cpu) || !sp_aligned(cpu, n)) return FAULT;
    struct cap named = c_get_sp(cpu, n), link = link_get(cpu), loaded[2];
    struct cap base = t == PAIR_DATA ? open_sentry(named, CAP_SEAL_TYPE_LPB) : named;
    if (!mem_load_cap_pair(cpu, va_cap(base, base_register(cpu, n)), loaded, ACCESS_PLAIN)) return FAULT;
    enum outcome outcome = branch_loaded(cpu, word, loaded[1], named);
    c_set(cpu, t, loaded[0]);
    if (call) c_set(cpu, LINK, link);
    return outcome;
}

static enum outcome load_and_branch(struct cpu *cpu, uint32_t word, bool call) {
    unsigned n = rn(word);
    if (!caps_enabled(cpu) || !sp_aligned(cpu, n)) return FAULT;
    struct cap named = c_get_sp(cpu, n), link = link_get(cpu), target;
    struct cap base = n == PAIR_DATA ? open_sentry(named, CAP_SEAL_TYPE_LB) : named;
    struct va va = va_add(va_cap(base, base_register(cpu, n)), signed_field(word, 13, 7) * 16);
    if (!mem_load_cap(cpu, va, &target, ACCESS_PLAIN)) return FAULT;
    enum outcome outcome = branch_loaded(cpu, word, target, named);
    if (n == PAIR_DATA) c_set(cpu, PAIR_DATA, base);
    if (call) c_set(cpu, LINK, link);
    return outcome;
}

EXEC(LDPBR_C_C_C) { return load_pair_and_branch(cpu, word, false); }
EXEC(LDPBLR_C_C_C) { return load_pair_and_branch(cpu, word, true); }
EXEC(BR_CI_C) { return load_and_branch(cpu, word, false); }
EXEC(BLR_CI_C) { return load_and_branch(cpu, word, true); }

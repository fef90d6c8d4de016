/* Capability data processing: fields, bounds, permissions, flags, seals and tests. The operations on values
 * stand in capability_ops.h; here is which registers each clause reads and writes, and where 31 is CSP. */
#include "exec_morello.h"

/* Xd from a field of Cn|CSP. */
static enum outcome get(struct cpu *cpu, uint32_t word, uint64_t (*of)(struct cap)) {
    if (!caps_enabled(cpu)) return FAULT;
    x_set(cpu, rd(word), of(c_get_sp(cpu, rn(word))));
    return NEXT;
}

EXEC(GCBASE_R_C_C) { return get(cpu, word, capop_gcbase); }
EXEC(GCFLGS_R_C_C) { return get(cpu, word, capop_gcflgs); }
EXEC(GCLEN_R_C_C) { return get(cpu, word, capop_gclen); }
EXEC(GCLIM_R_C_C) { return get(cpu, word, capop_gclim); }
EXEC(GCOFF_R_C_C) { return get(cpu, word, capop_gcoff); }
EXEC(GCPERM_R_C_C) { return get(cpu, word, capop_gcperm); }
EXEC(GCSEAL_R_C_C) { return get(cpu, word, capop_gcseal); }
EXEC(GCTAG_R_C_C) { return get(cpu, word, capop_gctag); }
EXEC(GCTYPE_R_C_C) { return get(cpu, word, capop_gctype); }
EXEC(GCVALUE_R_C_C) { return get(cpu, word, capop_gcvalue); }
EXEC(CFHI_R_C_C) { return get(cpu, word, capop_cfhi); }

/* Xd from Xn: sizes that bounds can represent. */
static enum outcome measure(struct cpu *cpu, uint32_t word, uint64_t (*of)(uint64_t)) {
    if (!caps_enabled(cpu)) return FAULT;
    x_set(cpu, rd(word), of(x_get(cpu, rn(word))));
    return NEXT;
}

EXEC(RRLEN_R_R_C) { return measure(cpu, word, capop_rrlen); }
EXEC(RRMASK_R_R_C) { return measure(cpu, word, capop_rrmask); }

/* Cd|CSP from Cn|CSP and a number. */
typedef struct cap change(struct cap, uint64_t);

static enum outcome change_by(struct cpu *cpu, uint32_t word, change *op, uint64_t operand) {
    if (!caps_enabled(cpu)) return FAULT;
    c_set_sp(cpu, rd(word), op(c_get_sp(cpu, rn(word)), operand));
    return NEXT;
}

static enum outcome change_by_x(struct cpu *cpu, uint32_t word, change *op) {
    return change_by(cpu, word, op, x_get(cpu, rm(word)));
}

EXEC(SCBNDS_C_CR_C) { return change_by_x(cpu, word, capop_scbnds); }
EXEC(SCBNDSE_C_CR_C) { return change_by_x(cpu, word, capop_scbndse); }
EXEC(SCOFF_C_CR_C) { return change_by_x(cpu, word, capop_scoff); }
EXEC(SCFLGS_C_CR_C) { return change_by_x(cpu, word, capop_scflgs); }
EXEC(BICFLGS_C_CR_C) { return change_by_x(cpu, word, capop_bicflgs); }
EXEC(EORFLGS_C_CR_C) { return change_by_x(cpu, word, capop_eorflgs); }
EXEC(ORRFLGS_C_CR_C) { return change_by_x(cpu, word, capop_orrflgs); }
EXEC(CLRPERM_C_CR_C) { return change_by_x(cpu, word, capop_clrperm); }

static uint64_t flags_mask(uint32_t word) { return (uint64_t)field(word, 13, 8) << 56; }

EXEC(BICFLGS_C_CI_C) { return change_by(cpu, word, capop_bicflgs, flags_mask(word)); }
EXEC(EORFLGS_C_CI_C) { return change_by(cpu, word, capop_eorflgs, flags_mask(word)); }
EXEC(ORRFLGS_C_CI_C) { return change_by(cpu, word, capop_orrflgs, flags_mask(word)); }
EXEC(SCBNDS_C_CI_C) { return change_by(cpu, word, capop_scbndse, field(word, 15, 6)); }
EXEC(SCBNDS_C_CI_S) { return change_by(cpu, word, capop_scbndse, field(word, 15, 6) << 4); }

static struct cap alignd(struct cap c, uint64_t bits) { return capop_alignd(c, (unsigned)bits); }
static struct cap alignu(struct cap c, uint64_t bits) { return capop_alignu(c, (unsigned)bits); }
static struct cap clrperm_imm(struct cap c, uint64_t perm) { return capop_clrperm_imm(c, (unsigned)perm); }

EXEC(ALIGND_C_CI_C) { return change_by(cpu, word, alignd, field(word, 15, 6)); }
EXEC(ALIGNU_C_CI_C) { return change_by(cpu, word, alignu, field(word, 15, 6)); }
EXEC(CLRPERM_C_CI_C) { return change_by(cpu, word, clrperm_imm, field(word, 13, 3)); }

static struct cap clrtag(struct cap c, uint64_t none) {
    (void)none;
    return capop_clrtag(c);
}

EXEC(CLRTAG_C_C_C) { return change_by(cpu, word, clrtag, 0); }

/* Software at EL1 and above makes a capability out of data; EL0 has no such instruction. */
EXEC(SCTAG_C_CR_C) {
    if (el_get(cpu) == 0) return undefined(cpu);
    if (!caps_enabled(cpu)) return FAULT;
    struct cap result = capop_sctag(c_get_sp(cpu, rn(word)), x_get(cpu, rm(word)), may_set_tags(cpu));
    c_set_sp(cpu, rd(word), result);
    return NEXT;
}

/* 31 is the zero register here as a source, CSP as the destination. */
EXEC(CTHI_C_CR_C) {
    if (!caps_enabled(cpu)) return FAULT;
    c_set_sp(cpu, rd(word), capop_cthi(c_get(cpu, rn(word)), x_get(cpu, rm(word))));
    return NEXT;
}

/* Cd from Cn and Cm, 31 being the zero register. */
static enum outcome combine(struct cpu *cpu, uint32_t word, struct cap (*op)(struct cap, struct cap)) {
    if (!caps_enabled(cpu)) return FAULT;
    c_set(cpu, rd(word), op(c_get(cpu, rn(word)), c_get(cpu, rm(word))));
    return NEXT;
}

EXEC(SEAL_C_CC_C) { return combine(cpu, word, capop_seal); }
EXEC(UNSEAL_C_CC_C) { return combine(cpu, word, capop_unseal); }
EXEC(CPYTYPE_C_C_C) { return combine(cpu, word, capop_cpytype); }
EXEC(CPYVALUE_C_C_C) { return combine(cpu, word, capop_cpyvalue); }

EXEC(SEAL_C_CI_C) {
    unsigned form = field(word, 13, 2);
    if (form == 0) return undefined(cpu);
    if (!caps_enabled(cpu)) return FAULT;
    c_set(cpu, rd(word), capop_seal_imm(c_get(cpu, rn(word)), form));
    return NEXT;
}

EXEC(CSEL_C_CI_C) {
    if (!caps_enabled(cpu)) return FAULT;
    bool first = condition_holds(cpu, field(word, 12, 4));
    c_set(cpu, rd(word), c_get(cpu, first ? rn(word) : rm(word)));
    return NEXT;
}

EXEC(BUILD_C_C_C) {
    if (!caps_enabled(cpu)) return FAULT;
    c_set_sp(cpu, rd(word), capop_build(c_get_sp(cpu, rn(word)), c_get_sp(cpu, rm(word))));
    return NEXT;
}

EXEC(CSEAL_C_C_C) {
    if (!caps_enabled(cpu)) return FAULT;
    struct cap_nzcv sealed = capop_cseal(c_get_sp(cpu, rn(word)), c_get_sp(cpu, rm(word)));
    flags_set(cpu, sealed.nzcv);
    c_set_sp(cpu, rd(word), sealed.cap);
    return NEXT;
}

/* Tests: only the flags, or the flags and a result. */
EXEC(CHKSSU_C_CC_C) {
    if (!caps_enabled(cpu)) return FAULT;
    struct cap_nzcv tested = capop_chkssu(c_get_sp(cpu, rn(word)), c_get_sp(cpu, rm(word)));
    flags_set(cpu, tested.nzcv);
    c_set(cpu, rd(word), tested.cap);
    return NEXT;
}

EXEC(CHKSS___CC_C) {
    if (!caps_enabled(cpu)) return FAULT;
    flags_set(cpu, capop_chkss(c_get_sp(cpu, rn(word)), c_get_sp(cpu, rm(word))));
    return NEXT;
}

EXEC(CHKEQ___CC_C) {
    if (!caps_enabled(cpu)) return FAULT;
    flags_set(cpu, capop_chkeq(c_get_sp(cpu, rn(word)), c_get(cpu, rm(word))));
    return NEXT;
}

EXEC(CHKSLD_C_C) {
    if (!caps_enabled(cpu)) return FAULT;
    flags_set(cpu, capop_chksld(c_get_sp(cpu, rn(word))));
    return NEXT;
}

EXEC(CHKTGD_C_C) {
    if (!caps_enabled(cpu)) return FAULT;
    flags_set(cpu, capop_chktgd(c_get_sp(cpu, rn(word))));
    return NEXT;
}

EXEC(SUBS_R_CC_C) {
    if (!caps_enabled(cpu)) return FAULT;
    struct value_nzcv difference = capop_subs(c_get(cpu, rn(word)), c_get(cpu, rm(word)));
    flags_set(cpu, difference.nzcv);
    x_set(cpu, rd(word), difference.value);
    return NEXT;
}

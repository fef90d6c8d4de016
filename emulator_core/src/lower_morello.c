/* Hot Morello clauses to slots. */
#include "memory_ops.h"
#include "slots.h"

static unsigned rd_of(struct insn in) { return field(in.word, 0, 5); }
static unsigned rn_of(struct insn in) { return field(in.word, 5, 5); }
static unsigned rm_of(struct insn in) { return field(in.word, 16, 5); }

/* ---- values
 * ----------------------------------------------------------------------------------------------------- */

static void set_cap_registers(struct slot *s, struct insn in) {
    s->rd = to_sp(rd_of(in)), s->rn = from_sp(rn_of(in)), s->rm = from(rm_of(in));
}

static bool lower_cpy(struct slot *s, op_ref *op, struct insn in) {
    set_cap_registers(s, in);
    return USE(mov_c);
}

static int32_t imm12_of(struct insn in) {
    return (int32_t)(field(in.word, 10, 12) << (field(in.word, 22, 1) ? 12 : 0));
}

static bool lower_add_imm(struct slot *s, op_ref *op, struct insn in) {
    set_cap_registers(s, in);
    s->imm = imm12_of(in);
    return USE(add_c_imm);
}

static bool lower_sub_imm(struct slot *s, op_ref *op, struct insn in) {
    set_cap_registers(s, in);
    s->imm = -imm12_of(in);
    return USE(add_c_imm);
}

static bool lower_add_register(struct slot *s, op_ref *op, struct insn in) {
    unsigned option = field(in.word, 13, 3), shift = field(in.word, 10, 3);
    if (shift > 4) return USE_UNDEFINED;
    set_cap_registers(s, in);
    s->x = (uint8_t)shift;
    switch (option) {
    case 0: return USE(add_c_uxtb);
    case 1: return USE(add_c_uxth);
    case 2: return USE(add_c_uxtw);
    case 4: return USE(add_c_sxtb);
    case 5: return USE(add_c_sxth);
    case 6: return USE(add_c_sxtw);
    default: return USE(add_c_lsl);
    }
}

static bool lower_scvalue(struct slot *s, op_ref *op, struct insn in) {
    set_cap_registers(s, in);
    return USE(scvalue);
}

/* ADR and ADRP of code are capabilities in C64. Pages of data, P = 0, depend on registers and stay cold. */
static int32_t address_immediate(struct insn in) {
    return (int32_t)(signed_field(in.word, 5, 19) * 4 + field(in.word, 29, 2));
}

static bool lower_adr(struct slot *s, op_ref *op, struct insn in) {
    s->rd = to(rd_of(in)), s->imm = address_immediate(in);
    return in.c64 ? USE(adr_c) : USE(adr_a64);
}

static bool lower_adrp(struct slot *s, op_ref *op, struct insn in) {
    s->rd = to(rd_of(in)), s->imm = address_immediate(in);
    if (!in.c64) return USE(adrp_a64);
    if (!field(in.word, 23, 1)) return false;
    s->imm = (int32_t)signed_field(in.word, 5, 18) * 4 + (int32_t)field(in.word, 29, 2);
    return USE(adrp_c);
}

/* ---- memory
 * ----------------------------------------------------------------------------------------------------- */

enum form { IMM, PRE, POST, LSL, UXTW, SXTW, FORMS };
enum via { DDC, DDCSP, CAP, CAPSP, VIAS };

#define DECLARE(VIA, name, form)                                                                             \
    extern op_fn fast_##name##_##form##_##VIA;                                                               \
    extern step_fn step_##name##_##form##_##VIA;
#define REF(VIA, name, form) {fast_##name##_##form##_##VIA, step_##name##_##form##_##VIA},
#define DECLARE_PAIR_FORMS(name)                                                                             \
    FOR_VIAS(DECLARE, name, imm) FOR_VIAS(DECLARE, name, pre) FOR_VIAS(DECLARE, name, post)
#define DECLARE_FORMS(name)                                                                                  \
    DECLARE_PAIR_FORMS(name)                                                                                 \
    FOR_VIAS(DECLARE, name, lsl) FOR_VIAS(DECLARE, name, uxtw) FOR_VIAS(DECLARE, name, sxtw)
#define PAIR_FORMS(name)                                                                                     \
    {FOR_VIAS(REF, name, imm)}, {FOR_VIAS(REF, name, pre)}, { FOR_VIAS(REF, name, post) }
#define ALL_FORMS(name)                                                                                      \
    PAIR_FORMS(name), {FOR_VIAS(REF, name, lsl)}, {FOR_VIAS(REF, name, uxtw)}, { FOR_VIAS(REF, name, sxtw) }

DECLARE_FORMS(ldr_c)
DECLARE_FORMS(str_c)
DECLARE_PAIR_FORMS(ldp_c)
DECLARE_PAIR_FORMS(stp_c)
FOR_VIAS(DECLARE, ldr_x, imm)
FOR_VIAS(DECLARE, str_x, imm)

static const op_ref ldr_c[FORMS][VIAS] = {ALL_FORMS(ldr_c)}, str_c[FORMS][VIAS] = {ALL_FORMS(str_c)};
static const op_ref ldp_c[][VIAS] = {PAIR_FORMS(ldp_c)}, stp_c[][VIAS] = {PAIR_FORMS(stp_c)};
static const op_ref ldr_x[VIAS] = {FOR_VIAS(REF, ldr_x, imm)}, str_x[VIAS] = {FOR_VIAS(REF, str_x, imm)};

/* BaseReg is the capability in C64, AltBaseReg in A64. */
static enum via via_of(struct insn in, bool alternate) {
    return (in.c64 != alternate ? CAP : DDC) + (rn_of(in) == 31 ? 1 : 0);
}

static bool overlaps(struct insn in, unsigned t) { return rn_of(in) == t && t != 31; }

static bool access(struct slot *s, op_ref *op, struct insn in, op_ref chosen, int64_t offset, bool load) {
    s->rd = load ? to(rd_of(in)) : from(rd_of(in));
    s->rn = from_sp(rn_of(in));
    s->imm = (int32_t)offset;
    *op = chosen;
    return true;
}

static int64_t unsigned12(struct insn in) { return (int64_t)field(in.word, 10, 12) << 4; }
static int64_t unsigned9(struct insn in, unsigned scale) { return (int64_t)field(in.word, 12, 9) << scale; }
static int64_t signed9(struct insn in) { return signed_field(in.word, 12, 9); }

#define FORM(name, table, form, alternate, offset, load)                                                     \
    static bool lower_##name(struct slot *s, op_ref *op, struct insn in) {                                   \
        return access(s, op, in, table[form][via_of(in, alternate)], offset, load);                          \
    }
FORM(ldr_unsigned, ldr_c, IMM, false, unsigned12(in), true)
FORM(str_unsigned, str_c, IMM, false, unsigned12(in), false)
FORM(ldur, ldr_c, IMM, false, signed9(in), true)
FORM(stur, str_c, IMM, false, signed9(in), false)
FORM(str_pre, str_c, PRE, false, signed9(in) * 16, false)
FORM(str_post, str_c, POST, false, signed9(in) * 16, false)
FORM(aldr, ldr_c, IMM, true, unsigned9(in, 4), true)
FORM(astr, str_c, IMM, true, unsigned9(in, 4), false)
FORM(aldur, ldr_c, IMM, true, signed9(in), true)
FORM(astur, str_c, IMM, true, signed9(in), false)

/* A load over its own base keeps what it loaded: write-back is suppressed (Constraint_WBSUPPRESS). */
static bool lower_ldr_pre(struct slot *s, op_ref *op, struct insn in) {
    enum form form = overlaps(in, rd_of(in)) ? IMM : PRE;
    return access(s, op, in, ldr_c[form][via_of(in, false)], signed9(in) * 16, true);
}

static bool lower_ldr_post(struct slot *s, op_ref *op, struct insn in) {
    if (overlaps(in, rd_of(in))) return access(s, op, in, ldr_c[IMM][via_of(in, false)], 0, true);
    return access(s, op, in, ldr_c[POST][via_of(in, false)], signed9(in) * 16, true);
}

/* sign and sz choose UXTW, LSL, SXTW or SXTX. */
static enum form register_form(struct insn in) {
    if (field(in.word, 13, 1)) return LSL;
    return field(in.word, 15, 1) ? SXTW : UXTW;
}

static bool by_register(struct slot *s, op_ref *op, struct insn in, const op_ref table[FORMS][VIAS],
                        bool alternate, bool load) {
    s->rm = from(rm_of(in)), s->x = field(in.word, 12, 1) ? 4 : 0;
    return access(s, op, in, table[register_form(in)][via_of(in, alternate)], 0, load);
}

#define BY_REGISTER(name, table, alternate, load)                                                            \
    static bool lower_##name(struct slot *s, op_ref *op, struct insn in) {                                   \
        return by_register(s, op, in, table, alternate, load);                                               \
    }
BY_REGISTER(ldr_register, ldr_c, false, true)
BY_REGISTER(str_register, str_c, false, false)
BY_REGISTER(aldr_register, ldr_c, true, true)
BY_REGISTER(astr_register, str_c, true, false)

/* 64-bit registers through the alternate base. */
#define ALTERNATE_X(name, table, offset, load)                                                               \
    static bool lower_##name(struct slot *s, op_ref *op, struct insn in) {                                   \
        return access(s, op, in, table[via_of(in, true)], offset, load);                                     \
    }
ALTERNATE_X(aldr_x, ldr_x, unsigned9(in, 3), true)
ALTERNATE_X(astr_x, str_x, unsigned9(in, 3), false)
ALTERNATE_X(aldur_x, ldr_x, signed9(in), true)
ALTERNATE_X(astur_x, str_x, signed9(in), false)

/* A pair load of twice the same register is undefined (Unpredictable_LDPOVERLAP). */
static bool load_pair(struct slot *s, op_ref *op, struct insn in, enum form form) {
    unsigned t = rd_of(in), t2 = field(in.word, 10, 5);
    int64_t offset = signed_field(in.word, 15, 7) * 16;
    if (t == t2) return USE_UNDEFINED;
    s->rm = to(t2);
    if (form != IMM && (overlaps(in, t) || overlaps(in, t2))) offset = form == POST ? 0 : offset, form = IMM;
    return access(s, op, in, ldp_c[form][via_of(in, false)], offset, true);
}

static bool store_pair(struct slot *s, op_ref *op, struct insn in, enum form form) {
    s->rm = from(field(in.word, 10, 5));
    return access(s, op, in, stp_c[form][via_of(in, false)], signed_field(in.word, 15, 7) * 16, false);
}

static bool lower_ldp(struct slot *s, op_ref *op, struct insn in) { return load_pair(s, op, in, IMM); }
static bool lower_ldp_pre(struct slot *s, op_ref *op, struct insn in) { return load_pair(s, op, in, PRE); }
static bool lower_ldp_post(struct slot *s, op_ref *op, struct insn in) { return load_pair(s, op, in, POST); }
static bool lower_stp(struct slot *s, op_ref *op, struct insn in) { return store_pair(s, op, in, IMM); }
static bool lower_stp_pre(struct slot *s, op_ref *op, struct insn in) { return store_pair(s, op, in, PRE); }
static bool lower_stp_post(struct slot *s, op_ref *op, struct insn in) { return store_pair(s, op, in, POST); }

/* ---- branches
 * --------------------------------------------------------------------------------------------------- */

/* The cold op's operands, and Cn in RM. */
static void set_branch(struct slot *s, struct insn in) {
    uint16_t clause = isa_clause(in.word);
    s->rd = (uint8_t)clause, s->rn = (uint8_t)(clause >> 8), s->imm = (int32_t)in.word;
    s->rm = from(rn_of(in));
}

static bool lower_br(struct slot *s, op_ref *op, struct insn in) {
    set_branch(s, in);
    return in.c64 ? USE(br_c_c64) : USE(br_c_a64);
}

static bool lower_blr(struct slot *s, op_ref *op, struct insn in) {
    set_branch(s, in);
    return in.c64 ? USE(blr_c_c64) : USE(blr_c_a64);
}

/* These work while capability instructions are trapped. */
LOWERINGS(address) = {
    {CLAUSE_ADR_C_I_C, lower_adr},
    {CLAUSE_ADRP_C_I_C, lower_adrp},
    {CLAUSE_ADRP_C_IP_C, lower_adrp},
    {CLAUSE_ADRDP_C_ID_C, lower_adrp},
    LOWERINGS_END,
};

LOWERINGS(morello) = {
    {CLAUSE_CPY_C_C_C, lower_cpy},
    {CLAUSE_ADD_C_CIS_C, lower_add_imm},
    {CLAUSE_SUB_C_CIS_C, lower_sub_imm},
    {CLAUSE_ADD_C_CRI_C, lower_add_register},
    {CLAUSE_SCVALUE_C_CR_C, lower_scvalue},
    {CLAUSE_LDR_C_RUIB_C, lower_ldr_unsigned},
    {CLAUSE_STR_C_RUIB_C, lower_str_unsigned},
    {CLAUSE_LDUR_C_RI_C, lower_ldur},
    {CLAUSE_STUR_C_RI_C, lower_stur},
    {CLAUSE_LDR_C_RIBW_C, lower_ldr_pre},
    {CLAUSE_STR_C_RIBW_C, lower_str_pre},
    {CLAUSE_LDR_C_RIAW_C, lower_ldr_post},
    {CLAUSE_STR_C_RIAW_C, lower_str_post},
    {CLAUSE_LDR_C_RRB_C, lower_ldr_register},
    {CLAUSE_STR_C_RRB_C, lower_str_register},
    {CLAUSE_ALDR_C_RUI_C, lower_aldr},
    {CLAUSE_ASTR_C_RUI_C, lower_astr},
    {CLAUSE_ALDUR_C_RI_C, lower_aldur},
    {CLAUSE_ASTUR_C_RI_C, lower_astur},
    {CLAUSE_ALDR_C_RRB_C, lower_aldr_register},
    {CLAUSE_ASTR_C_RRB_C, lower_astr_register},
    {CLAUSE_ALDR_R_RUI_64, lower_aldr_x},
    {CLAUSE_ASTR_R_RUI_64, lower_astr_x},
    {CLAUSE_ALDUR_R_RI_64, lower_aldur_x},
    {CLAUSE_ASTUR_R_RI_64, lower_astur_x},
    {CLAUSE_LDP_C_RIB_C, lower_ldp},
    {CLAUSE_LDNP_C_RIB_C, lower_ldp},
    {CLAUSE_LDP_C_RIBW_C, lower_ldp_pre},
    {CLAUSE_LDP_CC_RIAW_C, lower_ldp_post},
    {CLAUSE_STP_C_RIB_C, lower_stp},
    {CLAUSE_STNP_C_RIB_C, lower_stp},
    {CLAUSE_STP_C_RIBW_C, lower_stp_pre},
    {CLAUSE_STP_CC_RIAW_C, lower_stp_post},
    {CLAUSE_BR_C_C, lower_br},
    {CLAUSE_RET_C_C, lower_br},
    {CLAUSE_BLR_C_C, lower_blr},
    LOWERINGS_END,
};

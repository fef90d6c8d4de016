/* Integer data processing, hints and barriers: from an encoding to one of the ops of ops_integer.inc. */
#include "arithmetic.h"
#include "integer_ops.h"

static bool is_64(uint32_t word) { return word >> 31; }
static unsigned rd_of(uint32_t word) { return field(word, 0, 5); }
static unsigned rn_of(uint32_t word) { return field(word, 5, 5); }
static unsigned rm_of(uint32_t word) { return field(word, 16, 5); }

static void set_registers(struct slot *s, uint32_t word) {
    s->rd = to(rd_of(word)), s->rn = from(rn_of(word)), s->rm = from(rm_of(word));
}

static bool use(op_ref *op, op_ref chosen) {
    *op = chosen;
    return true;
}

/* ---- add, subtract, logic ------------------------------------------------------------------------------ */

static op_ref width(const struct widths *pair, uint32_t word) { return is_64(word) ? pair->x : pair->w; }

static enum form shift_form(uint32_t word) { return field(word, 10, 6) ? LSL + field(word, 22, 2) : REG; }

static bool shift_is_reserved(uint32_t word) { return !is_64(word) && field(word, 15, 1); }

static bool lower_add_sub_shift(struct slot *s, op_ref *op, struct insn in) {
    if (field(in.word, 22, 2) == 3 || shift_is_reserved(in.word)) return USE_UNDEFINED;
    set_registers(s, in.word);
    s->x = (uint8_t)field(in.word, 10, 6);
    return use(op, width(&arithmetic[field(in.word, 29, 2)][shift_form(in.word)], in.word));
}

static bool lower_logical_shift(struct slot *s, op_ref *op, struct insn in) {
    if (shift_is_reserved(in.word)) return USE_UNDEFINED;
    set_registers(s, in.word);
    s->x = (uint8_t)field(in.word, 10, 6);
    bool is_mov = field(in.word, 29, 2) == 1 && !field(in.word, 21, 1) && rn_of(in.word) == 31;
    if (is_mov && shift_form(in.word) == REG) {
        s->rn = s->rm;
        return is_64(in.word) ? USE(mov_x) : USE(mov_w);
    }
    unsigned operation = field(in.word, 29, 2) << 1 | field(in.word, 21, 1);
    return use(op, width(&logical[operation][shift_form(in.word)], in.word));
}

/* Bits that an extension beyond the operation's width leaves alone are a plain shift. */
static enum form extend_form(uint32_t word) {
    static const enum form forms[8] = {UXTB, UXTH, UXTW, REG, SXTB, SXTH, SXTW, REG};
    enum form form = forms[field(word, 13, 3)];
    if (!is_64(word) && (form == UXTW || form == SXTW)) form = REG;
    return form == REG && field(word, 10, 3) ? LSL : form;
}

static bool lower_add_sub_extend(struct slot *s, op_ref *op, struct insn in) {
    if (field(in.word, 10, 3) > 4) return USE_UNDEFINED;
    bool sets_flags = field(in.word, 29, 1);
    s->rd = sets_flags ? to(rd_of(in.word)) : to_sp(rd_of(in.word));
    s->rn = from_sp(rn_of(in.word)), s->rm = from(rm_of(in.word));
    s->x = (uint8_t)field(in.word, 10, 3);
    return use(op, width(&arithmetic[field(in.word, 29, 2)][extend_form(in.word)], in.word));
}

/* ---- immediates ---------------------------------------------------------------------------------------- */

static bool lower_add_sub_imm(struct slot *s, op_ref *op, struct insn in) {
    bool subtracts = field(in.word, 30, 1);
    int32_t imm = (int32_t)(field(in.word, 10, 12) << (field(in.word, 22, 1) ? 12 : 0));
    s->rd = to_sp(rd_of(in.word)), s->rn = from_sp(rn_of(in.word)), s->imm = subtracts ? -imm : imm;
    return is_64(in.word) ? USE(add_imm_x) : USE(add_imm_w);
}

/* ADDS of zero is not the subtraction of zero: it clears the carry. */
static bool lower_add_subs_imm(struct slot *s, op_ref *op, struct insn in) {
    bool subtracts = field(in.word, 30, 1);
    int32_t imm = (int32_t)(field(in.word, 10, 12) << (field(in.word, 22, 1) ? 12 : 0));
    s->rd = to(rd_of(in.word)), s->rn = from_sp(rn_of(in.word)), s->rm = R_ZERO,
    s->imm = subtracts ? imm : -imm;
    if (!subtracts && imm == 0) return is_64(in.word) ? USE(adds_reg_x) : USE(adds_reg_w);
    if (rd_of(in.word) == 31) return is_64(in.word) ? USE(cmp_imm_x) : USE(cmp_imm_w);
    return is_64(in.word) ? USE(subs_imm_x) : USE(subs_imm_w);
}

static bool lower_logical_imm(struct slot *s, op_ref *op, struct insn in) {
    unsigned n = field(in.word, 22, 1), imms = field(in.word, 10, 6), immr = field(in.word, 16, 6);
    unsigned opc = field(in.word, 29, 2);
    uint64_t mask;
    if ((n && !is_64(in.word)) || !decode_bit_mask(n, imms, immr, &mask)) return USE_UNDEFINED;
    s->rd = opc == 3 ? to(rd_of(in.word)) : to_sp(rd_of(in.word)), s->rn = from(rn_of(in.word));
    s->imm = (int32_t)mask;
    if (!is_64(in.word)) return use(op, masks[opc][0]);
    if (mask == (uint64_t)(int64_t)(int32_t)mask) return use(op, masks[opc][1]);
    if (!n) return use(op, masks[opc][2]);
    s->rm = (uint8_t)(63 - imms), s->x = (uint8_t)immr;
    return use(op, masks[opc][3]);
}

static bool lower_move_wide(struct slot *s, op_ref *op, struct insn in) {
    unsigned hw = field(in.word, 21, 2), opc = field(in.word, 29, 2);
    if (!is_64(in.word) && hw > 1) return USE_UNDEFINED;
    s->rd = to(rd_of(in.word)), s->imm = (int32_t)field(in.word, 5, 16), s->x = (uint8_t)(16 * hw);
    if (opc == 3) return is_64(in.word) ? USE(movk_x) : USE(movk_w);
    if (is_64(in.word) && hw) return opc == 2 ? USE(movz_shifted) : USE(movn_shifted);
    uint32_t value = (uint32_t)s->imm << s->x;
    s->imm = (int32_t)(opc == 2 ? value : ~value);
    return is_64(in.word) ? USE(mov_imm) : USE(mov_imm_w);
}

/* ---- bitfields ----------------------------------------------------------------------------------------- */

/* X moves the field's top bit to bit 63, RM moves it back down to its place. */
static void set_field(struct slot *s, uint32_t word) {
    unsigned imms = field(word, 10, 6), immr = field(word, 16, 6), bits = is_64(word) ? 64 : 32;
    s->rd = to(rd_of(word)), s->rn = from(rn_of(word));
    s->x = (uint8_t)(63 - imms);
    s->rm = (uint8_t)(imms >= immr ? 63 - imms + immr : 63 - imms - (bits - immr));
}

static bool field_is_reserved(uint32_t word) {
    if (field(word, 22, 1) != is_64(word)) return true;
    return !is_64(word) && (field(word, 21, 1) || field(word, 15, 1));
}

static bool lower_ubfm(struct slot *s, op_ref *op, struct insn in) {
    unsigned imms = field(in.word, 10, 6), immr = field(in.word, 16, 6), top = is_64(in.word) ? 63 : 31;
    if (field_is_reserved(in.word)) return USE_UNDEFINED;
    set_field(s, in.word);
    if (immr == 0 && imms == 7) return USE(uxtb);
    if (immr == 0 && imms == 15) return USE(uxth);
    if (imms == top) {
        s->x = (uint8_t)immr;
        return is_64(in.word) ? USE(lsr_x) : USE(lsr_w);
    }
    if (imms + 1 == immr) {
        s->x = (uint8_t)(top - imms);
        return is_64(in.word) ? USE(lsl_x) : USE(lsl_w);
    }
    return USE(ubfm);
}

static bool lower_sbfm(struct slot *s, op_ref *op, struct insn in) {
    unsigned imms = field(in.word, 10, 6), immr = field(in.word, 16, 6), top = is_64(in.word) ? 63 : 31;
    if (field_is_reserved(in.word)) return USE_UNDEFINED;
    set_field(s, in.word);
    if (is_64(in.word) && immr == 0 && imms == 31) return USE(sxtw);
    if (imms == top) {
        s->x = (uint8_t)immr;
        return is_64(in.word) ? USE(asr_x) : USE(asr_w);
    }
    return is_64(in.word) ? USE(sbfm_x) : USE(sbfm_w);
}

static bool lower_bfm(struct slot *s, op_ref *op, struct insn in) {
    if (field_is_reserved(in.word)) return USE_UNDEFINED;
    set_field(s, in.word);
    return is_64(in.word) ? USE(bfm_x) : USE(bfm_w);
}

static bool lower_extr(struct slot *s, op_ref *op, struct insn in) {
    unsigned lsb = field(in.word, 10, 6);
    if (field(in.word, 22, 1) != is_64(in.word) || (!is_64(in.word) && lsb > 31)) return USE_UNDEFINED;
    set_registers(s, in.word);
    s->x = (uint8_t)lsb;
    if (!is_64(in.word)) return USE(extr_w);
    if (lsb) return USE(extr_x);
    s->rn = s->rm;
    return USE(mov_x);
}

/* ---- three and two registers --------------------------------------------------------------------------- */

#define REGISTERS(name, x_op, w_op)                                                                          \
    static bool lower_##name(struct slot *s, op_ref *op, struct insn in) {                                   \
        set_registers(s, in.word);                                                                           \
        return is_64(in.word) ? USE(x_op) : USE(w_op);                                                       \
    }
REGISTERS(lslv, lslv_x, lslv_w)
REGISTERS(lsrv, lsrv_x, lsrv_w)
REGISTERS(asrv, asrv_x, asrv_w)
REGISTERS(rorv, rorv_x, rorv_w)
REGISTERS(udiv, udiv_x, udiv_w)
REGISTERS(sdiv, sdiv_x, sdiv_w)
REGISTERS(clz, clz_x, clz_w)
REGISTERS(rbit, rbit_x, rbit_w)
REGISTERS(umulh, umulh, umulh)
REGISTERS(smulh, smulh, smulh)

/* REV's opc is 2 on 32 bits and 3 on 64. */
static bool lower_rev(struct slot *s, op_ref *op, struct insn in) {
    if (field(in.word, 10, 1) != is_64(in.word)) return USE_UNDEFINED;
    set_registers(s, in.word);
    return is_64(in.word) ? USE(rev_x) : USE(rev_w);
}

static void set_accumulator(struct slot *s, uint32_t word) {
    set_registers(s, word);
    s->x = from(field(word, 10, 5));
}

static bool lower_madd(struct slot *s, op_ref *op, struct insn in) {
    set_accumulator(s, in.word);
    if (s->x == R_ZERO) return is_64(in.word) ? USE(mul_x) : USE(mul_w);
    return is_64(in.word) ? USE(madd_x) : USE(madd_w);
}

#define ACCUMULATE(name, x_op, w_op)                                                                         \
    static bool lower_##name(struct slot *s, op_ref *op, struct insn in) {                                   \
        set_accumulator(s, in.word);                                                                         \
        return is_64(in.word) ? USE(x_op) : USE(w_op);                                                       \
    }
ACCUMULATE(msub, msub_x, msub_w)
ACCUMULATE(smaddl, smaddl, smaddl)
ACCUMULATE(smsubl, smsubl, smsubl)
ACCUMULATE(umaddl, umaddl, umaddl)
ACCUMULATE(umsubl, umsubl, umsubl)

/* ---- conditions ---------------------------------------------------------------------------------------- */

static bool lower_select(struct slot *s, op_ref *op, struct insn in) {
    unsigned cond = field(in.word, 12, 4);
    set_registers(s, in.word);
    if (cond >= 14) return is_64(in.word) ? USE(mov_x) : USE(mov_w);
    return use(op, width(&selects[cond][field(in.word, 30, 1) << 1 | field(in.word, 10, 1)], in.word));
}

static bool lower_compare_if(struct slot *s, op_ref *op, struct insn in) {
    unsigned cond = field(in.word, 12, 4), immediate = field(in.word, 11, 1);
    set_registers(s, in.word);
    s->rd = R_DUMP, s->x = (uint8_t)field(in.word, 0, 4), s->imm = (int32_t)rm_of(in.word);
    if (cond < 14) return use(op, width(&compares[cond][immediate], in.word));
    if (immediate) return is_64(in.word) ? USE(cmp_imm_x) : USE(cmp_imm_w);
    return is_64(in.word) ? USE(subs_reg_x) : USE(subs_reg_w);
}

/* Hints, and barriers: one thread runs at a time, in program order. */
static bool lower_nothing(struct slot *s, op_ref *op, struct insn in) {
    (void)s, (void)in;
    return USE(nop);
}

LOWERINGS(integer) = {
    {CLAUSE_add_addsub_shift_aarch64_instrs_integer_arithmetic_add_sub_shiftedreg, lower_add_sub_shift},
    {CLAUSE_sub_addsub_shift_aarch64_instrs_integer_arithmetic_add_sub_shiftedreg, lower_add_sub_shift},
    {CLAUSE_subs_addsub_shift_aarch64_instrs_integer_arithmetic_add_sub_shiftedreg, lower_add_sub_shift},
    {CLAUSE_adds_addsub_shift_aarch64_instrs_integer_arithmetic_add_sub_shiftedreg, lower_add_sub_shift},
    {CLAUSE_eon_aarch64_instrs_integer_logical_shiftedreg, lower_logical_shift},
    {CLAUSE_orn_log_shift_aarch64_instrs_integer_logical_shiftedreg, lower_logical_shift},
    {CLAUSE_bics_aarch64_instrs_integer_logical_shiftedreg, lower_logical_shift},
    {CLAUSE_ands_log_shift_aarch64_instrs_integer_logical_shiftedreg, lower_logical_shift},
    {CLAUSE_orr_log_shift_aarch64_instrs_integer_logical_shiftedreg, lower_logical_shift},
    {CLAUSE_bic_log_shift_aarch64_instrs_integer_logical_shiftedreg, lower_logical_shift},
    {CLAUSE_and_log_shift_aarch64_instrs_integer_logical_shiftedreg, lower_logical_shift},
    {CLAUSE_eor_log_shift_aarch64_instrs_integer_logical_shiftedreg, lower_logical_shift},
    {CLAUSE_sub_addsub_ext_aarch64_instrs_integer_arithmetic_add_sub_extendedreg, lower_add_sub_extend},
    {CLAUSE_adds_addsub_ext_aarch64_instrs_integer_arithmetic_add_sub_extendedreg, lower_add_sub_extend},
    {CLAUSE_subs_addsub_ext_aarch64_instrs_integer_arithmetic_add_sub_extendedreg, lower_add_sub_extend},
    {CLAUSE_add_addsub_ext_aarch64_instrs_integer_arithmetic_add_sub_extendedreg, lower_add_sub_extend},
    {CLAUSE_adds_addsub_imm_aarch64_instrs_integer_arithmetic_add_sub_immediate, lower_add_subs_imm},
    {CLAUSE_add_addsub_imm_aarch64_instrs_integer_arithmetic_add_sub_immediate, lower_add_sub_imm},
    {CLAUSE_subs_addsub_imm_aarch64_instrs_integer_arithmetic_add_sub_immediate, lower_add_subs_imm},
    {CLAUSE_sub_addsub_imm_aarch64_instrs_integer_arithmetic_add_sub_immediate, lower_add_sub_imm},
    {CLAUSE_and_log_imm_aarch64_instrs_integer_logical_immediate, lower_logical_imm},
    {CLAUSE_orr_log_imm_aarch64_instrs_integer_logical_immediate, lower_logical_imm},
    {CLAUSE_ands_log_imm_aarch64_instrs_integer_logical_immediate, lower_logical_imm},
    {CLAUSE_eor_log_imm_aarch64_instrs_integer_logical_immediate, lower_logical_imm},
    {CLAUSE_movz_aarch64_instrs_integer_ins_ext_insert_movewide, lower_move_wide},
    {CLAUSE_movk_aarch64_instrs_integer_ins_ext_insert_movewide, lower_move_wide},
    {CLAUSE_movn_aarch64_instrs_integer_ins_ext_insert_movewide, lower_move_wide},
    {CLAUSE_sbfm_aarch64_instrs_integer_bitfield, lower_sbfm},
    {CLAUSE_ubfm_aarch64_instrs_integer_bitfield, lower_ubfm},
    {CLAUSE_bfm_aarch64_instrs_integer_bitfield, lower_bfm},
    {CLAUSE_extr_aarch64_instrs_integer_ins_ext_extract_immediate, lower_extr},
    {CLAUSE_asrv_aarch64_instrs_integer_shift_variable, lower_asrv},
    {CLAUSE_lslv_aarch64_instrs_integer_shift_variable, lower_lslv},
    {CLAUSE_lsrv_aarch64_instrs_integer_shift_variable, lower_lsrv},
    {CLAUSE_rorv_aarch64_instrs_integer_shift_variable, lower_rorv},
    {CLAUSE_udiv_aarch64_instrs_integer_arithmetic_div, lower_udiv},
    {CLAUSE_sdiv_aarch64_instrs_integer_arithmetic_div, lower_sdiv},
    {CLAUSE_clz_int_aarch64_instrs_integer_arithmetic_cnt, lower_clz},
    {CLAUSE_rbit_int_aarch64_instrs_integer_arithmetic_rbit, lower_rbit},
    {CLAUSE_rev_aarch64_instrs_integer_arithmetic_rev, lower_rev},
    {CLAUSE_msub_aarch64_instrs_integer_arithmetic_mul_uniform_add_sub, lower_msub},
    {CLAUSE_madd_aarch64_instrs_integer_arithmetic_mul_uniform_add_sub, lower_madd},
    {CLAUSE_umulh_aarch64_instrs_integer_arithmetic_mul_widening_64_128hi, lower_umulh},
    {CLAUSE_smulh_aarch64_instrs_integer_arithmetic_mul_widening_64_128hi, lower_smulh},
    {CLAUSE_smsubl_aarch64_instrs_integer_arithmetic_mul_widening_32_64, lower_smsubl},
    {CLAUSE_umsubl_aarch64_instrs_integer_arithmetic_mul_widening_32_64, lower_umsubl},
    {CLAUSE_umaddl_aarch64_instrs_integer_arithmetic_mul_widening_32_64, lower_umaddl},
    {CLAUSE_smaddl_aarch64_instrs_integer_arithmetic_mul_widening_32_64, lower_smaddl},
    {CLAUSE_csinc_aarch64_instrs_integer_conditional_select, lower_select},
    {CLAUSE_csel_aarch64_instrs_integer_conditional_select, lower_select},
    {CLAUSE_csneg_aarch64_instrs_integer_conditional_select, lower_select},
    {CLAUSE_csinv_aarch64_instrs_integer_conditional_select, lower_select},
    {CLAUSE_ccmp_imm_aarch64_instrs_integer_conditional_compare_immediate, lower_compare_if},
    {CLAUSE_ccmp_reg_aarch64_instrs_integer_conditional_compare_register, lower_compare_if},
    {CLAUSE_nop_aarch64_instrs_system_hints, lower_nothing},
    {CLAUSE_yield_aarch64_instrs_system_hints, lower_nothing},
    {CLAUSE_sev_aarch64_instrs_system_hints, lower_nothing},
    {CLAUSE_sevl_aarch64_instrs_system_hints, lower_nothing},
    {CLAUSE_esb_aarch64_instrs_system_hints, lower_nothing},
    {CLAUSE_psb_aarch64_instrs_system_hints, lower_nothing},
    {CLAUSE_hint_aarch64_instrs_system_hints, lower_nothing},
    {CLAUSE_dmb_aarch64_instrs_system_barriers_dmb, lower_nothing},
    {CLAUSE_dsb_aarch64_instrs_system_barriers_dsb, lower_nothing},
    {CLAUSE_isb_aarch64_instrs_system_barriers_isb, lower_nothing},
    {CLAUSE_ssbb_aarch64_instrs_system_barriers_ssbb, lower_nothing},
    {CLAUSE_pssbb_aarch64_instrs_system_barriers_pssbb, lower_nothing},
    LOWERINGS_END,
};

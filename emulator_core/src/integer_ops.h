/* The ops of ops_integer.inc as tables: one row an operation, one column a form of the second operand. */
#ifndef CVMDBG_INTEGER_OPS_H
#define CVMDBG_INTEGER_OPS_H

#include "slots.h"

/* An op for 32 and for 64 bits. */
struct widths {
    op_ref w, x;
};

/* clang-format off */
#define DECLARE(name) extern op_fn fast_##name; extern step_fn step_##name;
#define REF(name) {fast_##name, step_##name}
#define DECLARE_WIDTHS(op, form) DECLARE(op##_##form##_x) DECLARE(op##_##form##_w)
#define WIDTHS(op, form) {REF(op##_##form##_w), REF(op##_##form##_x)}

/* ---- add, subtract, logic ------------------------------------------------------------------------------ */

enum form { REG, LSL, LSR, ASR, ROR, UXTB, UXTH, UXTW, SXTB, SXTH, SXTW, FORMS };

#define DECLARE_SHIFTS(op)                                                                                   \
    DECLARE_WIDTHS(op, reg) DECLARE_WIDTHS(op, lsl) DECLARE_WIDTHS(op, lsr) DECLARE_WIDTHS(op, asr)
#define DECLARE_ARITHMETIC(op)                                                                               \
    DECLARE_SHIFTS(op)                                                                                       \
    DECLARE_WIDTHS(op, uxtb) DECLARE_WIDTHS(op, uxth) DECLARE_WIDTHS(op, uxtw)                               \
    DECLARE_WIDTHS(op, sxtb) DECLARE_WIDTHS(op, sxth) DECLARE_WIDTHS(op, sxtw)
#define DECLARE_LOGIC(op) DECLARE_SHIFTS(op) DECLARE_WIDTHS(op, ror)
#define SHIFTS(op)                                                                                           \
    [REG] = WIDTHS(op, reg), [LSL] = WIDTHS(op, lsl), [LSR] = WIDTHS(op, lsr), [ASR] = WIDTHS(op, asr)
#define ARITHMETIC(op)                                                                                       \
    {SHIFTS(op), [UXTB] = WIDTHS(op, uxtb), [UXTH] = WIDTHS(op, uxth), [UXTW] = WIDTHS(op, uxtw),            \
     [SXTB] = WIDTHS(op, sxtb), [SXTH] = WIDTHS(op, sxth), [SXTW] = WIDTHS(op, sxtw)}
#define LOGICAL(op) {SHIFTS(op), [ROR] = WIDTHS(op, ror)}

DECLARE_ARITHMETIC(add) DECLARE_ARITHMETIC(adds) DECLARE_ARITHMETIC(sub) DECLARE_ARITHMETIC(subs)
DECLARE_LOGIC(and) DECLARE_LOGIC(bic) DECLARE_LOGIC(orr) DECLARE_LOGIC(orn)
DECLARE_LOGIC(eor) DECLARE_LOGIC(eon) DECLARE_LOGIC(ands) DECLARE_LOGIC(bics)

/* By op and S, bits 30 and 29. */
static const struct widths arithmetic[4][FORMS] = {
    ARITHMETIC(add), ARITHMETIC(adds), ARITHMETIC(sub), ARITHMETIC(subs)};
/* By opc and N, bits 30, 29 and 21. */
static const struct widths logical[8][FORMS] = {
    LOGICAL(and), LOGICAL(bic), LOGICAL(orr), LOGICAL(orn),
    LOGICAL(eor), LOGICAL(eon), LOGICAL(ands), LOGICAL(bics)};

/* Logical immediates by opc: as IMM extends on 32 and 64 bits, twice, run. */
#define DECLARE_MASKS(op) DECLARE_WIDTHS(op, imm) DECLARE(op##_twice_x) DECLARE(op##_run_x)
#define MASKS(op) {REF(op##_imm_w), REF(op##_imm_x), REF(op##_twice_x), REF(op##_run_x)}
DECLARE_MASKS(and) DECLARE_MASKS(orr) DECLARE_MASKS(eor) DECLARE_MASKS(ands)
static const op_ref masks[4][4] = {MASKS(and), MASKS(orr), MASKS(eor), MASKS(ands)};

/* ---- conditions ---------------------------------------------------------------------------------------- */

#define DECLARE_CONDITION(cond, n)                                                                           \
    DECLARE(csel_x_##cond) DECLARE(csel_w_##cond) DECLARE(csinc_x_##cond) DECLARE(csinc_w_##cond)            \
    DECLARE(csinv_x_##cond) DECLARE(csinv_w_##cond) DECLARE(csneg_x_##cond) DECLARE(csneg_w_##cond)          \
    DECLARE(ccmp_x_##cond) DECLARE(ccmp_w_##cond) DECLARE(ccmp_imm_x_##cond) DECLARE(ccmp_imm_w_##cond)
FOR_CONDITIONS(DECLARE_CONDITION)

/* By op and o2, bits 30 and 10. */
#define SELECT_REFS(cond, n)                                                                                 \
    {{REF(csel_w_##cond), REF(csel_x_##cond)}, {REF(csinc_w_##cond), REF(csinc_x_##cond)},                   \
     {REF(csinv_w_##cond), REF(csinv_x_##cond)}, {REF(csneg_w_##cond), REF(csneg_x_##cond)}},
static const struct widths selects[14][4] = {FOR_CONDITIONS(SELECT_REFS)};

/* Against a register, against an immediate. */
#define COMPARE_REFS(cond, n)                                                                                \
    {{REF(ccmp_w_##cond), REF(ccmp_x_##cond)}, {REF(ccmp_imm_w_##cond), REF(ccmp_imm_x_##cond)}},
static const struct widths compares[14][2] = {FOR_CONDITIONS(COMPARE_REFS)};
/* clang-format on */

#endif

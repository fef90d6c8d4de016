/* Loads and stores of general registers to slots. */
#include "memory_ops.h"
#include "slots.h"

/* ---- tables: row (what), form, authority -> op --------------------------------------------------------- */

enum form { IMM, PRE, POST, PLAIN, LSL, UXTW0, UXTW, SXTW0, SXTW, FORMS };
enum via { DDC, DDCSP, CAP, CAPSP, VIAS };

#define DECLARE_PAIR(VIA, name, ...)                                                                         \
    extern op_fn fast_##name##_imm_##VIA, fast_##name##_pre_##VIA, fast_##name##_post_##VIA;                 \
    extern step_fn step_##name##_imm_##VIA, step_##name##_pre_##VIA, step_##name##_post_##VIA;
#define DECLARE_ONE(VIA, name, form)                                                                         \
    extern op_fn fast_##name##_##form##_##VIA;                                                               \
    extern step_fn step_##name##_##form##_##VIA;
#define DECLARE(VIA, name, ...)                                                                              \
    DECLARE_PAIR(VIA, name)                                                                                  \
    DECLARE_ONE(VIA, name, plain)                                                                            \
    DECLARE_ONE(VIA, name, lsl)                                                                              \
    DECLARE_ONE(VIA, name, uxtw0)                                                                            \
    DECLARE_ONE(VIA, name, uxtw)                                                                             \
    DECLARE_ONE(VIA, name, sxtw0)                                                                            \
    DECLARE_ONE(VIA, name, sxtw)
FOR_LOADS(DECLARE)
FOR_STORES(DECLARE)
FOR_LOAD_PAIRS(DECLARE_PAIR)
FOR_STORE_PAIRS(DECLARE_PAIR)

#define REF(name, form, VIA) {fast_##name##_##form##_##VIA, step_##name##_##form##_##VIA}
#define ROW_PAIR(VIA, name, ...)                                                                             \
    [ROW_##name][IMM][VIA] = REF(name, imm, VIA), [ROW_##name][PRE][VIA] = REF(name, pre, VIA),              \
    [ROW_##name][POST][VIA] = REF(name, post, VIA),
#define ROW(VIA, name, ...)                                                                                  \
    ROW_PAIR(VIA, name)                                                                                      \
    [ROW_##name][PLAIN][VIA] = REF(name, plain, VIA), [ROW_##name][LSL][VIA] = REF(name, lsl, VIA),          \
    [ROW_##name][UXTW0][VIA] = REF(name, uxtw0, VIA), [ROW_##name][UXTW][VIA] = REF(name, uxtw, VIA),        \
    [ROW_##name][SXTW0][VIA] = REF(name, sxtw0, VIA), [ROW_##name][SXTW][VIA] = REF(name, sxtw, VIA),

enum single {
    ROW_strb,
    ROW_ldrb,
    ROW_ldrsb_x,
    ROW_ldrsb_w, /* by size << 2 | opc */
    ROW_strh,
    ROW_ldrh,
    ROW_ldrsh_x,
    ROW_ldrsh_w,
    ROW_str_w,
    ROW_ldr_w,
    ROW_ldrsw,
    ROW_none_w,
    ROW_str_x,
    ROW_ldr_x,
    ROW_prefetch,
    ROW_none_x,
    SINGLES
};
enum pair {
    ROW_stp_w,
    ROW_ldp_w,
    ROW_stp_none,
    ROW_ldpsw,
    ROW_stp_x,
    ROW_ldp_x,
    PAIRS
}; /* by opc << 1 | L */

static const op_ref singles[SINGLES][FORMS][VIAS] = {FOR_LOADS(ROW) FOR_STORES(ROW)};
static const op_ref pairs[PAIRS][FORMS][VIAS] = {FOR_LOAD_PAIRS(ROW_PAIR) FOR_STORE_PAIRS(ROW_PAIR)};

static enum via via_of(struct insn in, unsigned n) { return (in.c64 ? CAP : DDC) + (n == 31 ? 1 : 0); }

/* ---- one register -------------------------------------------------------------------------------------- */

static unsigned scale_of(struct insn in) { return field(in.word, 30, 2); }
static unsigned row_of(struct insn in) { return scale_of(in) << 2 | field(in.word, 22, 2); }
static bool is_load(struct insn in) { return field(in.word, 22, 2) != 0; }

static bool single(struct slot *s, op_ref *op, struct insn in, enum form form, int64_t offset) {
    unsigned t = field(in.word, 0, 5), n = field(in.word, 5, 5);
    s->rd = is_load(in) ? to(t) : from(t);
    s->rn = from_sp(n);
    s->imm = (int32_t)offset;
    *op = singles[row_of(in)][form][via_of(in, n)];
    return op->run ? true : USE_UNDEFINED;
}

static bool lower_unsigned(struct slot *s, op_ref *op, struct insn in) {
    return single(s, op, in, IMM, (int64_t)field(in.word, 10, 12) << scale_of(in));
}

static bool lower_unscaled(struct slot *s, op_ref *op, struct insn in) {
    return single(s, op, in, IMM, signed_field(in.word, 12, 9));
}

/* A load over its own base keeps what it loaded: write-back is suppressed. */
static bool overwrites_base(struct insn in) {
    unsigned t = field(in.word, 0, 5), n = field(in.word, 5, 5);
    return is_load(in) && t == n && n != 31;
}

static bool lower_pre(struct slot *s, op_ref *op, struct insn in) {
    return single(s, op, in, overwrites_base(in) ? IMM : PRE, signed_field(in.word, 12, 9));
}

static bool lower_post(struct slot *s, op_ref *op, struct insn in) {
    if (overwrites_base(in)) return single(s, op, in, IMM, 0);
    return single(s, op, in, POST, signed_field(in.word, 12, 9));
}

static bool lower_register(struct slot *s, op_ref *op, struct insn in) {
    unsigned option = field(in.word, 13, 3);
    enum form unscaled = option == 2 ? UXTW0 : option == 6 ? SXTW0 : PLAIN;
    enum form form = unscaled + (field(in.word, 12, 1) ? 1 : 0);
    s->rm = from(field(in.word, 16, 5));
    return option & 2 ? single(s, op, in, form, 0) : USE_UNDEFINED;
}

static bool lower_nop(struct slot *s, op_ref *op, struct insn in) {
    (void)s, (void)in;
    return USE(nop);
}

/* A prefetch does nothing, but by a register that is no offset it is undefined. */
static bool lower_prefetch_register(struct slot *s, op_ref *op, struct insn in) {
    return field(in.word, 14, 1) ? lower_nop(s, op, in) : USE_UNDEFINED;
}

/* ---- literals ------------------------------------------------------------------------------------------ */

static void literal(struct slot *s, struct insn in) {
    s->rd = to(field(in.word, 0, 5));
    s->imm = (int32_t)signed_field(in.word, 5, 19) * 4;
}

static bool lower_literal(struct slot *s, op_ref *op, struct insn in) {
    literal(s, in);
    return field(in.word, 30, 1) ? USE(ldr_x_literal) : USE(ldr_w_literal);
}

static bool lower_literal_signed(struct slot *s, op_ref *op, struct insn in) {
    literal(s, in);
    return USE(ldrsw_literal);
}

/* ---- pairs --------------------------------------------------------------------------------------------- */

static bool pair(struct slot *s, op_ref *op, struct insn in, enum form form) {
    unsigned t = field(in.word, 0, 5), t2 = field(in.word, 10, 5), n = field(in.word, 5, 5);
    unsigned opc = field(in.word, 30, 2), load = field(in.word, 22, 1);
    int64_t offset = signed_field(in.word, 15, 7) * (opc == 2 ? 8 : 4);
    if (opc == 3 || (load && t == t2)) return USE_UNDEFINED;
    bool over = load && n != 31 && (t == n || t2 == n) && form != IMM;
    s->rd = load ? to(t) : from(t);
    s->rm = load ? to(t2) : from(t2);
    s->rn = from_sp(n);
    s->imm = (int32_t)(over && form == POST ? 0 : offset);
    *op = pairs[opc << 1 | load][over ? IMM : form][via_of(in, n)];
    return op->run ? true : USE_UNDEFINED;
}

static bool lower_pair(struct slot *s, op_ref *op, struct insn in) { return pair(s, op, in, IMM); }
static bool lower_pair_pre(struct slot *s, op_ref *op, struct insn in) { return pair(s, op, in, PRE); }
static bool lower_pair_post(struct slot *s, op_ref *op, struct insn in) { return pair(s, op, in, POST); }

/* ---- rows ---------------------------------------------------------------------------------------------- */

#define SINGLE(m)   CLAUSE_##m##_aarch64_instrs_memory_single_general_immediate
#define POST_IDX(m) CLAUSE_##m##_aarch64_instrs_memory_single_general_immediate_signed_post_idx
#define PRE_IDX(m)  CLAUSE_##m##_aarch64_instrs_memory_single_general_immediate_signed_pre_idx
#define UNSIGNED(m) CLAUSE_##m##_aarch64_instrs_memory_single_general_immediate_unsigned
#define UNSCALED(m) CLAUSE_##m##_aarch64_instrs_memory_single_general_immediate_signed_offset_normal
#define REGISTER(m) CLAUSE_##m##_aarch64_instrs_memory_single_general_register
#define IMMEDIATE_FORMS(m)                                                                                   \
    {UNSIGNED(m), lower_unsigned}, {POST_IDX(m), lower_post}, { PRE_IDX(m), lower_pre }

LOWERINGS(memory) = {
    IMMEDIATE_FORMS(ldr_imm_gen),
    IMMEDIATE_FORMS(str_imm_gen),
    IMMEDIATE_FORMS(ldrb_imm),
    IMMEDIATE_FORMS(strb_imm),
    IMMEDIATE_FORMS(ldrsb_imm),
    IMMEDIATE_FORMS(ldrh_imm),
    IMMEDIATE_FORMS(strh_imm),
    IMMEDIATE_FORMS(ldrsh_imm),
    IMMEDIATE_FORMS(ldrsw_imm),
    {UNSCALED(ldur_gen), lower_unscaled},
    {UNSCALED(stur_gen), lower_unscaled},
    {UNSCALED(ldurb), lower_unscaled},
    {UNSCALED(sturb), lower_unscaled},
    {UNSCALED(ldursb), lower_unscaled},
    {UNSCALED(ldurh), lower_unscaled},
    {UNSCALED(sturh), lower_unscaled},
    {UNSCALED(ldursh), lower_unscaled},
    {UNSCALED(ldursw), lower_unscaled},
    {REGISTER(ldr_reg_gen), lower_register},
    {REGISTER(str_reg_gen), lower_register},
    {REGISTER(ldrb_reg), lower_register},
    {REGISTER(strb_reg), lower_register},
    {REGISTER(ldrsb_reg), lower_register},
    {REGISTER(ldrh_reg), lower_register},
    {REGISTER(strh_reg), lower_register},
    {REGISTER(ldrsh_reg), lower_register},
    {REGISTER(ldrsw_reg), lower_register},
    {UNSIGNED(prfm_imm), lower_nop},
    {UNSCALED(prfum), lower_nop},
    {REGISTER(prfm_reg), lower_prefetch_register},
    {CLAUSE_prfm_lit_aarch64_instrs_memory_literal_general, lower_nop},
    {CLAUSE_ldr_lit_gen_aarch64_instrs_memory_literal_general, lower_literal},
    {CLAUSE_ldrsw_lit_aarch64_instrs_memory_literal_general, lower_literal_signed},
    {CLAUSE_ldnp_gen_aarch64_instrs_memory_pair_general_no_alloc, lower_pair},
    {CLAUSE_stnp_gen_aarch64_instrs_memory_pair_general_no_alloc, lower_pair},
    {CLAUSE_ldp_gen_aarch64_instrs_memory_pair_general_offset, lower_pair},
    {CLAUSE_stp_gen_aarch64_instrs_memory_pair_general_offset, lower_pair},
    {CLAUSE_ldpsw_aarch64_instrs_memory_pair_general_offset, lower_pair},
    {CLAUSE_ldp_gen_aarch64_instrs_memory_pair_general_pre_idx, lower_pair_pre},
    {CLAUSE_stp_gen_aarch64_instrs_memory_pair_general_pre_idx, lower_pair_pre},
    {CLAUSE_ldpsw_aarch64_instrs_memory_pair_general_pre_idx, lower_pair_pre},
    {CLAUSE_ldp_gen_aarch64_instrs_memory_pair_general_post_idx, lower_pair_post},
    {CLAUSE_stp_gen_aarch64_instrs_memory_pair_general_post_idx, lower_pair_post},
    {CLAUSE_ldpsw_aarch64_instrs_memory_pair_general_post_idx, lower_pair_post},
    LOWERINGS_END,
};

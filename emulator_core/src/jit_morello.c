/* Translation of ops_morello.inc. */
#include "jit_branch.h"
#include "jit_memory.h"
#include "memory_ops.h"

#if JIT_HOST

/* ---- whole registers ----------------------------------------------------------------------------------- */

static void copy_word(struct block *b, int32_t to, int32_t from) {
    rm(&b->out, WIDE, OP_MOV, D, CPU, from);
    rm(&b->out, WIDE, OP_STORE, D, CPU, to);
}

/* All of r but its value and its bit of cv, which is set. */
static void copy_capability(struct block *b, unsigned d, unsigned r) {
    struct out *o = &b->out;
    copy_word(b, hi_at(d), hi_at(r));
    copy_word(b, base_at(d), base_at(r));
    copy_word(b, top_load_at(d), top_load_at(r));
    copy_word(b, top_store_at(d), top_store_at(r));
    rm(o, WIDE, OP_MOV, D, CPU, AT_CPU(tg));
    bit_op(o, BIT_RESET, D, d);
    bit_op(o, BIT_TEST, D, r);
    uint8_t *untagged = jump_if(o, CC_AE);
    bit_op(o, BIT_SET, D, d);
    land(o, untagged);
    rm(o, WIDE, OP_STORE, D, CPU, AT_CPU(tg));
}

/* What is known of d afterwards holds for both ways to here. */
static void forget_kind(struct block *b, unsigned d) {
    b->known.integers &= ~bit(d);
    b->known.capabilities &= ~bit(d);
}

static void mov_c(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    (void)how;
    if (s->rd == s->rn) return;
    get_x(b, A, s->rn);
    rm(o, WIDE, OP_STORE, A, CPU, lo_at(s->rd));
    bit_op(o, BIT_RESET, CV, s->rd);
    bit_op(o, BIT_TEST, CV, s->rn);
    uint8_t *integer = jump_if(o, CC_AE);
    bit_op(o, BIT_SET, CV, s->rd);
    copy_capability(b, s->rd, s->rn);
    land(o, integer);
    forget_kind(b, s->rd);
}

/* CHANGE_VALUE to the host register A. */
static void change_value(struct block *b, const struct slot *s) {
    struct out *o = &b->out;
    bit_op(o, BIT_TEST, CV, s->rn);
    uint8_t *integer = jump_if(o, CC_AE);
    uint64_t known = b->known.capabilities;
    b->known.capabilities |= bit(s->rn);
    stays_within(b, s->rn, A);
    b->known.capabilities = known;
    if (s->rd != s->rn) copy_capability(b, s->rd, s->rn);
    bit_op(o, BIT_SET, CV, s->rd);
    uint8_t *done = jump(o);
    land(o, integer);
    bit_op(o, BIT_RESET, CV, s->rd);
    land(o, done);
    rm(o, WIDE, OP_STORE, A, CPU, lo_at(s->rd));
    forget_kind(b, s->rd);
}

static void add_c_imm(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    get_x(b, A, s->rn);
    ri(&b->out, WIDE, IMM_ADD, A, s->imm);
    change_value(b, s);
}

/* how: the opcode that extends RM, its width */
static void add_c(struct block *b, const struct slot *s, const uint8_t *how) {
    unsigned op = how[0] == OP_MOV || how[0] == OP_MOVSXD ? how[0] : 0x0f00u | how[0];
    rm(&b->out, how[1], op, B, CPU, lo_at(s->rm));
    shift(&b->out, WIDE, SHIFT_SHL, B, s->x);
    get_x(b, A, s->rn);
    rr(&b->out, WIDE, OP_ADD, A, B);
    change_value(b, s);
}

static void scvalue(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    get_x(b, A, s->rm);
    change_value(b, s);
}

/* how: does IMM count pages? */
static void adr_c(struct block *b, const struct slot *s, const uint8_t *how) {
    struct out *o = &b->out;
    uint64_t page = (pc_here(b) & PAGE_MASK) + ((uint64_t)(int64_t)s->imm << PAGE_BITS);
    move_imm(o, A, how[0] ? page : pc_here(b) + (uint64_t)(int64_t)s->imm);
    rm(o, WIDE, OP_CMP, A, CPU, base_at(R_PCC));
    miss_if(b, CC_B);
    rm(o, WIDE, OP_CMP, A, CPU, AT_CPU(pcc_top));
    miss_if(b, CC_AE);
    rm(o, WIDE, OP_STORE, A, CPU, lo_at(s->rd));
    copy_word(b, hi_at(s->rd), hi_at(R_PCC));
    bounds_are_unknown(b, s->rd);
    tag_is_set(b, s->rd);
    is_capability(b, s->rd);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static unsigned base_of(const struct slot *s, const uint8_t *how) {
    return how[1] == DDCSP || how[1] == CAPSP ? R_SP : s->rn;
}
static enum jit_via via_of(const uint8_t *how) { return how[1] >= CAP ? VIA_CAP : VIA_DDC; }
static unsigned authority(const struct slot *s, const uint8_t *how) {
    return via_of(how) == VIA_CAP ? base_of(s, how) : R_DDC;
}

/* how: form, authority. A is the address, C the bias of bytes, B that of tags. */
static void access_begin(struct block *b, const struct slot *s, const uint8_t *how, unsigned size,
                         enum jit_access access) {
    static const uint8_t index_of[] = {[LSL] = BY_X, [UXTW] = BY_UXTW, [SXTW] = BY_SXTW};
    struct out *o = &b->out;
    unsigned base = base_of(s, how);
    if (how[0] == PRE || how[0] == POST) may_move(b, via_of(how), base, s->imm);
    base_address(b, base, base == R_SP && (how[1] == DDCSP || how[1] == CAPSP));
    if (how[0] >= PLAIN) {
        shifted_index(b, B, s->rm, index_of[how[0]], s->x);
        rr(o, WIDE, OP_ADD, A, B);
    } else if (how[0] != POST && s->imm)
        ri(o, WIDE, IMM_ADD, A, s->imm);
    test_imm(o, A, EMU_GRANULE - 1);
    miss_if(b, CC_NE);
    access_is_allowed(b, via_of(how), base, size, access);
}
static void access_end(struct block *b, const struct slot *s, const uint8_t *how) {
    if (how[0] == PRE || how[0] == POST) move_base(b, via_of(how), base_of(s, how), s->imm);
}

/* D has a bit set for each permission that register r lacks. */
static void lacking(struct block *b, unsigned r) {
    rm(&b->out, WIDE, OP_MOV, D, CPU, hi_at(r));
    unary(&b->out, WIDE, UNARY_NOT, D);
    shift(&b->out, WIDE, SHIFT_SHR, D, 46);
}

/* B becomes the tags, a byte for each; what is tagged may be loaded only under permissions. */
static void look_at_tags(struct block *b, const struct slot *s, const uint8_t *how, unsigned count) {
    struct out *o = &b->out;
    move(o, D, A);
    shift(o, WIDE, SHIFT_SHR, D, 4);
    rmx(o, NARROW, count == 2 ? OP_MOVZX16 : OP_MOVZX8, B, B, D, 0, 0);
    rr(o, NARROW, OP_TEST, B, B);
    uint8_t *untagged = jump_if(o, CC_E);
    lacking(b, authority(s, how));
    test_imm(o, D, CAP_PERM_LOAD_CAP | CAP_PERM_MUTABLE_LOAD);
    miss_if(b, CC_NE);
    land(o, untagged);
}

/* SET_CAP of the words at C + disp; the tag is bit 0 of B. */
static void load_whole(struct block *b, unsigned r, int32_t disp) {
    struct out *o = &b->out;
    rm(o, WIDE, OP_MOV, A, C, disp);
    rm(o, WIDE, OP_MOV, D, C, disp + 8);
    rm(o, WIDE, OP_STORE, A, CPU, lo_at(r));
    rm(o, WIDE, OP_STORE, D, CPU, hi_at(r));
    bounds_are_unknown(b, r);
    rm(o, WIDE, OP_MOV, D, CPU, AT_CPU(tg));
    bit_op(o, BIT_RESET, D, r);
    rr(o, NARROW, OP_MOVZX8, A, B);
    shift(o, WIDE, SHIFT_SHL, A, r);
    rr(o, WIDE, OP_OR, D, A);
    rm(o, WIDE, OP_STORE, D, CPU, AT_CPU(tg));
    is_capability(b, r);
}

static void load_c(struct block *b, const struct slot *s, const uint8_t *how) {
    access_begin(b, s, how, EMU_GRANULE, LOADS_TAGS);
    look_at_tags(b, s, how, 1);
    rr(&b->out, WIDE, OP_ADD, C, A);
    access_end(b, s, how);
    load_whole(b, s->rd, 0);
}

static void load_pair_c(struct block *b, const struct slot *s, const uint8_t *how) {
    access_begin(b, s, how, 2 * EMU_GRANULE, LOADS_TAGS);
    look_at_tags(b, s, how, 2);
    rr(&b->out, WIDE, OP_ADD, C, A);
    access_end(b, s, how);
    load_whole(b, s->rd, 0);
    shift(&b->out, NARROW, SHIFT_SHR, B, 8);
    load_whole(b, s->rm, EMU_GRANULE);
}

/* A tagged register needs StoreCap of the authority, and StoreLocal if it is not Global. */
static void may_store(struct block *b, unsigned r, unsigned authority) {
    struct out *o = &b->out;
    if (b->known.integers & bit(r)) return;
    rm(o, WIDE, OP_MOV, D, CPU, AT_CPU(tg));
    rr(o, WIDE, OP_AND, D, CV);
    bit_op(o, BIT_TEST, D, r);
    uint8_t *untagged = jump_if(o, CC_AE);
    lacking(b, authority);
    test_imm(o, D, CAP_PERM_STORE_CAP);
    miss_if(b, CC_NE);
    test_imm(o, D, CAP_PERM_STORE_LOCAL);
    uint8_t *local_too = jump_if(o, CC_E);
    lacking(b, r);
    test_imm(o, D, CAP_PERM_GLOBAL);
    miss_if(b, CC_NE);
    land(o, local_too);
    land(o, untagged);
}

static void store_words(struct block *b, unsigned r, int32_t disp) {
    struct out *o = &b->out;
    get_x(b, D, r);
    rmx(o, WIDE, OP_STORE, D, C, A, 0, disp);
    clear(o, D);
    if (!(b->known.integers & bit(r))) {
        bit_op(o, BIT_TEST, CV, r);
        rm(o, WIDE, OP_CMOV | CC_B, D, CPU, hi_at(r));
    }
    rmx(o, WIDE, OP_STORE, D, C, A, 0, disp + 8);
}

/* C + B is where the first tag stands. */
static void store_tag(struct block *b, unsigned r, int32_t disp) {
    struct out *o = &b->out;
    rm(o, WIDE, OP_MOV, D, CPU, AT_CPU(tg));
    rr(o, WIDE, OP_AND, D, CV);
    shift(o, WIDE, SHIFT_SHR, D, r);
    ri(o, NARROW, IMM_AND, D, 1);
    rmx(o, NARROW, OP_STORE8, D, B, C, 0, disp);
}

static void store_registers(struct block *b, const struct slot *s, const uint8_t *how, const uint8_t *r,
                            unsigned count) {
    access_begin(b, s, how, count * EMU_GRANULE, STORES);
    for (unsigned i = 0; i < count; i++) may_store(b, r[i], authority(s, how));
    for (unsigned i = 0; i < count; i++) store_words(b, r[i], (int32_t)(i * EMU_GRANULE));
    move(&b->out, C, A);
    shift(&b->out, WIDE, SHIFT_SHR, C, 4);
    for (unsigned i = 0; i < count; i++) store_tag(b, r[i], (int32_t)i);
    access_end(b, s, how);
}

static void store_c(struct block *b, const struct slot *s, const uint8_t *how) {
    store_registers(b, s, how, &s->rd, 1);
}
static void store_pair_c(struct block *b, const struct slot *s, const uint8_t *how) {
    store_registers(b, s, how, (const uint8_t[]){s->rd, s->rm}, 2);
}

/* ---- branches ------------------------------------------------------------------------------------------ */

enum { SEAL_LSB = 31, SEAL_MASK = 0x7fff };

/* STAYS_IN_PCC(RM) and bit 0 as the mode has it. Then A is the target. */
static void target_of_capability(struct block *b, const struct slot *s, bool c64) {
    struct out *o = &b->out;
    capability_stands(b, s->rm);
    get_x(b, A, s->rm);
    test_imm(o, A, 1);
    miss_if(b, c64 ? CC_E : CC_NE);
    rm(o, WIDE, OP_MOV, D, CPU, AT_CPU(tg));
    bit_op(o, BIT_TEST, D, s->rm);
    miss_if(b, CC_AE);
    rm(o, WIDE, OP_MOV, D, CPU, hi_at(s->rm));
    move(o, C, D);
    shift(o, WIDE, SHIFT_SHR, C, SEAL_LSB);
    ri(o, NARROW, IMM_AND, C, SEAL_MASK);
    ri(o, NARROW, IMM_CMP, C, CAP_SEAL_TYPE_RB);
    miss_if(b, CC_A);
    shift(o, WIDE, SHIFT_SHL, C, SEAL_LSB);
    rr(o, WIDE, OP_XOR, D, C);
    rm(o, WIDE, OP_CMP, D, CPU, hi_at(R_PCC));
    miss_if(b, CC_NE);
    rm(o, WIDE, OP_CMP, A, CPU, base_at(R_PCC));
    miss_if(b, CC_B);
    rm(o, WIDE, OP_CMP, A, CPU, AT_CPU(pcc_top));
    miss_if(b, CC_AE);
    if (c64) ri(o, WIDE, IMM_SUB, A, 1);
}

/* how: C64 */
static void br_c(struct block *b, const struct slot *s, const uint8_t *how) {
    target_of_capability(b, s, how[0]);
    far_is_ready(b);
    go_far(b);
}
static void blr_c(struct block *b, const struct slot *s, const uint8_t *how) {
    uint64_t link = pc_here(b) + 4 + how[0];
    target_of_capability(b, s, how[0]);
    link_fits(b, link);
    far_is_ready(b);
    link_set(b, link);
    go_far(b);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* clang-format off */
#define FOR_PAIR_FORMS(M, VIA, name, emit) \
    M(VIA, name, emit, imm, IMM) M(VIA, name, emit, pre, PRE) M(VIA, name, emit, post, POST)
#define FOR_FORMS(M, VIA, name, emit) FOR_PAIR_FORMS(M, VIA, name, emit) \
    M(VIA, name, emit, lsl, LSL) M(VIA, name, emit, uxtw, UXTW) M(VIA, name, emit, sxtw, SXTW)
#define DECLARE(VIA, name, emit, form, FORM) extern step_fn step_##name##_##form##_##VIA;
#define ROW(VIA, name, emit, form, FORM) {JIT_OP(step_##name##_##form##_##VIA), emit, {FORM, VIA}, FLOW_ON},
#define MEMORY(VIA, M) \
    FOR_FORMS(M, VIA, ldr_c, load_c) FOR_FORMS(M, VIA, str_c, store_c) \
    FOR_PAIR_FORMS(M, VIA, ldp_c, load_pair_c) FOR_PAIR_FORMS(M, VIA, stp_c, store_pair_c)
FOR_VIAS(MEMORY, DECLARE)

#define VALUES(M) \
    M(mov_c, mov_c, 0) M(add_c_imm, add_c_imm, 0) M(scvalue, scvalue, 0) \
    M(add_c_lsl, add_c, OP_MOV, WIDE) M(add_c_uxtw, add_c, OP_MOV, NARROW) M(add_c_sxtw, add_c, OP_MOVSXD, WIDE) \
    M(add_c_uxtb, add_c, OP_MOVZX8 & 0xff, NARROW) M(add_c_uxth, add_c, OP_MOVZX16 & 0xff, NARROW) \
    M(add_c_sxtb, add_c, OP_MOVSX8 & 0xff, WIDE) M(add_c_sxth, add_c, OP_MOVSX16 & 0xff, WIDE) \
    M(adr_c, adr_c, 0) M(adrp_c, adr_c, 1)
#define DECLARE_VALUE(name, ...) extern step_fn step_##name;
#define VALUE_ROW(name, emit, ...) {JIT_OP(step_##name), emit, {__VA_ARGS__}, FLOW_ON},
VALUES(DECLARE_VALUE)
extern step_fn step_br_c_a64, step_br_c_c64, step_blr_c_a64, step_blr_c_c64;

JIT_ROWS(morello) = {
    FOR_VIAS(MEMORY, ROW)
    VALUES(VALUE_ROW)
    {JIT_OP(step_br_c_a64), br_c, {0}, FLOW_AWAY},
    {JIT_OP(step_br_c_c64), br_c, {1}, FLOW_AWAY},
    {JIT_OP(step_blr_c_a64), blr_c, {0}, FLOW_AWAY},
    {JIT_OP(step_blr_c_c64), blr_c, {1}, FLOW_AWAY},
    JIT_ROWS_END
};
/* clang-format on */

#endif

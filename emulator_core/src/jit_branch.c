/* Translation of ops_branch.inc. */
#include "jit_branch.h"

#if JIT_HOST

/* ---- far: to another page, or to a register ------------------------------------------------------------ */

enum { ENTRY_BITS = 5, DROPPED = ~CODE_KEY_DROPS };
_Static_assert(sizeof(struct code_entry) == 1 << ENTRY_BITS, "indexed by shifts");
#define IN_CACHE(member) (AT_CPU(code) + (int32_t)offsetof(struct code_entry, member))

/* B is the offset of the target's entry, C its key: it must be there under these bounds of PCC. */
static void entry_fits(struct block *b) {
    struct out *o = &b->out;
    rmx(o, WIDE, OP_CMP, C, CPU, B, 0, IN_CACHE(key));
    miss_if(b, CC_NE);
    rm(o, WIDE, OP_MOV, C, CPU, base_at(R_PCC));
    rmx(o, WIDE, OP_CMP, C, CPU, B, 0, IN_CACHE(base));
    miss_if(b, CC_NE);
    rm(o, WIDE, OP_MOV, C, CPU, AT_CPU(pcc_top));
    rmx(o, WIDE, OP_CMP, C, CPU, B, 0, IN_CACHE(top));
    miss_if(b, CC_NE);
}

static uint64_t key_of_mode(const struct block *b) { return b->page->c64 ? CODE_KEY_C64 : 0; }

/* FAR_READY of the address in A. */
void far_is_ready(struct block *b) {
    struct out *o = &b->out;
    move(o, B, A);
    shift(o, WIDE, SHIFT_SHR, B, PAGE_BITS - ENTRY_BITS);
    ri(o, NARROW, IMM_AND, B, (CODE_CACHE_SIZE - 1) << ENTRY_BITS);
    move(o, C, A);
    ri(o, WIDE, IMM_AND, C, DROPPED);
    if (b->page->c64) ri(o, WIDE, IMM_OR, C, CODE_KEY_C64);
    entry_fits(b);
}

static void far_is_ready_at(struct block *b, uint64_t target) {
    struct out *o = &b->out;
    move_imm(o, B, (target >> PAGE_BITS & (CODE_CACHE_SIZE - 1)) << ENTRY_BITS);
    move_imm(o, C, (target & ~(uint64_t)CODE_KEY_DROPS) | key_of_mode(b));
    entry_fits(b);
}

/* BRANCH_FAR to the address in A, once it is ready. */
void go_far(struct block *b) {
    struct out *o = &b->out;
    ri(o, NARROW, IMM_AND, A, CODE_KEY_DROPS);
    move32(o, C, A);
    shift(o, NARROW, SHIFT_SHR, C, 2);
    rr(o, WIDE, OP_SUB, TICKS, C);
    ri(o, WIDE, IMM_ADD, TICKS, (int32_t)b->index + 1);
    rmx(o, WIDE, OP_MOV, SLOT, CPU, B, 0, IN_CACHE(page));
    rm(o, WIDE, OP_STORE, SLOT, CPU, AT_CPU(page));
    rmx(o, WIDE, OP_LEA, SLOT, SLOT, A, 2, 0);
    check_budget(b);
    jump_through(o, SLOT, offsetof(struct slot, run));
}

static void go_far_to(struct block *b, uint64_t target) {
    struct out *o = &b->out;
    int32_t index = (int32_t)(target >> 2 & (PAGE_SLOTS - 1));
    far_is_ready_at(b, target);
    ri(o, WIDE, IMM_ADD, TICKS, (int32_t)b->index + 1 - index);
    rmx(o, WIDE, OP_MOV, SLOT, CPU, B, 0, IN_CACHE(page));
    rm(o, WIDE, OP_STORE, SLOT, CPU, AT_CPU(page));
    if (index) ri(o, WIDE, IMM_ADD, SLOT, index * (int32_t)sizeof(struct slot));
    check_budget(b);
    jump_through(o, SLOT, offsetof(struct slot, run));
}

/* ---- links --------------------------------------------------------------------------------------------- */

static void link_a64(struct block *b) {
    move_imm(&b->out, C, pc_here(b) + 4);
    rm(&b->out, WIDE, OP_SUB, C, CPU, AT_CPU(pcc_offset));
    set_x(b, 30, C);
}

/* The link lies within PCC. */
void link_fits(struct block *b, uint64_t link) {
    move_imm(&b->out, C, link);
    rm(&b->out, WIDE, OP_CMP, C, CPU, AT_CPU(pcc_top));
    miss_if(b, CC_AE);
}

void link_set(struct block *b, uint64_t link) {
    struct out *o = &b->out;
    move_imm(o, C, link);
    rm(o, WIDE, OP_STORE, C, CPU, lo_at(30));
    rm(o, WIDE, OP_MOV, C, CPU, hi_at(R_PCC));
    rm(o, WIDE, OP_OR, C, CPU, AT_CPU(link_seal));
    rm(o, WIDE, OP_STORE, C, CPU, hi_at(30));
    bounds_are_unknown(b, 30);
    tag_is_set(b, 30);
    is_capability(b, 30);
}

/* ---- ops ----------------------------------------------------------------------------------------------- */

static unsigned target_slot(const struct block *b, const struct slot *s) {
    return (unsigned)((int)b->index + s->imm);
}
static uint64_t target_address(const struct block *b, const struct slot *s) {
    return pc_here(b) + (uint64_t)(int64_t)s->imm;
}

static void b_near(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    take(b, target_slot(b, s));
}
static void b_far(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    go_far_to(b, target_address(b, s));
}

static void go_if(struct block *b, const struct slot *s, enum cc cc, bool far) {
    if (!far) {
        take_if(b, cc, target_slot(b, s));
        return;
    }
    uint8_t *on = jump_if(&b->out, cc ^ 1);
    go_far_to(b, target_address(b, s));
    land(&b->out, on);
}

/* how: is it far, condition */
static void b_cond(struct block *b, const struct slot *s, const uint8_t *how) {
    go_if(b, s, condition(b, how[1]), how[0]);
}

/* how: is it far, width, the host's condition */
static void compare_zero(struct block *b, const struct slot *s, const uint8_t *how) {
    rm(&b->out, how[1], 0x83, IMM_CMP, CPU, lo_at(s->rd));
    put8(&b->out, 0);
    go_if(b, s, how[2], how[0]);
}

/* how: is it far, the host's condition */
static void test_bit(struct block *b, const struct slot *s, const uint8_t *how) {
    get_x(b, A, s->rd);
    bit_op(&b->out, BIT_TEST, A, s->x);
    go_if(b, s, how[1], how[0]);
}

/* how: is it far */
static void bl_a64(struct block *b, const struct slot *s, const uint8_t *how) {
    link_a64(b);
    (how[0] ? b_far : b_near)(b, s, how);
}
static void bl_c64(struct block *b, const struct slot *s, const uint8_t *how) {
    link_fits(b, pc_here(b) + 5);
    link_set(b, pc_here(b) + 5);
    (how[0] ? b_far : b_near)(b, s, how);
}

static void target_of_register(struct block *b, const struct slot *s) {
    get_x(b, A, s->rn);
    rm(&b->out, WIDE, OP_ADD, A, CPU, AT_CPU(pcc_offset));
    far_is_ready(b);
}

static void br(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    target_of_register(b, s);
    go_far(b);
}
static void blr_a64(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    target_of_register(b, s);
    link_a64(b);
    go_far(b);
}
static void blr_c64(struct block *b, const struct slot *s, const uint8_t *how) {
    (void)how;
    link_fits(b, pc_here(b) + 5);
    target_of_register(b, s);
    link_set(b, pc_here(b) + 5);
    go_far(b);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* clang-format off */
#define DECLARE(name) extern step_fn step_##name##_near, step_##name##_far;
#define ROWS(name, emit, ...) \
    {JIT_OP(step_##name##_near), emit, {0, ##__VA_ARGS__}, FLOW_NEAR_IF}, \
    {JIT_OP(step_##name##_far), emit, {1, ##__VA_ARGS__}, FLOW_ON},
#define DECLARE_COND(cond, n) DECLARE(b_##cond)
#define COND_ROWS(cond, n) ROWS(b_##cond, b_cond, n)
FOR_CONDITIONS(DECLARE_COND)
DECLARE(cbz_x) DECLARE(cbz_w) DECLARE(cbnz_x) DECLARE(cbnz_w) DECLARE(tbz) DECLARE(tbnz)
extern step_fn step_b_near, step_b_far, step_bl_a64_near, step_bl_a64_far, step_bl_c64_near, step_bl_c64_far;
extern step_fn step_br, step_blr_a64, step_blr_c64;

JIT_ROWS(branch) = {
    FOR_CONDITIONS(COND_ROWS)
    ROWS(cbz_x, compare_zero, WIDE, CC_E) ROWS(cbz_w, compare_zero, NARROW, CC_E)
    ROWS(cbnz_x, compare_zero, WIDE, CC_NE) ROWS(cbnz_w, compare_zero, NARROW, CC_NE)
    ROWS(tbz, test_bit, CC_AE) ROWS(tbnz, test_bit, CC_B)
    {JIT_OP(step_b_near), b_near, {0}, FLOW_NEAR},
    {JIT_OP(step_b_far), b_far, {0}, FLOW_AWAY},
    {JIT_OP(step_bl_a64_near), bl_a64, {0}, FLOW_NEAR},
    {JIT_OP(step_bl_a64_far), bl_a64, {1}, FLOW_AWAY},
    {JIT_OP(step_bl_c64_near), bl_c64, {0}, FLOW_NEAR},
    {JIT_OP(step_bl_c64_far), bl_c64, {1}, FLOW_AWAY},
    {JIT_OP(step_br), br, {0}, FLOW_AWAY},
    {JIT_OP(step_blr_a64), blr_a64, {0}, FLOW_AWAY},
    {JIT_OP(step_blr_c64), blr_c64, {0}, FLOW_AWAY},
    JIT_ROWS_END
};
/* clang-format on */

#endif

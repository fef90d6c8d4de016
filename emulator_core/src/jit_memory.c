/* Translation of ops_memory.inc: one comparison for the page, two for a capability's bounds. */
#include "jit_memory.h"
#include "access.h"
#include "memory_ops.h"

#if JIT_HOST

/* ---- addresses ----------------------------------------------------------------------------------------- */

void shifted_index(struct block *b, unsigned host, unsigned r, enum index_form form, unsigned scale) {
    if (form == BY_X)
        get_x(b, host, r);
    else if (form == BY_UXTW)
        get_w(b, host, r);
    else
        rm(&b->out, WIDE, OP_MOVSXD, host, CPU, lo_at(r));
    shift(&b->out, WIDE, SHIFT_SHL, host, scale);
}

static void sp_is_aligned(struct block *b) {
    rm(&b->out, WIDE, OP_MOV, A, CPU, lo_at(R_SP));
    rm(&b->out, WIDE, OP_TEST, A, CPU, AT_CPU(sp_mask));
    miss_if(b, CC_NE);
}

void base_address(struct block *b, unsigned r, bool is_sp) {
    if (is_sp)
        sp_is_aligned(b);
    else
        get_x(b, A, r);
}

/* ---- checks -------------------------------------------------------------------------------------------- */

static void compare_with_top(struct block *b, unsigned r, unsigned size, bool store) {
    rm(&b->out, WIDE, OP_LEA, B, A, (int32_t)size);
    rm(&b->out, WIDE, OP_CMP, B, CPU, store ? top_store_at(r) : top_load_at(r));
}

enum { STUB_STORES = 1 << 8 };

/* The bounds may not have been decoded since the register was written: do so, then look again. */
static void decode_bounds(struct block *b, const struct stub *stub) {
    unsigned r = (unsigned)stub->operand;
    b->index = stub->index;
    rm(&b->out, WIDE, OP_STORE, CV, CPU, AT_CPU(cv));
    move(&b->out, C, A);
    call_keeping(b, (const void *)(uintptr_t)bounds_cache, r);
    move(&b->out, A, C);
    compare_with_top(b, r, stub->size & 0xff, stub->size & STUB_STORES);
    miss_if(b, CC_A);
    land_at(jump(&b->out), stub->back);
}

/* Register r is a capability whose bounds and permissions hold the access at A. */
static void capability_allows(struct block *b, unsigned r, unsigned size, bool store) {
    struct out *o = &b->out;
    capability_stands(b, r);
    compare_with_top(b, r, size, store);
    uint8_t *from = jump_if(o, CC_A);
    stub_add(b, (struct stub){decode_bounds, from, o->at, (uint16_t)b->index, (int16_t)r,
                              size | (store ? STUB_STORES : 0)});
    rm(o, WIDE, OP_CMP, A, CPU, base_at(r));
    miss_if(b, CC_B);
}

/* The page may be watched elsewhere than where the access is: is_clear of ops_fast.h. C is its last page. */
static void look_at_watch(struct block *b, const struct stub *stub) {
    struct out *o = &b->out;
    int32_t entry = stub->operand == VIA_CAP ? AT_CPU(tlb_va) : AT_CPU(tlb_ddc);
    int32_t watch = stub->operand == VIA_CAP ? AT_CPU(watch_va) : AT_CPU(watch_ddc);
    int32_t span = watch + (int32_t)(stub->size & STUB_STORES ? offsetof(struct tlb_watch, wtag)
                                                              : offsetof(struct tlb_watch, rtag));
    int32_t size = stub->size & 0xff;
    b->index = stub->index;
    ri(o, WIDE, IMM_OR, C, TLB_WATCHED);
    rmx(o, WIDE, OP_CMP, C, CPU, B, 0,
        entry + (int32_t)(stub->size & STUB_STORES ? offsetof(struct tlb_entry, wtag)
                                                   : offsetof(struct tlb_entry, rtag)));
    miss_if(b, CC_NE);
    rmx(o, WIDE, OP_MOV, D, CPU, B, 0, span + (int32_t)offsetof(struct watch_span, start));
    rr(o, WIDE, OP_SUB, D, A);
    ri(o, WIDE, IMM_CMP, D, size);
    miss_if(b, CC_B);
    unary(o, WIDE, UNARY_NEG, D);
    rmx(o, WIDE, OP_CMP, D, CPU, B, 0, span + (int32_t)offsetof(struct watch_span, size));
    miss_if(b, CC_B);
    land_at(jump(o), stub->back);
}

/* The page of A is in the TLB, for all bytes of the access: B is the entry's place. */
static void page_is_there(struct block *b, enum jit_via via, unsigned size, bool store) {
    struct out *o = &b->out;
    int32_t tlb = via == VIA_CAP ? AT_CPU(tlb_va) : AT_CPU(tlb_ddc);
    int32_t tag = store ? offsetof(struct tlb_entry, wtag) : offsetof(struct tlb_entry, rtag);
    move(o, B, A);
    shift(o, WIDE, SHIFT_SHR, B, PAGE_BITS - TLB_ENTRY_BITS);
    ri(o, NARROW, IMM_AND, B, (TLB_SIZE - 1) << TLB_ENTRY_BITS);
    if (size > 1)
        rm(o, WIDE, OP_LEA, C, A, (int32_t)size - 1);
    else
        move(o, C, A);
    ri(o, WIDE, IMM_AND, C, -EMU_PAGE);
    rmx(o, WIDE, OP_CMP, C, CPU, B, 0, tlb + tag);
    uint8_t *from = jump_if(o, CC_NE);
    stub_add(b, (struct stub){look_at_watch, from, o->at, (uint16_t)b->index, (int16_t)via,
                              size | (store ? STUB_STORES : 0)});
}

void access_is_allowed(struct block *b, enum jit_via via, unsigned r, unsigned size, enum jit_access access) {
    int32_t tlb = via == VIA_CAP ? AT_CPU(tlb_va) : AT_CPU(tlb_ddc);
    if (via == VIA_CAP) capability_allows(b, r, size, access == STORES);
    page_is_there(b, via, size, access == STORES);
    rmx(&b->out, WIDE, OP_MOV, C, CPU, B, 0, tlb + (int32_t)offsetof(struct tlb_entry, host));
    if (access != LOADS)
        rmx(&b->out, WIDE, OP_MOV, B, CPU, B, 0, tlb + (int32_t)offsetof(struct tlb_entry, tags));
}

static void clear_tag(struct block *b, int32_t offset) {
    rm(&b->out, WIDE, OP_LEA, C, A, offset);
    shift(&b->out, WIDE, SHIFT_SHR, C, 4);
    store_byte_imm(&b->out, B, C, 0, 0);
}

/* Of all granules that the bytes touch, aligned or not. */
void clear_tags(struct block *b, unsigned size) {
    clear_tag(b, 0);
    if (size > 16) clear_tag(b, 16);
    if (size > 1) clear_tag(b, (int32_t)size - 1);
}

/* ---- write-back ---------------------------------------------------------------------------------------- */

/* WITHIN: r's bounds are cached, hold its value and the host register's. */
void stays_within(struct block *b, unsigned r, unsigned host) {
    struct out *o = &b->out;
    capability_stands(b, r);
    rm(o, WIDE, OP_MOV, D, CPU, top_load_at(r));
    rm(o, WIDE, OP_OR, D, CPU, top_store_at(r));
    miss_if(b, CC_E);
    rr(o, WIDE, OP_CMP, host, D);
    miss_if(b, CC_A);
    rm(o, WIDE, OP_CMP, D, CPU, lo_at(r));
    miss_if(b, CC_B);
    rm(o, WIDE, OP_MOV, D, CPU, base_at(r));
    rr(o, WIDE, OP_CMP, host, D);
    miss_if(b, CC_B);
    rm(o, WIDE, OP_CMP, D, CPU, lo_at(r));
    miss_if(b, CC_A);
}

/* Before the access: may the base move by IMM? Changes C and D. */
void may_move(struct block *b, enum jit_via via, unsigned r, int32_t by) {
    if (via == VIA_DDC) return;
    rm(&b->out, WIDE, OP_MOV, C, CPU, lo_at(r));
    ri(&b->out, WIDE, IMM_ADD, C, by);
    stays_within(b, r, C);
}

/* After it. */
void move_base(struct block *b, enum jit_via via, unsigned r, int32_t by) {
    rm(&b->out, WIDE, is_byte(by) ? 0x83 : 0x81, IMM_ADD, CPU, lo_at(r));
    if (is_byte(by))
        put8(&b->out, (uint8_t)by);
    else
        put32(&b->out, (uint32_t)by);
    if (via == VIA_DDC) is_integer(b, r);
}

/* ---- ops ----------------------------------------------------------------------------------------------- */

/* What is moved: bytes, and how a load fills the register. */
enum type { U8, S8X, S8W, U16, S16X, S16W, U32, S32X, U64 };
static const struct {
    uint16_t load;
    uint8_t wide, size;
} types[] = {
    [U8] = {OP_MOVZX8, NARROW, 1},   [S8X] = {OP_MOVSX8, WIDE, 1},   [S8W] = {OP_MOVSX8, NARROW, 1},
    [U16] = {OP_MOVZX16, NARROW, 2}, [S16X] = {OP_MOVSX16, WIDE, 2}, [S16W] = {OP_MOVSX16, NARROW, 2},
    [U32] = {OP_MOV, NARROW, 4},     [S32X] = {OP_MOVSXD, WIDE, 4},  [U64] = {OP_MOV, WIDE, 8},
};

/* The address of form how[1] in A. how: type, form, authority */
static void address(struct block *b, const struct slot *s, const uint8_t *how, bool moves_first) {
    static const struct {
        uint8_t form, scaled;
    } indexed[] = {[PLAIN] = {BY_X, 0},   [LSL] = {BY_X, 1},      [UXTW0] = {BY_UXTW, 0},
                   [UXTW] = {BY_UXTW, 1}, [SXTW0] = {BY_SXTW, 0}, [SXTW] = {BY_SXTW, 1}};
    bool is_sp = how[2] == DDCSP || how[2] == CAPSP;
    base_address(b, is_sp ? R_SP : s->rn, is_sp);
    if (how[1] >= PLAIN) {
        unsigned scale = indexed[how[1]].scaled ? (unsigned)__builtin_ctz(types[how[0]].size) : 0;
        shifted_index(b, B, s->rm, indexed[how[1]].form, scale);
        rr(&b->out, WIDE, OP_ADD, A, B);
    } else if (moves_first && s->imm)
        ri(&b->out, WIDE, IMM_ADD, A, s->imm);
}

static enum jit_via authority(const uint8_t *how) { return how[2] >= CAP ? VIA_CAP : VIA_DDC; }
static unsigned base_of(const struct slot *s, const uint8_t *how) {
    return how[2] == DDCSP || how[2] == CAPSP ? R_SP : s->rn;
}

/* Checks of an access of so many bytes; then A is its address, C the host's bias, for stores B that of tags.
 */
static void access_begin(struct block *b, const struct slot *s, const uint8_t *how, unsigned size,
                         enum jit_access access) {
    bool moves = how[1] == PRE || how[1] == POST;
    if (moves) may_move(b, authority(how), base_of(s, how), s->imm);
    address(b, s, how, how[1] != POST);
    access_is_allowed(b, authority(how), base_of(s, how), size, access);
}
static void access_end(struct block *b, const struct slot *s, const uint8_t *how) {
    if (how[1] == PRE || how[1] == POST) move_base(b, authority(how), base_of(s, how), s->imm);
}

static void load_at(struct block *b, enum type type, unsigned host, int32_t disp) {
    rmx(&b->out, types[type].wide, types[type].load, host, C, A, 0, disp);
}

static void load(struct block *b, const struct slot *s, const uint8_t *how) {
    access_begin(b, s, how, types[how[0]].size, LOADS);
    load_at(b, how[0], A, 0);
    access_end(b, s, how);
    set_x(b, s->rd, A);
}

static void load_pair(struct block *b, const struct slot *s, const uint8_t *how) {
    access_begin(b, s, how, 2u * types[how[0]].size, LOADS);
    load_at(b, how[0], B, 0);
    load_at(b, how[0], A, types[how[0]].size);
    access_end(b, s, how);
    set_x(b, s->rd, B);
    set_x(b, s->rm, A);
}

static void store_at(struct block *b, enum type type, unsigned r, int32_t disp) {
    struct out *o = &b->out;
    get_x(b, D, r);
    switch (types[type].size) {
    case 1: rmx(o, NARROW, OP_STORE8, D, C, A, 0, disp); break;
    case 2: rmx(o, NARROW, OP_STORE | PREFIX_66, D, C, A, 0, disp); break;
    case 4: rmx(o, NARROW, OP_STORE, D, C, A, 0, disp); break;
    default: rmx(o, WIDE, OP_STORE, D, C, A, 0, disp);
    }
}

static void store(struct block *b, const struct slot *s, const uint8_t *how) {
    access_begin(b, s, how, types[how[0]].size, STORES);
    store_at(b, how[0], s->rd, 0);
    clear_tags(b, types[how[0]].size);
    access_end(b, s, how);
}

static void store_pair(struct block *b, const struct slot *s, const uint8_t *how) {
    unsigned size = types[how[0]].size;
    access_begin(b, s, how, 2 * size, STORES);
    store_at(b, how[0], s->rd, 0);
    store_at(b, how[0], s->rm, (int32_t)size);
    clear_tags(b, 2 * size);
    access_end(b, s, how);
}

static void load_literal(struct block *b, const struct slot *s, const uint8_t *how) {
    move_imm(&b->out, A, pc_here(b) + (uint64_t)(int64_t)s->imm);
    access_is_allowed(b, VIA_CAP, R_PCC, types[how[0]].size, LOADS);
    load_at(b, how[0], A, 0);
    set_x(b, s->rd, A);
}

/* ---- rows ---------------------------------------------------------------------------------------------- */

/* clang-format off */
#define TYPE_ldrb U8
#define TYPE_ldrsb_x S8X
#define TYPE_ldrsb_w S8W
#define TYPE_ldrh U16
#define TYPE_ldrsh_x S16X
#define TYPE_ldrsh_w S16W
#define TYPE_ldr_w U32
#define TYPE_ldrsw S32X
#define TYPE_ldr_x U64
#define TYPE_strb U8
#define TYPE_strh U16
#define TYPE_str_w U32
#define TYPE_str_x U64
#define TYPE_ldp_w U32
#define TYPE_ldpsw S32X
#define TYPE_ldp_x U64
#define TYPE_stp_w U32
#define TYPE_stp_x U64

#define FOR_FORMS(M, VIA, name, emit) \
    M(VIA, name, emit, imm, IMM) M(VIA, name, emit, pre, PRE) M(VIA, name, emit, post, POST)
#define FOR_ALL_FORMS(M, VIA, name, emit) FOR_FORMS(M, VIA, name, emit) \
    M(VIA, name, emit, plain, PLAIN) M(VIA, name, emit, lsl, LSL) M(VIA, name, emit, uxtw0, UXTW0) \
    M(VIA, name, emit, uxtw, UXTW) M(VIA, name, emit, sxtw0, SXTW0) M(VIA, name, emit, sxtw, SXTW)
#define DECLARE(VIA, name, emit, form, FORM) extern step_fn step_##name##_##form##_##VIA;
#define ROW(VIA, name, emit, form, FORM) \
    {JIT_OP(step_##name##_##form##_##VIA), emit, {TYPE_##name, FORM, VIA}, FLOW_ON},
#define DECLARE_SINGLE(VIA, name, ...) FOR_ALL_FORMS(DECLARE, VIA, name, load)
#define DECLARE_PAIR(VIA, name, ...) FOR_FORMS(DECLARE, VIA, name, load)
#define LOAD_ROWS(VIA, name, ...) FOR_ALL_FORMS(ROW, VIA, name, load)
#define STORE_ROWS(VIA, name, ...) FOR_ALL_FORMS(ROW, VIA, name, store)
#define LOAD_PAIR_ROWS(VIA, name, ...) FOR_FORMS(ROW, VIA, name, load_pair)
#define STORE_PAIR_ROWS(VIA, name, ...) FOR_FORMS(ROW, VIA, name, store_pair)

FOR_LOADS(DECLARE_SINGLE) FOR_STORES(DECLARE_SINGLE) FOR_LOAD_PAIRS(DECLARE_PAIR) FOR_STORE_PAIRS(DECLARE_PAIR)
extern step_fn step_ldr_x_literal, step_ldr_w_literal, step_ldrsw_literal;

JIT_ROWS(memory) = {
    FOR_LOADS(LOAD_ROWS) FOR_STORES(STORE_ROWS) FOR_LOAD_PAIRS(LOAD_PAIR_ROWS) FOR_STORE_PAIRS(STORE_PAIR_ROWS)
    {JIT_OP(step_ldr_x_literal), load_literal, {U64}, FLOW_ON},
    {JIT_OP(step_ldr_w_literal), load_literal, {U32}, FLOW_ON},
    {JIT_OP(step_ldrsw_literal), load_literal, {S32X}, FLOW_ON},
    JIT_ROWS_END
};
/* clang-format on */

#endif

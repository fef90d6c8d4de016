/* Registers, flags and ways out of translated code. */
#include "jit_block.h"

#if JIT_HOST

/* ---- registers ----------------------------------------------------------------------------------------- */

void get_x(struct block *b, unsigned host, unsigned r) {
    if (r == R_ZERO)
        clear(&b->out, host);
    else
        rm(&b->out, WIDE, OP_MOV, host, CPU, lo_at(r));
}

void get_w(struct block *b, unsigned host, unsigned r) {
    if (r == R_ZERO)
        clear(&b->out, host);
    else
        rm(&b->out, NARROW, OP_MOV, host, CPU, lo_at(r));
}

void get_extended(struct block *b, unsigned host, unsigned r, bool wide, unsigned opcode, unsigned shifted) {
    if (r == R_ZERO)
        clear(&b->out, host);
    else
        rm(&b->out, wide, opcode, host, CPU, lo_at(r));
    shift(&b->out, WIDE, SHIFT_SHL, host, shifted);
}

void is_integer(struct block *b, unsigned r) {
    if (!(b->known.integers & bit(r))) bit_op(&b->out, BIT_RESET, CV, r);
    b->known.integers |= bit(r);
    b->known.capabilities &= ~bit(r);
}

void is_capability(struct block *b, unsigned r) {
    if (!(b->known.capabilities & bit(r))) bit_op(&b->out, BIT_SET, CV, r);
    b->known.capabilities |= bit(r);
    b->known.integers &= ~bit(r);
}

void capability_stands(struct block *b, unsigned r) {
    if (b->known.capabilities & bit(r)) return;
    bit_op(&b->out, BIT_TEST, CV, r);
    miss_if(b, CC_AE);
    b->known.capabilities |= bit(r);
}

void set_x(struct block *b, unsigned r, unsigned host) {
    if (r == R_DUMP) return;
    rm(&b->out, WIDE, OP_STORE, host, CPU, lo_at(r));
    is_integer(b, r);
}

void set_result(struct block *b, unsigned r, unsigned host, bool wide) {
    if (!wide && r != R_DUMP) move32(&b->out, host, host);
    set_x(b, r, host);
}

void bounds_are_unknown(struct block *b, unsigned r) {
    store_imm(&b->out, CPU, top_load_at(r), 0);
    store_imm(&b->out, CPU, top_store_at(r), 0);
}

void tag_is_set(struct block *b, unsigned r) {
    rm(&b->out, WIDE, OP_MOV, C, CPU, AT_CPU(tg));
    bit_op(&b->out, BIT_SET, C, r);
    rm(&b->out, WIDE, OP_STORE, C, CPU, AT_CPU(tg));
}

/* ---- flags --------------------------------------------------------------------------------------------- */

enum { NIBBLE_BIT = 63 };

void flags_are_pair(struct block *b) {
    if (b->known.flags != FLAGS_PAIR) bit_op(&b->out, BIT_RESET, CV, NIBBLE_BIT);
    b->known.flags = FLAGS_PAIR;
}

void flags_are_number(struct block *b) {
    if (b->known.flags != FLAGS_NUMBER) bit_op(&b->out, BIT_SET, CV, NIBBLE_BIT);
    b->known.flags = FLAGS_NUMBER;
}

/* After CMP fa, fb. */
static const uint8_t cc_of_pair[16] = {CC_E, CC_NE, CC_AE, CC_B, CC_S, CC_NS, CC_O, CC_NO,
                                       CC_A, CC_BE, CC_GE, CC_L, CC_G, CC_LE, CC_O, CC_O};

static void look_up(struct block *b, unsigned cond) {
    move_imm(&b->out, A, condition_table[cond]);
    rr(&b->out, NARROW, OP_BT_REG, FB, A);
}

static void look_up_and_back(struct block *b, const struct stub *stub) {
    look_up(b, (unsigned)stub->operand);
    rr(&b->out, NARROW, OP_SETCC | CC_B, 0, A);
    land_at(jump(&b->out), stub->back);
}

enum cc condition(struct block *b, unsigned cond) {
    if (b->known.flags == FLAGS_NUMBER) {
        look_up(b, cond);
        return CC_B;
    }
    if (b->known.flags == FLAGS_PAIR) {
        rr(&b->out, WIDE, OP_CMP, FA, FB);
        return cc_of_pair[cond];
    }
    rr(&b->out, WIDE, OP_TEST, CV, CV);
    uint8_t *from = jump_if(&b->out, CC_S);
    rr(&b->out, WIDE, OP_CMP, FA, FB);
    rr(&b->out, NARROW, OP_SETCC | cc_of_pair[cond], 0, A);
    stub_add(b, (struct stub){look_up_and_back, from, b->out.at, (uint16_t)b->index, (int16_t)cond, 0});
    rr(&b->out, NARROW, 0x84, A, A);
    return CC_NE;
}

/* ---- ways in ------------------------------------------------------------------------------------------- */

/* To the interpreter's function; SLOT is there. */
static void interpret_if(struct block *b, enum cc cc) {
    uint8_t *on = jump_if(&b->out, cc ^ 1);
    jump_to(b, (const void *)(uintptr_t)b->page->slot[b->index].run);
    land(&b->out, on);
}

void emit_entry(struct block *b, unsigned index) {
    struct out *o = &b->out;
    struct known known = b->here[index].known;
    uint64_t flags = (uint64_t)1 << NIBBLE_BIT;
    uint64_t clear = known.integers | (known.flags == FLAGS_PAIR ? flags : 0);
    uint64_t set = known.capabilities | (known.flags == FLAGS_NUMBER ? flags : 0);
    if (!clear && !set && !known.host_mode) return;
    uint8_t *at = b->here[index].at;
    b->index = index;
    b->here[index].at = o->at;
    move_imm(o, A, set);
    move_imm(o, B, clear | set);
    rr(o, WIDE, OP_AND, B, CV);
    rr(o, WIDE, OP_CMP, A, B);
    interpret_if(b, CC_NE);
    if (known.host_mode) mode_is_the_hosts(b, interpret_if);
    land_at(jump(o), at);
}

/* ---- ways out ------------------------------------------------------------------------------------------ */

void stub_add(struct block *b, struct stub stub) {
    if (b->stub_count < MAX_STUBS)
        b->stubs[b->stub_count++] = stub;
    else
        b->full = true;
}

static bool in_reach(const uint8_t *from, const void *to) {
    ptrdiff_t by = (const uint8_t *)to - from;
    return by == (int32_t)by;
}

void jump_to(struct block *b, const void *function) {
    const uint8_t *after = b->out.at + b->to_code + 5;
    if (in_reach(after, function)) {
        put8(&b->out, 0xe9);
        put32(&b->out, (uint32_t)((const uint8_t *)function - after));
        return;
    }
    move_imm(&b->out, A, (uintptr_t)function);
    rr(&b->out, NARROW, 0xff, 4, A);
}

/* Six registers, and the stack is aligned as a call wants it. */
static const uint8_t kept[] = {CV, TICKS, CPU, FA, FB, C};
void keeper_emit(struct out *o) {
    for (size_t i = 0; i < sizeof kept; i++) push(o, kept[i]);
    rr(o, NARROW, 0xff, 2, B);
    for (size_t i = sizeof kept; i > 0; i--) pop(o, kept[i - 1]);
    ret(o);
}

void call_keeping(struct block *b, const void *function, uint32_t argument) {
    move_imm(&b->out, RSI, argument);
    move_imm(&b->out, B, (uintptr_t)function);
    put8(&b->out, 0xe8);
    put32(&b->out, (uint32_t)(b->keeper - (b->out.at + 4)));
}

void slot_here(struct block *b, unsigned index) {
    rm(&b->out, WIDE, OP_MOV, SLOT, CPU, AT_CPU(page));
    if (index) ri(&b->out, WIDE, IMM_ADD, SLOT, (int32_t)(index * sizeof(struct slot)));
}

void go_slot(struct block *b, unsigned index) {
    slot_here(b, index);
    jump_through(&b->out, SLOT, offsetof(struct slot, run));
}

void go_label(struct block *b, unsigned index) {
    bool here = index < PAGE_SLOTS && b->labelled[index] && b->fixup_count < MAX_FIXUPS;
    if (here)
        b->fixups[b->fixup_count++] = (struct fixup){jump(&b->out), (uint16_t)index};
    else
        go_slot(b, index);
}

/* Each slot's way stands once. */
static void interpret(struct block *b, const struct stub *stub) {
    uint8_t **way = &b->interpreted[stub->index];
    if (*way) {
        land_at(stub->from, *way);
        return;
    }
    *way = b->out.at;
    slot_here(b, stub->index);
    jump_to(b, (const void *)(uintptr_t)b->page->slot[stub->index].run);
}

void miss_if(struct block *b, enum cc cc) {
    stub_add(b, (struct stub){interpret, jump_if(&b->out, cc), NULL, (uint16_t)b->index, 0, 0});
}
void miss(struct block *b) {
    slot_here(b, b->index);
    jump_to(b, (const void *)(uintptr_t)b->page->slot[b->index].run);
}

static void leave(struct block *b, const struct stub *stub) {
    if (stub->operand >= 0) slot_here(b, (unsigned)stub->operand);
    jump_to(b, (const void *)(uintptr_t)fast_leave);
}

static void compare_budget(struct block *b, int target) {
    rm(&b->out, WIDE, OP_CMP, TICKS, CPU, AT_CPU(soft));
    uint8_t *from = jump_if(&b->out, CC_G);
    stub_add(b, (struct stub){leave, from, NULL, (uint16_t)b->index, (int16_t)target, 0});
}

void check_budget(struct block *b) { compare_budget(b, -1); }

void take(struct block *b, unsigned target) {
    int32_t ticks = 1 - ((int32_t)target - (int32_t)b->index);
    if (ticks) ri(&b->out, WIDE, IMM_ADD, TICKS, ticks);
    compare_budget(b, (int)target);
    go_label(b, target);
}

static void take_away(struct block *b, const struct stub *stub) {
    b->index = stub->index;
    take(b, (unsigned)stub->operand);
}

/* Backward branches are mostly taken, forward ones stand aside. */
void take_if(struct block *b, enum cc cc, unsigned target) {
    if (target > b->index) {
        uint8_t *from = jump_if(&b->out, cc);
        stub_add(b, (struct stub){take_away, from, NULL, (uint16_t)b->index, (int16_t)target, 0});
        return;
    }
    uint8_t *on = jump_if(&b->out, cc ^ 1);
    take(b, target);
    land(&b->out, on);
}

#endif

/* The x86-64 encodings that the block translator uses, and the roles of the host's registers.
 *
 * An instruction is opcode, ModRM and what they need: rr(RAX, RBX) is reg, reg; the r/m operand is the second
 * one, as in Intel's manual (SDM volume 2). Opcodes are numbers: 0x03 is ADD r, r/m; 0x0faf is IMUL r, r/m;
 * PREFIX_… in their upper bits stand before. */
#ifndef CVMDBG_JIT_X86_H
#define CVMDBG_JIT_X86_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum host { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NO_INDEX = RSP };

/* The arguments of an op (slots.h) stay where the calling convention puts them. The slot is known at each
 * place, so its register is one of the four that are free within an op; an exit fills it in. What a called
 * function keeps is not touched. */
enum { CPU = RDI, SLOT = RSI, TICKS = RDX, CV = RCX, FA = R8, FB = R9 };
enum { A = RAX, B = R10, C = R11, D = RSI };

enum { OP_ADD = 0x03, OP_OR = 0x0b, OP_AND = 0x23, OP_SUB = 0x2b, OP_XOR = 0x33, OP_CMP = 0x3b };
enum { OP_MOV = 0x8b, OP_STORE = 0x89, OP_STORE8 = 0x88, OP_TEST = 0x85, OP_LEA = 0x8d, OP_MOVSXD = 0x63 };
enum { OP_MOVZX8 = 0x0fb6, OP_MOVZX16 = 0x0fb7, OP_MOVSX8 = 0x0fbe, OP_MOVSX16 = 0x0fbf, OP_IMUL = 0x0faf };
enum { OP_BSR = 0x0fbd, OP_BT_REG = 0x0fa3, OP_CMOV = 0x0f40, OP_SETCC = 0x0f90, OP_BSWAP = 0x0fc8 };
enum { PREFIX_66 = 0x66 << 16, PREFIX_F2 = 0xf2 << 16, PREFIX_F3 = 0xf3 << 16 };
/* The second opcode digit of immediate groups. */
enum { IMM_ADD, IMM_OR, IMM_AND = 4, IMM_SUB, IMM_XOR, IMM_CMP };
enum { SHIFT_ROL, SHIFT_ROR, SHIFT_SHL = 4, SHIFT_SHR, SHIFT_SAR = 7 };
enum { BIT_TEST = 4, BIT_SET, BIT_RESET, BIT_COMPLEMENT };
enum { UNARY_NOT = 2, UNARY_NEG, UNARY_MUL, UNARY_IMUL, UNARY_DIV, UNARY_IDIV };

/* Conditions as Jcc, SETcc and CMOVcc have them; the opposite differs in bit 0. */
enum cc {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G
};

/* Where code goes. Nothing is written at or past end; the translator asks for room before each op. */
struct out {
    uint8_t *at, *end;
};

static inline void put(struct out *o, const void *bytes, size_t n) {
    if ((size_t)(o->end - o->at) < n) return;
    memcpy(o->at, bytes, n);
    o->at += n;
}
static inline void put8(struct out *o, unsigned v) { put(o, &(uint8_t){(uint8_t)v}, 1); }
static inline void put32(struct out *o, uint32_t v) { put(o, &v, 4); }
static inline void put64(struct out *o, uint64_t v) { put(o, &v, 8); }

static inline void opcode(struct out *o, bool wide, unsigned op, unsigned reg, unsigned index, unsigned base,
                          bool byte_register) {
    if (op >> 16) put8(o, op >> 16);
    unsigned rex = 0x40 | (unsigned)wide << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
    if (rex != 0x40 || byte_register) put8(o, rex);
    if (op >> 8 & 0xff) put8(o, op >> 8 & 0xff);
    put8(o, op & 0xff);
}

static inline bool is_byte(int64_t v) { return v == (int8_t)v; }

/* op reg, rm */
static inline void rr(struct out *o, bool wide, unsigned op, unsigned reg, unsigned rm) {
    opcode(o, wide, op, reg, 0, rm, op == OP_MOVZX8 || op == OP_MOVSX8 || (op & ~0xfu) == OP_SETCC);
    put8(o, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* op reg, [base + index * 2^scale + disp] */
static inline void rmx(struct out *o, bool wide, unsigned op, unsigned reg, unsigned base, unsigned index,
                       unsigned scale, int32_t disp) {
    bool has_index = index != NO_INDEX || (base & 7) == RSP;
    unsigned mod = disp == 0 && (base & 7) != RBP ? 0 : is_byte(disp) ? 1 : 2;
    opcode(o, wide, op, reg, index == NO_INDEX ? 0 : index, base, op == OP_STORE8);
    put8(o, mod << 6 | (reg & 7) << 3 | (has_index ? 4 : base & 7));
    if (has_index) put8(o, scale << 6 | (index & 7) << 3 | (base & 7));
    if (mod == 1) put8(o, (uint8_t)disp);
    if (mod == 2) put32(o, (uint32_t)disp);
}

/* op reg, [base + disp] */
static inline void rm(struct out *o, bool wide, unsigned op, unsigned reg, unsigned base, int32_t disp) {
    rmx(o, wide, op, reg, base, NO_INDEX, 0, disp);
}

/* ADD, OR, … reg, imm */
static inline void ri(struct out *o, bool wide, unsigned digit, unsigned reg, int32_t imm) {
    opcode(o, wide, is_byte(imm) ? 0x83 : 0x81, 0, 0, reg, false);
    put8(o, 0xc0 | digit << 3 | (reg & 7));
    if (is_byte(imm))
        put8(o, (uint8_t)imm);
    else
        put32(o, (uint32_t)imm);
}

/* SHL, SHR, … reg, n. No instruction for none. */
static inline void shift(struct out *o, bool wide, unsigned digit, unsigned reg, unsigned n) {
    if (!n) return;
    opcode(o, wide, 0xc1, 0, 0, reg, false);
    put8(o, 0xc0 | digit << 3 | (reg & 7));
    put8(o, n);
}
/* By CL. */
static inline void shift_cl(struct out *o, bool wide, unsigned digit, unsigned reg) {
    opcode(o, wide, 0xd3, 0, 0, reg, false);
    put8(o, 0xc0 | digit << 3 | (reg & 7));
}

/* BT, BTS, BTR, BTC reg, n */
static inline void bit_op(struct out *o, unsigned digit, unsigned reg, unsigned n) {
    opcode(o, true, 0x0fba, 0, 0, reg, false);
    put8(o, 0xc0 | digit << 3 | (reg & 7));
    put8(o, n);
}

/* NOT, NEG, MUL, … reg */
static inline void unary(struct out *o, bool wide, unsigned digit, unsigned reg) {
    opcode(o, wide, 0xf7, 0, 0, reg, false);
    put8(o, 0xc0 | digit << 3 | (reg & 7));
}

static inline void move(struct out *o, unsigned to, unsigned from) {
    if (to != from) rr(o, true, OP_MOV, to, from);
}
static inline void move32(struct out *o, unsigned to, unsigned from) { rr(o, false, OP_MOV, to, from); }
static inline void clear(struct out *o, unsigned reg) { rr(o, false, OP_XOR, reg, reg); }

/* The shortest MOV; it leaves the flags alone. */
static inline void move_imm(struct out *o, unsigned reg, uint64_t v) {
    if (v == (uint32_t)v) {
        opcode(o, false, 0xb8 | (reg & 7), 0, 0, reg, false);
        put32(o, (uint32_t)v);
    } else if (v == (uint64_t)(int64_t)(int32_t)v) {
        opcode(o, true, 0xc7, 0, 0, reg, false);
        put8(o, 0xc0 | (reg & 7));
        put32(o, (uint32_t)v);
    } else {
        opcode(o, true, 0xb8 | (reg & 7), 0, 0, reg, false);
        put64(o, v);
    }
}

/* MOV [base + disp], sign-extended imm */
static inline void store_imm(struct out *o, unsigned base, int32_t disp, int32_t imm) {
    rm(o, true, 0xc7, 0, base, disp);
    put32(o, (uint32_t)imm);
}
/* MOV byte [base + index], imm */
static inline void store_byte_imm(struct out *o, unsigned base, unsigned index, int32_t disp, unsigned imm) {
    rmx(o, false, 0xc6, 0, base, index, 0, disp);
    put8(o, imm);
}

/* TEST reg, imm */
static inline void test_imm(struct out *o, unsigned reg, uint32_t imm) {
    opcode(o, false, 0xf7, 0, 0, reg, false);
    put8(o, 0xc0 | (reg & 7));
    put32(o, imm);
}

static inline void push(struct out *o, unsigned reg) { opcode(o, false, 0x50 | (reg & 7), 0, 0, reg, false); }
static inline void pop(struct out *o, unsigned reg) { opcode(o, false, 0x58 | (reg & 7), 0, 0, reg, false); }
static inline void ret(struct out *o) { put8(o, 0xc3); }
/* JMP and CALL through memory. */
static inline void jump_through(struct out *o, unsigned base, int32_t disp) {
    rm(o, false, 0xff, 4, base, disp);
}
static inline void call_through(struct out *o, unsigned base, int32_t disp) {
    rm(o, false, 0xff, 2, base, disp);
}

/* Jumps forward give the place of their displacement, which land() fills in. */
static inline uint8_t *jump(struct out *o) {
    put8(o, 0xe9);
    put32(o, 0);
    return o->at - 4;
}
static inline uint8_t *jump_if(struct out *o, enum cc cc) {
    put8(o, 0x0f);
    put8(o, 0x80 | cc);
    put32(o, 0);
    return o->at - 4;
}
static inline void land_at(uint8_t *place, const uint8_t *target) {
    int32_t by = (int32_t)(target - (place + 4));
    memcpy(place, &by, 4);
}
static inline void land(struct out *o, uint8_t *place) { land_at(place, o->at); }

#endif

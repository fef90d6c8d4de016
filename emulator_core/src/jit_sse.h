/* The host's instructions on XMM registers that the block translator uses; 0 to 3 are free within an op.
 * SSE2, which every x86-64 has, and fused multiplications, which are asked for before a slot names an op that
 * wants them (fast_float.c). */
#ifndef CVMDBG_JIT_SSE_H
#define CVMDBG_JIT_SSE_H

#include "jit_block.h"

/* xmm, xmm/m */
enum {
    SSE_LOAD = 0x0f10, /* 128 bits, not aligned */
    SSE_STORE = 0x0f11,
    SSE_LOAD64 = PREFIX_F3 | 0x0f7e, /* the upper half becomes zero */
    SSE_STORE64 = PREFIX_66 | 0x0fd6,
    SSE_MOVD = PREFIX_66 |
        0x0f6e, /* from a general register or memory, W: of 64 bits; the rest becomes zero */
    SSE_MOVD_TO = PREFIX_66 | 0x0f7e,
    SSE_AND = PREFIX_66 | 0x0fdb,
    SSE_ANDN = PREFIX_66 | 0x0fdf, /* ~reg & rm */
    SSE_OR = PREFIX_66 | 0x0feb,
    SSE_XOR = PREFIX_66 | 0x0fef,
    SSE_EQUAL32 = PREFIX_66 | 0x0f76,
    SSE_BOTH_LOW = PREFIX_66 | 0x0f6c, /* reg's low half, then rm's */
    SSE_SPREAD = PREFIX_66 | 0x0f70,   /* 32-bit lanes by an immediate */
    SSE_SUB32 = PREFIX_66 | 0x0ffa,
    SSE_SUB64 = PREFIX_66 | 0x0ffb,
    SSE_SIGNS32 = 0x0f50, /* of lanes, to a general register */
    SSE_SIGNS64 = PREFIX_66 | 0x0f50,
};
/* Shifts of lanes by an immediate: opcode, and the digit. */
enum { SSE_SHIFT32 = PREFIX_66 | 0x0f72, SSE_SHIFT64 = PREFIX_66 | 0x0f73 };
enum { SSE_RIGHT = 2, SSE_LEFT = 6 };

static inline int32_t v_at(unsigned r) { return AT_CPU(v) + 16 * (int32_t)r; }

static inline void sse(struct out *o, unsigned op, unsigned reg, unsigned rm_) {
    rr(o, NARROW, op, reg, rm_);
}
static inline void sse_shift(struct out *o, unsigned op, unsigned digit, unsigned reg, unsigned n) {
    rr(o, NARROW, op, digit, reg);
    put8(o, n);
}

static inline void get_v(struct block *b, unsigned xmm, unsigned r, bool q) {
    rm(&b->out, NARROW, q ? SSE_LOAD : SSE_LOAD64, xmm, CPU, v_at(r));
}
/* The low half, or all of it: SETV. */
static inline void set_v(struct block *b, unsigned r, unsigned xmm, bool q) {
    if (!q) sse(&b->out, SSE_LOAD64, xmm, xmm);
    rm(&b->out, NARROW, SSE_STORE, xmm, CPU, v_at(r));
}
/* V becomes the general register, and zero above. */
static inline void set_scalar(struct block *b, unsigned r, unsigned host) {
    rm(&b->out, WIDE, OP_STORE, host, CPU, v_at(r));
    store_imm(&b->out, CPU, v_at(r) + 8, 0);
}
/* The number in both halves; changes A. */
static inline void spread(struct block *b, unsigned xmm, uint64_t v) {
    move_imm(&b->out, A, v);
    rr(&b->out, WIDE, SSE_MOVD, xmm, A);
    sse(&b->out, SSE_BOTH_LOW, xmm, xmm);
}

#endif

/* Atomics, exclusives, acquire and release in the fast engine, of one register each. One thread runs at a
 * time, so they are loads and stores that must be aligned. Whatever is not cached goes the way of every miss
 * to the clause. The slot is that of a cold instruction: its imm is the instruction word. */
#include "fast_atomic.h"
#include "run.h"

#include "ops_fast.h"

#define WORD ((uint32_t)s->imm)
#define T_   (WORD & 31)
#define N    from_sp(WORD >> 5 & 31)
#define S_   (WORD >> 16 & 31)

#define MAY_DDC(at, size, tag, top)                                                                          \
    do {                                                                                                     \
        ENTRY_DDC(at, size, tag, top);                                                                       \
        host = e_->host + at, tags = e_->tags;                                                               \
    } while (0)
#define MAY_CAP(at, size, tag, top)                                                                          \
    do {                                                                                                     \
        ENTRY_VA(N, at, size, tag, top);                                                                     \
        host = e_->host + at, tags = e_->tags;                                                               \
    } while (0)
/* at, and where it lies in the host's memory. */
#define BEGIN(size)                                                                                          \
    uint64_t at = LO(N);                                                                                     \
    uintptr_t host, tags;                                                                                    \
    if (UNLIKELY(at & ((size) - 1) || (N == R_SP && at & cpu->sp_mask))) MISS
#define MAY_LOAD(VIA, size)  MAY_##VIA(at, size, rtag, top_load)
#define MAY_STORE(VIA, size) MAY_##VIA(at, size, wtag, top_store)
/* An aligned store lies in one granule. */
#define PUT(type, value)                                                                                     \
    do {                                                                                                     \
        AT(type, host) = (type)(value);                                                                      \
        AT(uint8_t, tags + (at >> 4)) = 0;                                                                   \
    } while (0)

#define ORDERED(VIA, bits)                                                                                   \
    OP(ldar_##bits##_##VIA) {                                                                                \
        BEGIN(bits / 8);                                                                                     \
        MAY_LOAD(VIA, bits / 8);                                                                             \
        (void)tags;                                                                                          \
        SETX(to(T_), AT(uint##bits##_t, host));                                                              \
        NEXT;                                                                                                \
    }                                                                                                        \
    OP(stlr_##bits##_##VIA) {                                                                                \
        BEGIN(bits / 8);                                                                                     \
        MAY_STORE(VIA, bits / 8);                                                                            \
        PUT(uint##bits##_t, LO(T_));                                                                         \
        NEXT;                                                                                                \
    }

/* The monitor knows absolute addresses. */
#define EXCLUSIVE(VIA, bits)                                                                                 \
    OP(ldxr_##bits##_##VIA) {                                                                                \
        BEGIN(bits / 8);                                                                                     \
        MAY_LOAD(VIA, bits / 8);                                                                             \
        (void)tags;                                                                                          \
        exclusive_set(cpu, va_base(cpu, WORD >> 5 & 31).address, bits / 8);                                  \
        SETX(to(T_), AT(uint##bits##_t, host));                                                              \
        NEXT;                                                                                                \
    }                                                                                                        \
    OP(stxr_##bits##_##VIA) {                                                                                \
        BEGIN(bits / 8);                                                                                     \
        MAY_STORE(VIA, bits / 8);                                                                            \
        bool pass = exclusive_pass(cpu, va_base(cpu, WORD >> 5 & 31).address, bits / 8);                     \
        if (pass) PUT(uint##bits##_t, LO(T_));                                                               \
        SETX(to(S_), !pass);                                                                                 \
        NEXT;                                                                                                \
    }

#define ATOMIC(name, VIA, bits, ...)                                                                         \
    OP(name##_##bits##_##VIA) {                                                                              \
        BEGIN(bits / 8);                                                                                     \
        MAY_LOAD(VIA, bits / 8);                                                                             \
        MAY_STORE(VIA, bits / 8);                                                                            \
        uint##bits##_t old = AT(uint##bits##_t, host), operand = (uint##bits##_t)LO(S_);                     \
        __VA_ARGS__                                                                                          \
        NEXT;                                                                                                \
    }
/* Memory becomes old op Xs, Xt becomes old. */
#define LOAD_OP(name, VIA, bits, result)                                                                     \
    ATOMIC(name, VIA, bits, PUT(uint##bits##_t, result); SETX(to(T_), old);)
#define MORE(a, b, bits) ((int##bits##_t)(a) > (int##bits##_t)(b))
#define ATOMICS(VIA, bits)                                                                                   \
    LOAD_OP(ldadd, VIA, bits, old + operand)                                                                 \
    LOAD_OP(ldclr, VIA, bits, old & ~operand)                                                                \
    LOAD_OP(ldeor, VIA, bits, old ^ operand)                                                                 \
    LOAD_OP(ldset, VIA, bits, old | operand)                                                                 \
    LOAD_OP(ldsmax, VIA, bits, MORE(old, operand, bits) ? old : operand)                                     \
    LOAD_OP(ldsmin, VIA, bits, MORE(old, operand, bits) ? operand : old)                                     \
    LOAD_OP(ldumax, VIA, bits, old > operand ? old : operand)                                                \
    LOAD_OP(ldumin, VIA, bits, old > operand ? operand : old)                                                \
    LOAD_OP(swp, VIA, bits, operand)                                                                         \
    ATOMIC(cas, VIA, bits, if (old == operand) PUT(uint##bits##_t, LO(T_)); SETX(to(S_), old);)

#define FOR_WIDTHS(M, VIA) M(VIA, 8) M(VIA, 16) M(VIA, 32) M(VIA, 64)
FOR_WIDTHS(ORDERED, DDC)
FOR_WIDTHS(ORDERED, CAP)
FOR_WIDTHS(EXCLUSIVE, DDC)
FOR_WIDTHS(EXCLUSIVE, CAP)
FOR_WIDTHS(ATOMICS, DDC)
FOR_WIDTHS(ATOMICS, CAP)

/* ---- which one ----------------------------------------------------------------------------------------- */

/* By width and C64. */
typedef op_fn *op_table[4][2];
#define BOTH(name, bits) {fast_##name##_##bits##_DDC, fast_##name##_##bits##_CAP}
#define ROW(name)        {BOTH(name, 8), BOTH(name, 16), BOTH(name, 32), BOTH(name, 64)}

/* By bits 14:12 of a load-op. */
static const op_table load_ops[8] = {ROW(ldadd),  ROW(ldclr),  ROW(ldeor),  ROW(ldset),
                                     ROW(ldsmax), ROW(ldsmin), ROW(ldumax), ROW(ldumin)};
static const op_table ldar = ROW(ldar), stlr = ROW(stlr), ldxr = ROW(ldxr), stxr = ROW(stxr), swp = ROW(swp),
                      cas = ROW(cas);

/* Rows by the fixed bits of their encodings, but for 31:30, the width. */
static const struct {
    uint32_t mask, bits;
    const op_table *table;
} rows[] = {
    {0x3f20fc00, 0x38208000, &swp},  {0x3ffffc00, 0x38bfc000, &ldar /* ldapr */},
    {0x3fa07c00, 0x08a07c00, &cas},  {0x3fff7c00, 0x08df7c00, &ldar},
    {0x3fff7c00, 0x089f7c00, &stlr}, {0x3fff7c00, 0x085f7c00, &ldxr},
    {0x3fe07c00, 0x08007c00, &stxr},
};

static const op_table *table_of(uint32_t word) {
    if ((word & 0x3f208c00) == 0x38200000) return &load_ops[field(word, 12, 3)];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((word & rows[i].mask) == rows[i].bits) return rows[i].table;
    return NULL;
}

op_fn *atomic_op(struct insn in) {
    const op_table *table = table_of(in.word);
    return table ? (*table)[field(in.word, 30, 2)][in.c64] : NULL;
}

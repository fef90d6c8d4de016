/* A page while it is translated: what is known at the place where code is emitted, and the ways out. */
#ifndef CVMDBG_JIT_BLOCK_H
#define CVMDBG_JIT_BLOCK_H

#include "jit.h"
#include "jit_x86.h"

#include <stddef.h>

#if defined(__x86_64__) && defined(__linux__) && !defined(CVMDBG_STEP_ONLY)
#define JIT_HOST 1
#else
#define JIT_HOST 0
#endif

enum { WIDE = 1, NARROW = 0 };
/* What fa and fb are, if it is known. */
enum flags_form { FLAGS_UNKNOWN, FLAGS_PAIR, FLAGS_NUMBER };

/* Code for the unlikely, emitted behind the page's. */
struct block;
struct stub {
    void (*emit)(struct block *, const struct stub *);
    uint8_t *from; /* the jump to it */
    const uint8_t *back;
    uint16_t index;  /* of the slot */
    int16_t operand; /* the target's slot, a condition, a register */
    uint32_t size;
};
struct fixup {
    uint8_t *place;
    uint16_t index;
};
/* What holds of the state where code is emitted: registers whose bit of cv is clear, set, and the flags. */
struct known {
    uint64_t integers, capabilities;
    enum flags_form flags;
    bool host_mode; /* floating point rounds as the host does, and IXC is set */
};
struct place {
    uint8_t *at;
    struct known known;
};
enum { MAX_STUBS = 32768, MAX_FIXUPS = 2048 };

struct block {
    struct out out;
    ptrdiff_t to_code; /* from where code is written to where it runs */
    /* What keeper_emit and clause_call_emit left, where it is written. */
    const uint8_t *keeper, *clause_call;
    const struct code_page *page;
    unsigned index; /* of the slot that is translated */
    struct known known;
    bool labelled[PAGE_SLOTS];        /* is nothing known before this slot, so that it can be jumped to? */
    struct place here[PAGE_SLOTS];    /* where each slot's code begins; NULL where there is none */
    uint8_t *interpreted[PAGE_SLOTS]; /* where the way to its interpreter's function stands */
    struct stub stubs[MAX_STUBS];
    struct fixup fixups[MAX_FIXUPS];
    unsigned stub_count, fixup_count;
    bool full; /* something had no place: nothing of this is used */
};

/* Emit one op. how: what the row says, for functions that several rows share. */
typedef void jit_fn(struct block *, const struct slot *, const uint8_t *how);
/* Where an op goes besides the next slot: nowhere else; maybe, surely to slot + IMM; surely elsewhere. */
enum flow { FLOW_ON, FLOW_NEAR_IF, FLOW_NEAR, FLOW_AWAY };
struct jit_row {
    void (*op)(void); /* step_NAME, or fast_NAME of what the step engine knows as a cold clause */
    jit_fn *emit;
    uint8_t how[4];
    uint8_t flow;
};
#define JIT_ROWS(family) const struct jit_row jit_##family[]
#define JIT_ROWS_END     {NULL, NULL, {0}, 0}
#define JIT_OP(function) ((void (*)(void))(function))

/* clang-format off */
#define JIT_ROW(name, emit, ...) {JIT_OP(step_##name), emit, {__VA_ARGS__}, FLOW_ON},
/* The same on 64 and on 32 bits, which is the last of how. */
#define JIT_ROW_BOTH(name, emit, ...) JIT_ROW(name##_x, emit, __VA_ARGS__, WIDE) JIT_ROW(name##_w, emit, __VA_ARGS__, NARROW)
#define JIT_ROW_PAIR(name, emit) JIT_ROW(name##_x, emit, WIDE) JIT_ROW(name##_w, emit, NARROW)
/* clang-format on */

/* ---- cpu's members ------------------------------------------------------------------------------------- */

#define AT_CPU(member) ((int32_t)offsetof(struct cpu, member))
static inline int32_t lo_at(unsigned r) { return AT_CPU(lo) + 8 * (int32_t)r; }
static inline int32_t hi_at(unsigned r) { return AT_CPU(hi) + 8 * (int32_t)r; }
static inline int32_t base_at(unsigned r) { return AT_CPU(base) + 8 * (int32_t)r; }
static inline int32_t top_load_at(unsigned r) { return AT_CPU(top_load) + 8 * (int32_t)r; }
static inline int32_t top_store_at(unsigned r) { return AT_CPU(top_store) + 8 * (int32_t)r; }

/* ---- registers ----------------------------------------------------------------------------------------- */

void get_x(struct block *, unsigned host, unsigned r); /* may change the host's flags */
void get_w(struct block *, unsigned host, unsigned r); /* zero-extended */
/* By a load that extends, then shifted left. */
void get_extended(struct block *, unsigned host, unsigned r, bool wide, unsigned opcode, unsigned shifted);
void set_x(struct block *, unsigned r, unsigned host);                 /* SETX; changes the host's flags */
void set_result(struct block *, unsigned r, unsigned host, bool wide); /* SETX or SETW */
void is_integer(struct block *, unsigned r);                           /* clears the bit of cv */
void is_capability(struct block *, unsigned r);                        /* sets it */
void capability_stands(struct block *, unsigned r);                    /* misses unless it is set */

/* SET_CAP's parts besides the two words and is_capability: cached bounds go, the tag comes. */
void bounds_are_unknown(struct block *, unsigned r);
void tag_is_set(struct block *, unsigned r); /* changes C */

static inline uint64_t pc_here(const struct block *b) { return b->page->va + 4 * b->index; }

/* ---- flags --------------------------------------------------------------------------------------------- */

void flags_are_pair(struct block *);   /* fa, fb hold the operands */
void flags_are_number(struct block *); /* fb holds the nibble */
/* The host's condition that says whether cond holds. Changes A. */
enum cc condition(struct block *, unsigned cond);

/* ---- ways in ------------------------------------------------------------------------------------------- */

/* Make here[index] a way in for the slot's function: what is known there is looked at, and if it does not
 * hold the interpreter does this slot. */
void emit_entry(struct block *, unsigned index);

/* ---- ways out ------------------------------------------------------------------------------------------ */

/* To the interpreter's function of this slot if cc. */
void miss_if(struct block *, enum cc);
void miss(struct block *);
void stub_add(struct block *, struct stub);    /* .from is set */
void go_slot(struct block *, unsigned index);  /* through the slot's function */
void go_label(struct block *, unsigned index); /* to its translation, here or by its slot */
/* A taken branch to a slot of this page. */
void take(struct block *, unsigned target);
void take_if(struct block *, enum cc, unsigned target);
void check_budget(struct block *);              /* leave if the ticks passed the budget; SLOT is set */
void slot_here(struct block *, unsigned index); /* SLOT */

void jump_to(struct block *, const void *function); /* within reach or not; may change A */
/* Call function(cpu, argument). It changes B and D; A is what it returns. */
void call_keeping(struct block *, const void *function, uint32_t argument);
void keeper_emit(struct out *); /* what all these calls share */

/* ---- jit_float.c --------------------------------------------------------------------------------------- */

/* Is known.host_mode so? unless: what to do under a condition if not. Changes A. */
void mode_is_the_hosts(struct block *, void (*unless)(struct block *, enum cc));
void clause_call_emit(struct out *);

#endif

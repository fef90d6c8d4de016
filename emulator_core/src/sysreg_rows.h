/* The table of system registers as its two halves share it: who may touch a register, and where it stands. */
#ifndef CVMDBG_SYSREG_ROWS_H
#define CVMDBG_SYSREG_ROWS_H

#include "exec.h"

enum { EL0, EL1, EL2, EL3, NO };

/* sysreg.inc says what the letters mean. */
enum gate {
    H = 1 << 0,
    P = 1 << 1,
    X = 1 << 2,
    S = 1 << 3,
    V = 1 << 4,
    F = 1 << 5,
    C = 1 << 6,
    O = 1 << 7,
    W = 1 << 8,
    Z = 1 << 9,
};
enum { READ = 1, WRITE = 2, BOTH = 3 };

struct sys_row {
    uint16_t key, gates; /* key: op0 op1 CRn CRm op2, as bits 20..5 of MRS */
    uint8_t read_el, write_el, trap, cap;
};
/* By enum sys_word, and by encoding. */
extern const struct sys_row sys_rows[SYS_WORD_COUNT];

/* The row that MRS or MSR names; NULL if there is none. */
const struct sys_row *sys_row_find(uint32_t word);
/* false: cpu->fault is set. direction is READ or WRITE. */
bool sys_row_allows(struct cpu *, const struct sys_row *, unsigned direction, bool capability);
/* HCR_EL2.E2H. */
bool el2_is_extended(struct cpu *);

#endif

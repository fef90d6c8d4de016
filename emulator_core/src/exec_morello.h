/* What the Morello clauses share: their usual fields, and the operand of the register-offset forms. */
#ifndef CVMDBG_EXEC_MORELLO_H
#define CVMDBG_EXEC_MORELLO_H

#include "capability_ops.h"
#include "exec.h"

/*   31        20    16      10     5     0
 *  |     op     | Rm  |  op   | Rn  | Rd  |   Rd also stands for Rt, Rn for the base register */
static inline unsigned rd(uint32_t word) { return field(word, 0, 5); }
static inline unsigned rn(uint32_t word) { return field(word, 5, 5); }
static inline unsigned rm(uint32_t word) { return field(word, 16, 5); }

/* ExtendReg for the option field UXTB, UXTH, UXTW, UXTX, SXTB, SXTH, SXTW, SXTX. */
static inline uint64_t extend(uint64_t value, unsigned option, unsigned shift) {
    unsigned unused = 64 - (8u << (option & 3));
    uint64_t top = value << unused;
    return (option & 4 ? (uint64_t)((int64_t)top >> unused) : top >> unused) << shift;
}

/* The offset of a load or store with a register offset: sign, sz and S choose UXTW, LSL, SXTW or SXTX, and
 * whether it counts bytes or elements of 1 << scale bytes. */
static inline int64_t register_offset(struct cpu *cpu, uint32_t word, unsigned scale) {
    unsigned option = field(word, 15, 1) << 2 | 2 | field(word, 13, 1);
    return (int64_t)extend(x_get(cpu, rm(word)), option, field(word, 12, 1) ? scale : 0);
}

/* BaseReg or AltBaseReg. */
typedef struct va base_fn(struct cpu *, unsigned n);

#endif

/* Floating-point arithmetic in the fast engine. */
#ifndef CVMDBG_FAST_FLOAT_H
#define CVMDBG_FAST_FLOAT_H

#include "slots.h"

/* The op of a clause by this encoding, for a slot that has the word in its imm; NULL if it has none. */
op_fn *float_op(uint16_t clause, uint32_t word);

#endif

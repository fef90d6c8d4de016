/* Floating point and vectors in the fast engine. */
#ifndef CVMDBG_FAST_VECTOR_H
#define CVMDBG_FAST_VECTOR_H

#include "slots.h"

/* The fast way of a cold instruction's slot where floating point is open, or NULL. */
op_fn *vector_op(struct insn);

#endif

/* Floating point and vectors in the fast engine. */
#ifndef CVMDBG_FAST_VECTOR_H
#define CVMDBG_FAST_VECTOR_H

#include "slots.h"

/* The fast way of a cold instruction's slot where floating point is open, or NULL. */
op_fn *vector_op(struct insn);

/* Let the clause of a cold instruction's slot that is data processing do it. false: it did nothing, the step
 * engine is to find out why. */
bool vector_retires(struct cpu *, const struct slot *);

#endif

/* Atomics, exclusives, acquire and release in the fast engine. */
#ifndef CVMDBG_FAST_ATOMIC_H
#define CVMDBG_FAST_ATOMIC_H

#include "slots.h"

/* The fast way of a cold instruction's slot, or NULL. */
op_fn *atomic_op(struct insn);

#endif

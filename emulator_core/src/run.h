/* The two engines. */
#ifndef CVMDBG_RUN_H
#define CVMDBG_RUN_H

#include "slots.h"

/* The fast engine: from cpu->slot until T passes cpu->soft or something wants attention. */
void fast_run(struct cpu *);
/* One slot of the step engine. false: the run is over, cpu->stop says why. */
bool step_one(struct cpu *);
/* Enter the pc if it has not been entered. false: as step_one. */
bool step_enter(struct cpu *);

op_fn fast_miss, fast_decode, fast_next_page, fast_vector;
/* Out of the fast engine, with its registers in struct cpu. */
op_fn fast_leave;
step_fn step_decode, step_cold, step_undefined, step_caps_trap, step_fp_trap, step_breakpoint, step_fetch,
    step_next_page;

/* Decode a slot as if no breakpoint were there. */
void code_decode_plain(struct cpu *, struct code_page *, unsigned index);

/* Let the slot do the next one's work, too, if there is an op for both. */
void code_fuse(struct code_page *, unsigned index);

#endif

/* Far branches of translated code, for branches to capabilities too. The target is in A, absolute. */
#ifndef CVMDBG_JIT_BRANCH_H
#define CVMDBG_JIT_BRANCH_H

#include "jit_block.h"

void far_is_ready(struct block *); /* misses unless; leaves in B what go_far needs */
void go_far(struct block *);
/* The link of C64: does it fit, before anything changes; then the register. Both change C alone. */
void link_fits(struct block *, uint64_t link);
void link_set(struct block *, uint64_t link);

#endif

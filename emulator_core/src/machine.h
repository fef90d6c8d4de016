/* What the files of the machine as a whole share. */
#ifndef CVMDBG_MACHINE_H
#define CVMDBG_MACHINE_H

#include "state.h"

/* A sanitized build steps through everything: the fast engine's jumps need an optimised one. */
#ifdef CVMDBG_STEP_ONLY
enum { STEP_ONLY = true };
#else
enum { STEP_ONLY = false };
#endif

struct cpu *thread_of(struct emu *, int thread); /* NULL where there is none */

#endif

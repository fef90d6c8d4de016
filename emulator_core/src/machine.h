/* What the files of the machine as a whole share. */
#ifndef CVMDBG_MACHINE_H
#define CVMDBG_MACHINE_H

#include "state.h"

struct cpu *thread_of(struct emu *, int thread); /* NULL where there is none */

#endif

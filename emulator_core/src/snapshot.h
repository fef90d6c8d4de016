/* What a snapshot holds. */
#ifndef CVMDBG_SNAPSHOT_H
#define CVMDBG_SNAPSHOT_H

#include "memory.h"

struct emu_snapshot {
    struct node *memory;
    struct regions regions;
    uint64_t ticks;
    struct thread_state *threads; /* by id; not present where none is */
    int thread_count;
};

#endif

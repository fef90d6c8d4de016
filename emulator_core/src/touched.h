/* The set of pages that were accessed. */
#ifndef CVMDBG_TOUCHED_H
#define CVMDBG_TOUCHED_H

#include "state.h"

void touched_add(struct touched *, uint64_t page);

/* Accesses come in runs on one page. */
static inline void touch(struct touched *t, uint64_t va) {
    uint64_t page = (va & PAGE_MASK) | 1;
    if (t->capacity && page != t->last) touched_add(t, page);
}

#endif

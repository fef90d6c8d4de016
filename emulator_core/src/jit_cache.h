/* Memory for translated code. */
#ifndef CVMDBG_JIT_CACHE_H
#define CVMDBG_JIT_CACHE_H

#include "jit_block.h"

/* Address space; only what was written takes memory. */
enum { CACHE_SIZE = 64 << 20 };

/* No page of it can be both written and executed at one address. */
struct cache {
    uint8_t *write, *execute;
    size_t used;
};

bool cache_map(struct cache *); /* false: the host has no such memory */
void cache_unmap(struct cache *);

#endif

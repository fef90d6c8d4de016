/* Memory for translated code: the same pages twice, once to be written and once to be executed. */
#define _GNU_SOURCE
#include "jit_cache.h"

#if JIT_HOST
#include <sys/mman.h>
#include <unistd.h>

static void *map(int fd, int prot, uintptr_t near) {
    void *at = mmap((void *)near, CACHE_SIZE, prot, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* Below this library's own code, so that its functions are within reach of a near call. */
static uintptr_t near_code(void) {
    uintptr_t here = (uintptr_t)&near_code & ~(uintptr_t)(CACHE_SIZE - 1), below = (uintptr_t)1 << 29;
    return here > 2 * below ? here - below : 0;
}

bool cache_map(struct cache *cache) {
    int fd = memfd_create("cvmdbg code", MFD_CLOEXEC);
    if (fd < 0) return false;
    if (ftruncate(fd, CACHE_SIZE) == 0) {
        cache->write = map(fd, PROT_READ | PROT_WRITE, 0);
        cache->execute = map(fd, PROT_READ | PROT_EXEC, near_code());
    }
    close(fd);
    if (cache->write && cache->execute) return true;
    cache_unmap(cache);
    return false;
}

void cache_unmap(struct cache *cache) {
    if (cache->write) munmap(cache->write, CACHE_SIZE);
    if (cache->execute) munmap(cache->execute, CACHE_SIZE);
    *cache = (struct cache){0};
}
#endif

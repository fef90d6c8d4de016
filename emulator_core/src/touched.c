/* The set of pages that were accessed: what says which stretches of a recording need not be executed again.
 */
#include "touched.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

enum { TOUCHED_FIRST = 1024 };

static uint64_t *place_of(struct touched *t, uint64_t page) {
    size_t mask = t->capacity - 1, at = (page >> PAGE_BITS) * 0x9e3779b97f4a7c15u >> 20 & mask;
    while (t->page[at] && t->page[at] != page) at = (at + 1) & mask;
    return &t->page[at];
}

static void grow(struct touched *t, size_t capacity) {
    struct touched old = *t;
    t->page = allocate(capacity * sizeof *t->page);
    t->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.page[i]) *place_of(t, old.page[i]) = old.page[i];
    free(old.page);
}

void touched_add(struct touched *t, uint64_t page) {
    t->last = page;
    uint64_t *place = place_of(t, page);
    if (*place) return;
    *place = page;
    if (++t->count * 2 > t->capacity) grow(t, t->capacity * 2);
}

void emu_follow_touched(struct emu *emu, bool on) {
    free(emu->touched.page);
    emu->touched = (struct touched){.count = 0};
    if (on) grow(&emu->touched, TOUCHED_FIRST);
}

size_t emu_take_touched(struct emu *emu, uint64_t *out, size_t capacity) {
    struct touched *t = &emu->touched;
    size_t count = t->count, n = 0;
    if (capacity < count) return count;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->page[i]) out[n++] = t->page[i] & PAGE_MASK;
    if (t->capacity) memset(t->page, 0, t->capacity * sizeof *t->page);
    t->count = 0;
    t->last = 0;
    return n;
}

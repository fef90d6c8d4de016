/* What ends a run besides its budget: breakpoints, watchpoints, devices, a full ring. */
#include "stop.h"
#include "exec.h"
#include "memory.h"
#include "slots.h"

#include <stdlib.h>
#include <string.h>

struct emu_stop *stop_after(struct cpu *cpu, enum emu_stop_kind kind) {
    if (cpu->event) return NULL;
    cpu->event = true;
    cpu->stop = (struct emu_stop){.kind = kind};
    return &cpu->stop;
}

/* ---- breakpoints --------------------------------------------------------------------------------------- */

/* Index of the first breakpoint that is not below address. */
static size_t break_index(const struct emu *emu, uint64_t address) {
    size_t low = 0, high = emu->breakpoint_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (emu->breakpoints[middle] < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool break_at(const struct emu *emu, uint64_t address) {
    size_t i = break_index(emu, address);
    return i < emu->breakpoint_count && emu->breakpoints[i] == address;
}

int emu_break_add(struct emu *emu, uint64_t address) {
    if (break_at(emu, address)) return -1;
    size_t i = break_index(emu, address), count = emu->breakpoint_count;
    uint64_t *list = allocate((count + 1) * sizeof *list);
    if (i) memcpy(list, emu->breakpoints, i * sizeof *list);
    list[i] = address;
    if (count > i) memcpy(list + i + 1, emu->breakpoints + i, (count - i) * sizeof *list);
    free(emu->breakpoints);
    emu->breakpoints = list;
    emu->breakpoint_count++;
    code_reset_at(emu, address);
    return 0;
}

int emu_break_remove(struct emu *emu, uint64_t address) {
    if (!break_at(emu, address)) return -1;
    size_t i = break_index(emu, address);
    memmove(emu->breakpoints + i, emu->breakpoints + i + 1,
            (--emu->breakpoint_count - i) * sizeof *emu->breakpoints);
    code_reset_at(emu, address);
    return 0;
}

size_t emu_breakpoints(struct emu *emu, uint64_t *out, size_t capacity) {
    size_t count = emu->breakpoint_count < capacity ? emu->breakpoint_count : capacity;
    if (count) memcpy(out, emu->breakpoints, count * sizeof *out);
    return emu->breakpoint_count;
}

/* ---- watchpoints --------------------------------------------------------------------------------------- */

/* Sizes are not 0; the last byte of a range may be the last of all. */
static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) {
    return b - a < a_size || a - b < b_size;
}

/* What an access may not touch unseen. A tag belongs to its whole granule. */
static struct watch_span watched_by(const struct watchpoint *w) {
    if (!(w->access & EMU_WATCH_TAG)) return (struct watch_span){w->address, w->size};
    uint64_t start = w->address & ~(uint64_t)(EMU_GRANULE - 1), last = w->address + w->size - 1;
    return (struct watch_span){start, (last | (EMU_GRANULE - 1)) - start + 1};
}

struct watch_span watched_span(const struct emu *emu, uint64_t page, unsigned kinds) {
    uint64_t first = EMU_PAGE, end = 0; /* in the page */
    for (size_t i = 0; i < emu->watchpoint_count; i++) {
        struct watch_span w = watched_by(&emu->watchpoints[i]);
        if (!(emu->watchpoints[i].access & kinds) || !overlap(page, EMU_PAGE, w.start, w.size)) continue;
        uint64_t from = w.start > page ? w.start - page : 0, last = w.start + w.size - 1 - page;
        if (from < first) first = from;
        if (last >= end) end = (last < EMU_PAGE ? last : EMU_PAGE - 1) + 1;
    }
    return end ? (struct watch_span){page + first, end - first} : (struct watch_span){0, 0};
}

/* The kinds of watchpoint that an access touches. A tag belongs to its whole granule. */
static unsigned watch_kinds(enum emu_access access, bool tags) {
    bool write = access == EMU_WRITE || access == EMU_WRITE_CAP;
    return write ? EMU_WATCH_WRITE | (tags ? EMU_WATCH_TAG : 0u) : EMU_WATCH_READ;
}

static bool watch_meets(const struct watchpoint *w, uint64_t address, unsigned size, unsigned kinds) {
    if (w->access & kinds & ~(unsigned)EMU_WATCH_TAG && overlap(address, size, w->address, w->size))
        return true;
    uint64_t first = address & ~(uint64_t)(EMU_GRANULE - 1);
    uint64_t end = (address + size + EMU_GRANULE - 1) & ~(uint64_t)(EMU_GRANULE - 1);
    return w->access & kinds & EMU_WATCH_TAG && overlap(first, end - first, w->address, w->size);
}

void watch_access(struct cpu *cpu, uint64_t address, unsigned size, enum emu_access access, bool tags) {
    struct emu *emu = cpu->emu;
    unsigned kinds = watch_kinds(access, tags);
    for (size_t i = 0; i < emu->watchpoint_count; i++) {
        const struct watchpoint *w = &emu->watchpoints[i];
        if (!watch_meets(w, address, size, kinds)) continue;
        struct emu_stop *stop = stop_after(cpu, EMU_STOP_WATCHPOINT);
        if (!stop) return;
        stop->watch = w->id;
        stop->address = address;
        stop->size = size;
        stop->access = access;
        stop->instruction = pc_get(cpu);
    }
}

static void flush_all(struct emu *emu) {
    for (int i = 0; i < emu->thread_count; i++)
        if (emu->threads[i]) cpu_flush(emu->threads[i]);
}

int emu_watch_add(struct emu *emu, uint64_t address, uint64_t size, unsigned access) {
    if (!size || address + size < address || !access || access & ~7u) return -1;
    struct watchpoint *list = realloc(emu->watchpoints, (emu->watchpoint_count + 1) * sizeof *list);
    if (!list) return -1;
    emu->watchpoints = list;
    list[emu->watchpoint_count++] = (struct watchpoint){++emu->next_watch, address, size, access};
    flush_all(emu);
    return emu->next_watch;
}

int emu_watch_remove(struct emu *emu, int id) {
    for (size_t i = 0; i < emu->watchpoint_count; i++) {
        if (emu->watchpoints[i].id != id) continue;
        emu->watchpoints[i] = emu->watchpoints[--emu->watchpoint_count];
        flush_all(emu);
        return 0;
    }
    return -1;
}

/* ---- the crossing ring --------------------------------------------------------------------------------- */

bool ring_is_full(const struct emu *emu) { return emu->ring.count >= emu->ring.limit; }

static struct emu_cap outside(struct cap c) { return (struct emu_cap){c.lo, c.hi, c.tag}; }

void ring_push(struct cpu *cpu, struct emu_crossing *crossing) {
    struct ring *ring = &cpu->emu->ring;
    if (!ring->entry) ring->entry = allocate(RING_SIZE * sizeof *ring->entry);
    crossing->tick = tick_get(cpu);
    crossing->thread = cpu->id;
    crossing->from = pc_get(cpu);
    crossing->pcc = outside(pcc_get(cpu));
    crossing->number = outside(c_get(cpu, 14));
    crossing->result = outside(c_get(cpu, 0));
    for (unsigned i = 0; i < 6; i++) crossing->argument[i] = outside(c_get(cpu, i));
    ring->entry[ring->count++] = *crossing;
    if (ring_is_full(cpu->emu)) stop_after(cpu, EMU_STOP_RING_FULL);
}

void emu_set_ring_limit(struct emu *emu, size_t crossings) {
    emu->ring.limit = crossings < 1 ? 1 : crossings > RING_SIZE ? RING_SIZE : crossings;
}

size_t emu_crossings(struct emu *emu, struct emu_crossing *out, size_t capacity) {
    struct ring *ring = &emu->ring;
    size_t n = ring->count < capacity ? ring->count : capacity;
    if (!n) return 0;
    memcpy(out, ring->entry, n * sizeof *out);
    memmove(ring->entry, ring->entry + n, (ring->count - n) * sizeof *out);
    ring->count -= n;
    return n;
}

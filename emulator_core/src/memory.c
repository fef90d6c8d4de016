/* Physical memory: the regions that say where it is, and a debugger's access. */
#include "memory.h"
#include "slots.h"

#include <stdlib.h>
#include <string.h>

/* ---- regions ------------------------------------------------------------------------------------------- */

static uint64_t region_end(const struct emu_region *r) { return r->address + r->size; }

const struct emu_region *region_at(const struct regions *regions, uint64_t pa) {
    size_t low = 0, high = regions->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct emu_region *r = &regions->list[middle];
        if (pa < r->address)
            high = middle;
        else if (pa >= region_end(r))
            low = middle + 1;
        else
            return r;
    }
    return NULL;
}

static bool regions_join(const struct emu_region *a, const struct emu_region *b) {
    return region_end(a) == b->address && a->prot == b->prot && a->device == b->device;
}

static void region_append(struct regions *to, uint64_t start, uint64_t end, const struct emu_region *value) {
    if (start >= end) return;
    struct emu_region r = {start, end - start, value->prot, value->device};
    struct emu_region *last = to->count ? &to->list[to->count - 1] : NULL;
    if (last && regions_join(last, &r))
        last->size += r.size;
    else
        to->list[to->count++] = r;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }

void regions_set(struct regions *regions, uint64_t start, uint64_t end, const struct emu_region *value) {
    struct regions out = {allocate((regions->count + 3) * sizeof *out.list), 0};
    bool placed = !value;
    for (size_t i = 0; i < regions->count; i++) {
        const struct emu_region *r = &regions->list[i];
        region_append(&out, r->address, least(region_end(r), start), r);
        if (!placed && region_end(r) > start) region_append(&out, start, end, value), placed = true;
        region_append(&out, most(r->address, end), region_end(r), r);
    }
    if (!placed) region_append(&out, start, end, value);
    free(regions->list);
    *regions = out;
}

struct regions regions_copy(const struct regions *regions) {
    struct regions copy = {allocate((regions->count + 1) * sizeof *copy.list), regions->count};
    if (regions->count) memcpy(copy.list, regions->list, regions->count * sizeof *copy.list);
    return copy;
}

/* ---- mapping ------------------------------------------------------------------------------------------- */

static bool range_is_good(uint64_t address, uint64_t size) {
    uint64_t limit = (uint64_t)1 << PHYSICAL_BITS;
    return size && !((address | size) & (EMU_PAGE - 1)) && address < limit && size <= limit - address;
}

void memory_changed(struct emu *emu, uint64_t start, uint64_t end) {
    for (int i = 0; i < emu->thread_count; i++)
        if (emu->threads[i]) cpu_flush(emu->threads[i]);
    code_written(emu, start, end - start);
}

static int map_region(struct emu *emu, uint64_t address, uint64_t size, const struct emu_region *value) {
    if (!range_is_good(address, size)) return -1;
    frames_clear(&emu->memory, address, address + size);
    regions_set(&emu->regions, address, address + size, value);
    memory_changed(emu, address, address + size);
    return 0;
}

enum { PROT_ALL = EMU_PROT_R | EMU_PROT_W | EMU_PROT_X };

int emu_map(struct emu *emu, uint64_t address, uint64_t size, unsigned prot) {
    if (prot & ~(unsigned)PROT_ALL) return -1;
    return map_region(emu, address, size, &(struct emu_region){.prot = prot});
}

int emu_unmap(struct emu *emu, uint64_t address, uint64_t size) {
    return map_region(emu, address, size, NULL);
}

int emu_map_device(struct emu *emu, uint64_t address, uint64_t size) {
    return map_region(emu, address, size,
                      &(struct emu_region){.prot = EMU_PROT_R | EMU_PROT_W, .device = true});
}

int emu_set_absent(struct emu *emu, uint64_t address, uint64_t size, bool absent) {
    if (!range_is_good(address, size)) return -1;
    regions_set(&emu->absent, address, address + size, absent ? &(struct emu_region){0} : NULL);
    return 0;
}

bool page_is_absent(const struct emu *emu, uint64_t pa) {
    return emu->absent.count && !region_at(&emu->regions, pa) && region_at(&emu->absent, pa);
}

static bool all_mapped(const struct emu *emu, uint64_t start, uint64_t end) {
    while (start < end) {
        const struct emu_region *r = region_at(&emu->regions, start);
        if (!r || r->device) return false;
        start = region_end(r);
    }
    return true;
}

int emu_protect(struct emu *emu, uint64_t address, uint64_t size, unsigned prot) {
    if (!range_is_good(address, size) || prot & ~(unsigned)PROT_ALL) return -1;
    if (!all_mapped(emu, address, address + size)) return -1;
    regions_set(&emu->regions, address, address + size, &(struct emu_region){.prot = prot});
    memory_changed(emu, address, address + size);
    return 0;
}

size_t emu_regions(struct emu *emu, struct emu_region *out, size_t capacity) {
    size_t count = emu->regions.count;
    if (out && count) memcpy(out, emu->regions.list, least(count, capacity) * sizeof *out);
    return count;
}

/* ---- a debugger's access ------------------------------------------------------------------------------- */

uint64_t emu_mapped(struct emu *emu, uint64_t address, uint64_t size) {
    uint64_t at = address, end = address + size < address ? UINT64_MAX : address + size;
    const struct emu_region *r;
    while (at < end && (r = region_at(&emu->regions, at))) at = region_end(r);
    return least(at, end) - address;
}

/* Bytes from address that lie in one page and are mapped. */
static size_t piece(const struct emu *emu, uint64_t address, size_t size) {
    if (!region_at(&emu->regions, address)) return 0;
    return (size_t)least(size, EMU_PAGE - (address & (EMU_PAGE - 1)));
}

size_t emu_read(struct emu *emu, uint64_t address, void *out, size_t size) {
    size_t done = 0, n;
    for (; done < size && (n = piece(emu, address + done, size - done)); done += n) {
        const struct frame *f = frame_at(emu->memory, address + done);
        memcpy((uint8_t *)out + done, f->data + ((address + done) & (EMU_PAGE - 1)), n);
    }
    return done;
}

/* Writable entries of TLBs point into owned frames, so a page that is already owned needs no flush. */
static struct frame *own_for_debugger(struct emu *emu, uint64_t pa) {
    bool owned = frame_is_owned(emu->memory, pa);
    struct frame *f = frame_own(&emu->memory, pa);
    for (int i = 0; !owned && i < emu->thread_count; i++)
        if (emu->threads[i]) cpu_flush(emu->threads[i]);
    return f;
}

static void clear_tags(struct frame *f, unsigned offset, size_t size) {
    unsigned first = offset / EMU_GRANULE, last = (unsigned)(offset + size - 1) / EMU_GRANULE;
    memset(f->tags + first, 0, last - first + 1);
}

size_t emu_write(struct emu *emu, uint64_t address, const void *in, size_t size) {
    size_t done = 0, n;
    for (; done < size && (n = piece(emu, address + done, size - done)); done += n) {
        unsigned offset = (unsigned)((address + done) & (EMU_PAGE - 1));
        struct frame *f = own_for_debugger(emu, address + done);
        memcpy(f->data + offset, (const uint8_t *)in + done, n);
        clear_tags(f, offset, n);
        code_written(emu, address + done, n);
    }
    return done;
}

size_t emu_read_tags(struct emu *emu, uint64_t address, uint8_t *out, size_t granules) {
    uint64_t at = address & ~(uint64_t)(EMU_GRANULE - 1);
    for (size_t i = 0; i < granules; i++, at += EMU_GRANULE) {
        if (!region_at(&emu->regions, at)) return i;
        out[i] = frame_at(emu->memory, at)->tags[(at & (EMU_PAGE - 1)) / EMU_GRANULE];
    }
    return granules;
}

int emu_write_cap(struct emu *emu, uint64_t address, struct emu_cap value) {
    if (address & (EMU_GRANULE - 1)) return -1;
    uint64_t words[2] = {value.lo, value.hi};
    if (emu_write(emu, address, words, sizeof words) != sizeof words) return -1;
    frame_own(&emu->memory, address)->tags[(address & (EMU_PAGE - 1)) / EMU_GRANULE] = value.tag != 0;
    return 0;
}

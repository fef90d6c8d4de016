/* Physical memory: frames in a copy-on-write tree, and the regions that say where it is. */
#include "memory.h"
#include "slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct frame zero_frame = {.refs = 1};

void *allocate(size_t size) {
    void *memory = calloc(1, size);
    if (memory) return memory;
    fputs("cvmdbg: out of memory\n", stderr);
    abort();
}

/* ---- the tree ------------------------------------------------------------------------------------------ */

static unsigned index_at(uint64_t pa, unsigned level) {
    return (unsigned)(pa >> (PAGE_BITS + NODE_BITS * (NODE_LEVELS - 1 - level))) & (NODE_SIZE - 1);
}

static uint64_t span(unsigned level) { return (uint64_t)EMU_PAGE << (NODE_BITS * (NODE_LEVELS - 1 - level)); }

static void frame_release(struct frame *f) {
    if (--f->refs == 0) free(f);
}

struct node *node_share(struct node *n) {
    if (n) n->refs++;
    return n;
}

static void child_release(void *child, unsigned level) {
    if (!child) return;
    if (level == NODE_LEVELS - 1)
        frame_release(child);
    else
        node_release(child, level + 1);
}

void node_release(struct node *n, unsigned level) {
    if (!n || --n->refs) return;
    for (unsigned i = 0; i < NODE_SIZE; i++) child_release(n->child[i], level);
    free(n);
}

static void child_share(void *child, unsigned level) {
    if (!child) return;
    if (level == NODE_LEVELS - 1)
        ((struct frame *)child)->refs++;
    else
        ((struct node *)child)->refs++;
}

/* The node in *place, made if missing and copied if shared. */
static struct node *node_own(struct node **place, unsigned level) {
    struct node *n = *place;
    if (n && n->refs == 1) return n;
    struct node *own = allocate(sizeof *own);
    own->refs = 1;
    if (n) {
        memcpy(own->child, n->child, sizeof n->child);
        for (unsigned i = 0; i < NODE_SIZE; i++) child_share(n->child[i], level);
        node_release(n, level);
    }
    return *place = own;
}

const struct frame *frame_at(const struct node *root, uint64_t pa) {
    const struct node *n = root;
    for (unsigned level = 0; level < NODE_LEVELS - 1 && n; level++) n = n->child[index_at(pa, level)];
    const struct frame *f = n ? n->child[index_at(pa, NODE_LEVELS - 1)] : NULL;
    return f ? f : &zero_frame;
}

bool frame_is_owned(const struct node *root, uint64_t pa) {
    const struct node *n = root;
    for (unsigned level = 0; n && n->refs == 1; level++) {
        const void *child = n->child[index_at(pa, level)];
        if (level == NODE_LEVELS - 1) return child && ((const struct frame *)child)->refs == 1;
        n = child;
    }
    return false;
}

struct frame *frame_own(struct node **root, uint64_t pa) {
    struct node **place = root;
    for (unsigned level = 0; level < NODE_LEVELS - 1; level++)
        place = (struct node **)&node_own(place, level)->child[index_at(pa, level)];
    struct node *leaf = node_own(place, NODE_LEVELS - 1);
    struct frame **slot = (struct frame **)&leaf->child[index_at(pa, NODE_LEVELS - 1)], *f = *slot;
    if (f && f->refs == 1) return f;
    struct frame *own = allocate(sizeof *own);
    if (f) {
        memcpy(own->data, f->data, sizeof own->data);
        memcpy(own->tags, f->tags, sizeof own->tags);
        frame_release(f);
    }
    own->refs = 1;
    return *slot = own;
}

/* Drop what [start, end) holds below the node at base. */
static void clear_below(struct node **place, unsigned level, uint64_t base, uint64_t start, uint64_t end) {
    if (!*place) return;
    struct node *n = node_own(place, level);
    uint64_t size = span(level);
    unsigned first = start > base ? (unsigned)((start - base) / size) : 0;
    for (unsigned i = first; i < NODE_SIZE && base + i * size < end; i++) {
        uint64_t at = base + i * size;
        bool whole = start <= at && at + size <= end;
        if (whole || level == NODE_LEVELS - 1) {
            child_release(n->child[i], level);
            n->child[i] = NULL;
        } else
            clear_below((struct node **)&n->child[i], level + 1, at, start, end);
    }
}

void frames_clear(struct node **root, uint64_t start, uint64_t end) { clear_below(root, 0, 0, start, end); }

static void visit_below(const struct node *n, unsigned level, uint64_t base, frame_visitor *visit,
                        void *context) {
    for (unsigned i = 0; n && i < NODE_SIZE; i++) {
        const void *child = n->child[i];
        uint64_t at = base + i * span(level);
        if (!child) continue;
        if (level == NODE_LEVELS - 1)
            visit(context, at, child);
        else
            visit_below(child, level + 1, at, visit, context);
    }
}

void frames_visit(const struct node *root, frame_visitor *visit, void *context) {
    visit_below(root, 0, 0, visit, context);
}

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

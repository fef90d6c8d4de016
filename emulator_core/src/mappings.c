/* The page tables as a list: what is mapped where, for whoever looks at a machine whose stage 1 is on. */
#include "access.h"
#include "access_parts.h"
#include "memory.h"
#include "stage1.h"

/* Where the list grows. */
struct list {
    struct emu_mapping *out, last; /* last: the piece that the next one may go on from */
    size_t capacity, count;
};

static void flush(struct list *l) {
    if (l->last.size && l->count++ < l->capacity) l->out[l->count - 1] = l->last;
    l->last = (struct emu_mapping){0};
}

static bool goes_on(const struct emu_mapping *a, const struct emu_mapping *b) {
    return a->size && a->address + a->size == b->address && a->physical + a->size == b->physical &&
           a->prot == b->prot && a->cap_prot == b->cap_prot && a->device == b->device;
}

static void append(struct list *l, const struct emu_mapping *piece) {
    if (goes_on(&l->last, piece)) {
        l->last.size += piece->size;
        return;
    }
    flush(l);
    l->last = *piece;
}

static unsigned cap_prot_of(struct cpu *cpu, const struct page_tags *t, uint64_t va) {
    unsigned load = tag_load_faults(cpu, t, va) ? EMU_CAP_LOAD_FAULT : t->load_zero ? 0 : EMU_CAP_LOAD;
    return load | (t->store_fault ? 0 : EMU_CAP_STORE);
}

/* The parts of a page or block behind which something physical is mapped. */
static void append_leaf(struct list *l, struct cpu *cpu, const struct walk *w, uint64_t va, uint64_t size) {
    const struct regions *regions = &cpu->emu->regions;
    uint64_t end = w->pa + size;
    for (size_t i = 0; i < regions->count; i++) {
        const struct emu_region *r = &regions->list[i];
        uint64_t from = r->address > w->pa ? r->address : w->pa;
        uint64_t to = r->address + r->size < end ? r->address + r->size : end;
        if (from >= to) continue;
        append(l, &(struct emu_mapping){
                      .address = va + (from - w->pa),
                      .size = to - from,
                      .physical = from,
                      .prot = w->prot & r->prot,
                      .cap_prot = cap_prot_of(cpu, &w->tags, va),
                      .device = r->device,
                  });
    }
}

/* Each walk ends at a page, a block or a gap, and the next begins behind it; false: searched is used up. */
static bool append_half(struct list *l, struct cpu *cpu, uint64_t first, uint64_t last, unsigned *searched) {
    unsigned el = cpu_el(cpu);
    for (uint64_t va = first;; (*searched)++) {
        if (*searched == EMU_MAPPINGS_SEARCHED) return false;
        struct walk w = stage1_walk(cpu, va, el);
        uint64_t size = (uint64_t)1 << stage1_reach(cpu, va, el, w.level);
        if (w.fault == WALK_OK) append_leaf(l, cpu, &w, va, size);
        uint64_t end = va | (size - 1);
        if (end >= last) return true;
        va = end + 1;
    }
}

size_t emu_mappings(struct emu *emu, int thread, struct emu_mapping *out, size_t capacity) {
    struct list l = {.out = out, .capacity = capacity};
    struct cpu *cpu = emu->threads[thread];
    unsigned searched = 0;
    for (int upper = 0; upper <= 1; upper++) {
        uint64_t first, last;
        if (!cpu->translating || !stage1_range(cpu, cpu_el(cpu), upper, &first, &last)) continue;
        if (!append_half(&l, cpu, first, last, &searched)) return SIZE_MAX;
    }
    flush(&l);
    return l.count;
}

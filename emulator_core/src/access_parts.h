/* What the ways to memory share: the parts of an access, one a page. */
#ifndef CVMDBG_ACCESS_PARTS_H
#define CVMDBG_ACCESS_PARTS_H

#include "access.h"

static inline unsigned in_page(uint64_t address) { return (unsigned)(address & (EMU_PAGE - 1)); }
static inline bool is_write(enum emu_access access) { return access == EMU_WRITE || access == EMU_WRITE_CAP; }

/* The part of an access that lies in one page. frame is NULL for a device. */
struct part {
    struct frame *frame;
    uint64_t pa;
    unsigned offset, size;
    struct page_tags tags;
};
struct span {
    struct part part[2];
    unsigned count;
};

/* Each of these that is false left a fault in cpu->fault. */
bool page_fault(struct cpu *, enum emu_fault_kind, uint64_t va, unsigned size, enum emu_access);
/* The access waits for a page: the run stops, whatever the mode. */
void page_absent(struct cpu *, uint64_t pa, uint64_t va, unsigned size, enum emu_access);
bool aligned(struct cpu *, uint64_t va, unsigned size, unsigned alignment, enum emu_access);
bool part_find(struct cpu *, uint64_t va, unsigned size, enum emu_access, struct part *out);

/* Does the descriptor refuse the load of a tag, with the generation of tags that is let through now? */
bool tag_load_faults(struct cpu *, const struct page_tags *, uint64_t va);

/* Bytes go in, tags go; whether a tag was set is what a watcher of tags asks. */
bool span_write(struct cpu *, const struct span *, const void *in);
/* Who makes the access that begins: AccType_UNPRIV, unless PSTATE.UAO overrides it. */
void access_as(struct cpu *, unsigned flags);
void tlb_fill(struct cpu *, uint64_t va, const struct translation *, struct frame *);

#endif

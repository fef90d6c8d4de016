/* The complete way to memory: every check in the specification's order, then bytes and tags. */
#ifndef CVMDBG_ACCESS_H
#define CVMDBG_ACCESS_H

#include "exec.h"

/* What a page does to tags: capability bits of its descriptor as far as TCR enables them. */
struct page_tags {
    bool load_zero;  /* loads see no tag */
    bool load_fault; /* a tag that is loaded faults if CCTLR.TGENx equals load_generation */
    unsigned load_generation;
    bool store_fault; /* storing a tag faults */
};

/* Where a virtual address leads. */
struct translation {
    uint64_t pa;
    unsigned prot; /* EMU_PROT_… */
    bool device;
    struct page_tags tags;
};

/* false: cpu->fault is set. size is what the fault reports. */
bool translate(struct cpu *, uint64_t va, unsigned size, enum emu_access, struct translation *out);

/* Addresses as bounds and branches see them: the top byte goes where TCR says that it is ignored. */
uint64_t address_canonical(struct cpu *, uint64_t address, unsigned el);

/* Make the fast engine's check of this access succeed next time, as far as the page and the register allow
 * it. */
void access_cache(struct cpu *, unsigned base, uint64_t va); /* register `base` authorises: C64 */
void access_cache_ddc(struct cpu *, uint64_t va);            /* A64 */
void bounds_cache(struct cpu *, unsigned r);                 /* decode r's bounds into base and top_* */

/* The frame behind a virtual page moved or its protection changed. */
void tlb_forget(struct emu *, uint64_t va);

#endif

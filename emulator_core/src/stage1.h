/* Stage 1 of address translation: what the page tables of a regime say about a virtual address. */
#ifndef CVMDBG_STAGE1_H
#define CVMDBG_STAGE1_H

#include "access.h"

/* Why a walk failed; the level goes with it into the status code. */
enum walk_fault { WALK_OK, WALK_ADDRESS_SIZE, WALK_TRANSLATION, WALK_ACCESS_FLAG, WALK_PERMISSION };

struct walk {
    enum walk_fault fault;
    unsigned level;
    uint64_t pa;
    unsigned prot; /* EMU_PROT_… for this privilege */
    bool device;
    bool absent;               /* of a descriptor whose page is: pa is its address */
    uint8_t memory, shareable; /* MAIR's byte, SH */
    struct page_tags tags;
};

/* el is the one whose access it is (LDTR at EL1: 0). */
struct walk stage1_walk(struct cpu *, uint64_t va, unsigned el);
/* Bits of the address below a descriptor of this level, in the half that va is in. */
unsigned stage1_reach(struct cpu *, uint64_t va, unsigned el, unsigned level);
/* The addresses that a half of the regime of el translates, first to last; false where there are none. Only
 * EL0 and EL1 have an upper half. */
bool stage1_range(struct cpu *, unsigned el, bool upper, uint64_t *first, uint64_t *last);
/* ESR's status code for a walk that failed. */
uint32_t walk_status(const struct walk *);

#endif

/* What translated loads and stores share. A is the address from the base on; the checks change B and C. */
#ifndef CVMDBG_JIT_MEMORY_H
#define CVMDBG_JIT_MEMORY_H

#include "jit_block.h"

/* Forms and authorities of ops_memory.inc. */
enum { IMM, PRE, POST, PLAIN, LSL, UXTW0, UXTW, SXTW0, SXTW };
enum { DDC, DDCSP, CAP, CAPSP };

enum jit_via { VIA_DDC, VIA_CAP };
enum index_form { BY_X, BY_UXTW, BY_SXTW };

void base_address(struct block *, unsigned r, bool is_sp); /* the stack pointer's alignment is checked */
void shifted_index(struct block *, unsigned host, unsigned r, enum index_form, unsigned scale);
/* Misses unless authority, bounds and page allow it; changes D, too. Then C + A is the host's address of the
 * bytes, and B + A / 16 that of the tags, but not for a plain load. */
enum jit_access { LOADS, LOADS_TAGS, STORES };
void access_is_allowed(struct block *, enum jit_via, unsigned r, unsigned size, enum jit_access);
void clear_tags(struct block *, unsigned size); /* changes C */

/* WITHIN(r, host register). Changes D. */
void stays_within(struct block *, unsigned r, unsigned host);
/* Write-back: what could miss, before the access; then the change. */
void may_move(struct block *, enum jit_via, unsigned r, int32_t by);
void move_base(struct block *, enum jit_via, unsigned r, int32_t by);

#endif

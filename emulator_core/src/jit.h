/* The block translator: x86-64 code as one more function of a slot.
 *
 * A page of code that is hot is translated whole, with what its code may reach on it. Each slot of an op that
 * has a translation becomes an entry: its slot's function is the translation from there on. Code leaves a
 * page through the target slot's function. An op without a translation, and every case that one does not
 * serve, goes to the slot's function as the interpreter has it; so ticks, faults, breakpoints, watchpoints
 * and interrupts have one implementation. Nothing returns into translated code, therefore the translation of
 * a page can be dropped at any time the interpreter runs.
 *
 *   jit.c          which pages are hot, what of a page is translated, entries
 *   jit_cache.c    memory that is written here and executed there
 *   jit_x86.h      the host's encodings
 *   jit_block.[ch] registers, flags and exits while a page is translated
 *   jit_<family>.c the ops of ops_<family>.inc
 *
 * TO TRANSLATE AN OP: a function of type jit_fn that emits it, and a row in jit_<family>[].
 */
#ifndef CVMDBG_JIT_H
#define CVMDBG_JIT_H

#include "run.h"

struct jit;

/* Why there is no translator here, or NULL. */
const char *jit_missing(void);
void jit_free(struct jit *);

/* Ticks between two looks at where the engine is: few while hot code turns up, then more and more. */
enum { JIT_SOON = 1 << 12, JIT_RARELY = 1 << 17 };

/* The fast engine has left at cpu->slot, at a branch, because its budget was up: is the code hot? It is to
 * leave at the next branch if emu->looking, else after emu->look ticks. */
void jit_look(struct cpu *);
/* Slots [first, end) of the page are about to be decoded anew. A page whose guest writes code into it is
 * translated again, but later each time. */
void jit_forget(struct code_page *, unsigned first, unsigned end, bool by_guest);
/* All pages of code are gone. */
void jit_forget_all(struct emu *);

#endif

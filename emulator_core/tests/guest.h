/* What tests of the machine share: one user thread in a small address space. */
#ifndef CVMDBG_TEST_GUEST_H
#define CVMDBG_TEST_GUEST_H

#include "capability.h"
#include "emu.h"

#include <stdlib.h>
#include <string.h>

enum { CODE = 0x10000, CODE_PAGES = 4, AREA = 0x40000, AREA_PAGES = 4, FLAT = 0x6 };

struct guest {
    struct emu *emu;
    int thread;
};

static inline struct emu_cap plain_number(uint64_t value) { return (struct emu_cap){value, 0, 0}; }

static inline struct emu_cap whole_space(uint64_t value) {
    struct cap c = cap_set_value(cap_almighty(), value);
    return (struct emu_cap){c.lo, c.hi, c.tag};
}

/* Readable, writable and executable code; data; PCC, DDC and CSP over everything. */
static inline struct guest guest_new(void) {
    struct guest g = {emu_new(), 0};
    emu_map(g.emu, CODE, CODE_PAGES * EMU_PAGE, EMU_PROT_R | EMU_PROT_W | EMU_PROT_X);
    emu_map(g.emu, AREA, AREA_PAGES * EMU_PAGE, EMU_PROT_R | EMU_PROT_W);
    g.thread = emu_thread_new(g.emu, EMU_MODE_USER);
    emu_set(g.emu, g.thread, EMU_PCC, whole_space(CODE));
    emu_set(g.emu, g.thread, EMU_DDC, whole_space(0));
    emu_set(g.emu, g.thread, EMU_CSP, whole_space(AREA + EMU_PAGE));
    return g;
}

static inline uint64_t guest_x(struct guest g, unsigned n) {
    return emu_get(g.emu, g.thread, (enum emu_reg)n).lo;
}
static inline void guest_set_x(struct guest g, unsigned n, uint64_t value) {
    emu_set(g.emu, g.thread, (enum emu_reg)n, plain_number(value));
}
static inline struct emu_stop guest_run(struct guest g, uint64_t ticks) {
    struct emu_stop stop;
    emu_run(g.emu, g.thread, ticks, &stop);
    return stop;
}
static inline void guest_at(struct guest g, uint64_t pc) {
    emu_set(g.emu, g.thread, EMU_PCC, whole_space(pc));
}

/* A64 words that the tests are made of. */
enum {
    NOP = 0xd503201f,
    SVC_0 = 0xd4000001,
    ADD_X0_1 = 0x91000400,        /* add x0, x0, #1 */
    SUBS_X1_1 = 0xf1000421,       /* subs x1, x1, #1 */
    STR_X0_X2 = 0xf9000040,       /* str x0, [x2] */
    LDR_X3_X2 = 0xf9400043,       /* ldr x3, [x2] */
    STR_W0_X2_POST4 = 0xb8004440, /* str w0, [x2], #4 */
    RET = 0xd65f03c0,
};
static inline uint32_t b(int slots) { return 0x14000000 | (slots & 0x3ffffff); }
static inline uint32_t bl(int slots) { return 0x94000000 | (slots & 0x3ffffff); }
static inline uint32_t b_ne(int slots) { return 0x54000001 | (uint32_t)(slots & 0x7ffff) << 5; }

#endif

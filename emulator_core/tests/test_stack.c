/* The fast engine jumps from op to op: ten million ticks need no more stack than one. Built as the release
 * is. */
#include "check.h"
#include "guest.h"

#include <limits.h>
#include <pthread.h>

enum { TICKS = 10000000, STACK = 64 * 1024 };

/* Calls, loads, stores, flags, a branch to another page, a miss in each round. */
static void load_program(struct guest g) {
    const uint32_t loop[] = {ADD_X0_1, STR_X0_X2, LDR_X3_X2, bl(1021), SUBS_X1_1, b_ne(-5), b(-6)};
    const uint32_t callee[] = {ADD_X0_1, 0xd53bd044 /* mrs x4, tpidr_el0 */, RET};
    emu_write(g.emu, CODE, loop, sizeof loop);
    emu_write(g.emu, CODE + EMU_PAGE, callee, sizeof callee);
    guest_set_x(g, 2, AREA);
}

static void *run(void *context) {
    struct guest *g = context;
    CHECK(guest_run(*g, TICKS).kind == EMU_STOP_BUDGET);
    CHECK(emu_ticks(g->emu) == TICKS);
    return NULL;
}

int main(void) {
    struct guest g = guest_new();
    pthread_attr_t attributes;
    pthread_t thread;
    load_program(g);
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstacksize(&attributes, STACK > PTHREAD_STACK_MIN ? STACK : PTHREAD_STACK_MIN) == 0);
    CHECK(pthread_create(&thread, &attributes, run, &g) == 0);
    pthread_join(thread, NULL);
    emu_free(g.emu);
    return check_status();
}

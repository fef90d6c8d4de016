/* The fast engine, and the decision which engine runs. */
#include "run.h"
#include "access.h"
#include "arithmetic.h"
#include "capability_ops.h"
#include "memory_ops.h"
#include "stop.h"

#include <string.h>

/* ---- between the engines ------------------------------------------------------------------------------- */

/* Host registers to struct cpu. */
static inline void fast_save(struct cpu *cpu, const struct slot *s, int64_t T, uint64_t cv, uint64_t fa,
                             uint64_t fb) {
    cpu->slot = s;
    cpu->T = T;
    cpu->cv = cv;
    cpu->fa = fa;
    cpu->fb = fb;
}

void fast_leave(struct cpu *cpu, const struct slot *s, int64_t T, uint64_t cv, uint64_t fa, uint64_t fb) {
    fast_save(cpu, s, T, cv, fa, fb);
}

static bool passed_soft(const struct cpu *cpu) {
    return cpu->T > atomic_load_explicit(&cpu->soft, memory_order_relaxed);
}

/* What the fast engine does not do itself: one op by the step engine, then on. */
void fast_miss(struct cpu *cpu, const struct slot *s, int64_t T, uint64_t cv, uint64_t fa, uint64_t fb) {
    fast_save(cpu, s, T, cv, fa, fb);
    if (!step_one(cpu) || passed_soft(cpu) || !step_enter(cpu) || passed_soft(cpu)) return;
    s = cpu->slot;
    s->run(cpu, s, cpu->T, cpu->cv, cpu->fa, cpu->fb);
}

void fast_decode(struct cpu *cpu, const struct slot *s, int64_t T, uint64_t cv, uint64_t fa, uint64_t fb) {
    code_decode(cpu, cpu->page, (unsigned)(s - cpu->page->slot));
    s->run(cpu, s, T, cv, fa, fb);
}

void fast_run(struct cpu *cpu) {
    const struct slot *s = cpu->slot;
    s->run(cpu, s, cpu->T, cpu->cv, cpu->fa, cpu->fb);
}

/* ---- the ops ------------------------------------------------------------------------------------------- */

#include "ops_fast.h"
#include "ops.inc"
#include "ops_fused.inc"

void fast_next_page(struct cpu *cpu, const struct slot *s, int64_t T, uint64_t cv, uint64_t fa, uint64_t fb) {
    BRANCH_BEHIND(cpu->page->va + EMU_PAGE, 0);
}

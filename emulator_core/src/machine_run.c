/* Running: a budget, what ends a run before it, and which engine does it. */
#include "access.h"
#include "exec.h"
#include "jit.h"
#include "machine.h"
#include "run.h"
#include "stop.h"

/* A page has this many ticks at most between two looks at the budget, and then some. */
enum { MARGIN = 2200 };

static void other_monitors_open(struct emu *emu, const struct cpu *running) {
    for (int i = 0; i < emu->thread_count; i++)
        if (emu->threads[i] && emu->threads[i] != running) exclusive_clear(emu->threads[i]);
}

static void run_begin(struct cpu *cpu, uint64_t max_ticks) {
    struct emu *emu = cpu->emu;
    int64_t now = (int64_t)emu->ticks;
    other_monitors_open(emu, cpu);
    cpu->T = now;
    cpu->slot = NULL;
    cpu->event = cpu->faulted = false;
    cpu->fault_tick = -1;
    cpu->limit = max_ticks > (uint64_t)(INT64_MAX - now) ? INT64_MAX : now + (int64_t)max_ticks;
    atomic_store(&cpu->soft, cpu->limit - MARGIN);
    atomic_store(&emu->running, cpu);
    if (ring_is_full(emu)) stop_after(cpu, EMU_STOP_RING_FULL);
}

/* The first instruction runs though a breakpoint stands on it. */
static bool step_over_breakpoint(struct cpu *cpu) {
    if (!step_enter(cpu)) return false;
    struct code_page *page = cpu->page;
    unsigned index = (unsigned)(cpu->slot - page->slot);
    uint64_t pc = slot_pc(page, cpu->slot);
    if (!break_at(cpu->emu, pc) || index < page->first || index >= page->last) return true;
    code_decode_plain(cpu, page, index);
    bool on = step_one(cpu);
    code_reset_at(cpu->emu, pc);
    return on;
}

/* Not between an exception and the first instruction at its vector: a tick stands for one state only. */
static bool interrupted(struct cpu *cpu) {
    if (cpu->fault_tick == (int64_t)tick_get(cpu)) return false;
    if (!atomic_exchange(&cpu->emu->interrupt, false)) return false;
    stop_after(cpu, EMU_STOP_INTERRUPT);
    return true;
}

static bool attention(const struct cpu *cpu) {
    return atomic_load_explicit(&cpu->emu->interrupt, memory_order_relaxed);
}

static bool within_budget(const struct cpu *cpu) { return (int64_t)tick_get(cpu) < cpu->limit; }

/* At full speed, but for a look now and then at what is hot. An interrupt must not be missed while soft is
 * set. */
static void run_fast(struct cpu *cpu) {
    struct emu *emu = cpu->emu;
    if (emu->engine == EMU_ENGINE_JIT) {
        int64_t until = emu->looking ? INT64_MIN : cpu->T + emu->look, last = cpu->limit - MARGIN;
        atomic_store(&cpu->soft, until < last ? until : last);
        if (attention(cpu)) atomic_store(&cpu->soft, INT64_MIN);
    }
    fast_run(cpu);
    if (emu->engine == EMU_ENGINE_JIT && !cpu->event && cpu->slot) jit_look(cpu);
}

/* The budget's tail goes step by step, everything before at full speed. */
static void run_some(struct cpu *cpu) {
    int64_t left = cpu->limit - (int64_t)tick_get(cpu);
    if (!step_enter(cpu)) return;
    if (left > 2 * MARGIN && !cpu->stepping) {
        run_fast(cpu);
        return;
    }
    while (step_one(cpu) && within_budget(cpu) && !attention(cpu) && step_enter(cpu)) {
    }
}

static void run_until_stopped(struct cpu *cpu) {
    if (cpu->event || !within_budget(cpu) || interrupted(cpu) || !step_over_breakpoint(cpu)) return;
    while (!cpu->event && within_budget(cpu) && !interrupted(cpu)) run_some(cpu);
}

/* The pc goes to PCC and the ticks to the machine. */
static void run_end(struct cpu *cpu) {
    struct emu *emu = cpu->emu;
    atomic_store(&emu->running, NULL);
    emu->ticks = tick_get(cpu);
    if (cpu->slot) cpu->lo[R_PCC] = slot_pc(cpu->page, cpu->slot);
    cpu->slot = NULL;
    cpu->page = NULL;
}

void emu_run(struct emu *emu, int thread, uint64_t max_ticks, struct emu_stop *out) {
    struct cpu *cpu = thread_of(emu, thread);
    *out = (struct emu_stop){.kind = EMU_STOP_BUDGET, .thread = thread, .tick = emu->ticks};
    if (!cpu) return;
    run_begin(cpu, max_ticks);
    run_until_stopped(cpu);
    run_end(cpu);
    if (cpu->event) *out = cpu->stop;
    out->thread = thread;
    out->tick = emu->ticks;
    out->pc = pc_get(cpu);
}

static bool same(struct emu_cap a, struct emu_cap b, bool bounds) {
    return a.hi == b.hi && a.tag == b.tag && (bounds || a.lo == b.lo);
}

/* A register, and what it was. */
struct watched {
    int thread;
    enum emu_reg reg;
    bool bounds;
    struct emu_cap before;
};

static bool has_changed(struct emu *emu, const struct watched *w) {
    return !same(w->before, emu_get(emu, w->thread, w->reg), w->bounds);
}

/* Step by step, and no further than the instruction that changes the register; crossings are not wanted. */
static void run_unchanged(struct cpu *cpu, const struct watched *w, uint64_t *pc) {
    *pc = pc_get(cpu);
    if (!step_over_breakpoint(cpu) || has_changed(cpu->emu, w)) return;
    while (!cpu->event && within_budget(cpu) && !interrupted(cpu) && step_enter(cpu)) {
        *pc = slot_pc(cpu->page, cpu->slot);
        step_one(cpu);
        cpu->emu->ring.count = 0;
        if (has_changed(cpu->emu, w)) return;
    }
}

/* The PCC has its value after a run only: it is looked at tick by tick. */
bool emu_run_until_changed(struct emu *emu, int thread, enum emu_reg reg, bool bounds, uint64_t max_ticks,
                           uint64_t *pc) {
    struct cpu *cpu = thread_of(emu, thread);
    struct watched w = {thread, reg, bounds, emu_get(emu, thread, reg)};
    uint64_t end = emu->ticks + max_ticks, tick = end;
    while (cpu && emu->ticks < end && emu->ticks != tick) {
        tick = emu->ticks;
        run_begin(cpu, reg == EMU_PCC ? 1 : end - tick);
        run_unchanged(cpu, &w, pc);
        run_end(cpu);
        if (has_changed(emu, &w)) return true;
        if (cpu->event && cpu->stop.kind == EMU_STOP_INTERRUPT) break;
    }
    return false;
}

void emu_interrupt(struct emu *emu) {
    atomic_store(&emu->interrupt, true);
    struct cpu *cpu = atomic_load(&emu->running);
    if (cpu) atomic_store(&cpu->soft, INT64_MIN);
}

uint64_t emu_ticks(struct emu *emu) { return emu->ticks; }
void emu_set_ticks(struct emu *emu, uint64_t ticks) { emu->ticks = ticks; }
int emu_set_engine(struct emu *emu, enum emu_engine engine) {
    if (engine == EMU_ENGINE_JIT && jit_missing()) return -1;
    if (engine != emu->engine) code_drop_all(emu);
    emu->engine = engine;
    return 0;
}

enum emu_engine emu_engine(struct emu *emu) { return emu->engine; }
uint64_t emu_translations(struct emu *emu) { return emu->translations; }
const char *emu_jit_missing(void) { return jit_missing(); }

void emu_use_step_engine(struct emu *emu, int thread, bool on) {
    struct cpu *cpu = thread_of(emu, thread);
    if (cpu) cpu->stepping = on || STEP_ONLY;
}

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

bool emu_run_until_changed(struct emu *emu, int thread, enum emu_reg reg, bool bounds, uint64_t max_ticks,
                           uint64_t *pc) {
    struct emu_cap before = emu_get(emu, thread, reg);
    struct emu_stop stop = {.kind = EMU_STOP_BUDGET};
    for (uint64_t left = max_ticks; left && stop.kind != EMU_STOP_INTERRUPT; left--) {
        uint64_t tick = emu->ticks;
        *pc = emu_get(emu, thread, EMU_PCC).lo;
        emu_run(emu, thread, 1, &stop);
        if (!same(before, emu_get(emu, thread, reg), bounds)) return true;
        if (emu->ticks == tick) return false;
        emu->ring.count = 0;
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
    if (cpu) cpu->stepping = on;
}

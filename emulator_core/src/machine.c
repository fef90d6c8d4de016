/* The machine as a whole: threads, registers by number, runs. */
#include "access.h"
#include "exec.h"
#include "fault.h"
#include "jit.h"
#include "memory.h"
#include "run.h"
#include "softfloat.h"
#include "stop.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---------------------------------------------------------------------------------------------- */

/* The translator where there is one, until somebody chooses. */
enum { NOT_CHOSEN = -1 };
static _Atomic int default_engine = NOT_CHOSEN;
static _Atomic int64_t default_look = JIT_SOON;

int emu_set_default_engine(enum emu_engine engine, int64_t look) {
    if (look < 1 || (engine == EMU_ENGINE_JIT && jit_missing())) return -1;
    default_engine = engine;
    default_look = look;
    return 0;
}

enum emu_engine emu_default_engine(void) {
    if (default_engine != NOT_CHOSEN) return (enum emu_engine)default_engine;
    return jit_missing() ? EMU_ENGINE_INTERP : EMU_ENGINE_JIT;
}

struct emu *emu_new(void) {
    struct emu *emu = allocate(sizeof *emu);
    emu->threads = allocate(MAX_THREADS * sizeof *emu->threads);
    emu->ring.limit = RING_SIZE;
    emu->engine = emu_default_engine();
    emu->look = emu->soon = default_look;
    return emu;
}

void emu_free(struct emu *emu) {
    if (!emu) return;
    code_drop_all(emu);
    jit_free(emu->jit);
    for (int i = 0; i < emu->thread_count; i++) free(emu->threads[i]);
    node_release(emu->memory, 0);
    free(emu->threads);
    free(emu->regions.list);
    free(emu->absent.list);
    free(emu->breakpoints);
    free(emu->watchpoints);
    free(emu->ring.entry);
    free(emu->touched.page);
    free(emu);
}

/* ---- threads ------------------------------------------------------------------------------------------- */

static struct cpu *cpu_new(struct emu *emu, int id, enum emu_mode mode) {
    struct cpu *cpu = aligned_alloc(64, (sizeof *cpu + 63) & ~(size_t)63);
    if (!cpu) abort();
    memset(cpu, 0, sizeof *cpu);
    cpu->emu = emu;
    cpu->id = id;
    cpu->mode = mode;
    cpu->cv = bit(R_DDC) | bit(R_PCC) | FLAGS_NIBBLE;
    cpu->tlb_ddc_used = cpu->tlb_va_used = cpu->code_used = UINT64_MAX; /* the first flush makes them */
#ifdef CVMDBG_STEP_ONLY
    cpu->stepping = true; /* the fast engine's jumps need an optimised build */
#endif
    return cpu;
}

/* User: EL0, all capabilities null. System: reset at EL3 with almighty PCC and DDC, everything masked. */
static void cpu_reset(struct cpu *cpu) {
    bool user = cpu->mode == EMU_MODE_USER;
    sysreg_reset(cpu, cpu->mode);
    cpu->pstate = user ? 0 : PSTATE_SP | 3 << PSTATE_EL_LSB | PSTATE_DAIF;
    cpu->sp_bank = user ? SYSCAP_CSP_EL0 : SYSCAP_CSP_EL3;
    cpu->ddc_bank = user ? SYSCAP_DDC_EL0 : SYSCAP_DDC_EL3;
    reg_set(cpu, R_PCC, user ? cap_null() : cap_almighty());
    if (user) {
        cpu->sp_bank = SYSCAP_RCSP_EL0; /* a null PCC is Restricted */
        cpu->ddc_bank = SYSCAP_RDDC_EL0;
    }
    reg_set(cpu, R_SP, cpu->sys.cap[cpu->sp_bank]);
    reg_set(cpu, R_DDC, cpu->sys.cap[cpu->ddc_bank]);
    cpu_refresh(cpu);
}

void emu_thread_place(struct emu *emu, int id, enum emu_mode mode) {
    emu->threads[id] = cpu_new(emu, id, mode);
    if (id >= emu->thread_count) emu->thread_count = id + 1;
    cpu_reset(emu->threads[id]);
}

int emu_thread_new(struct emu *emu, enum emu_mode mode) {
    int id = 0;
    while (id < emu->thread_count && emu->threads[id]) id++;
    if (id == MAX_THREADS) return -1;
    emu_thread_place(emu, id, mode);
    return id;
}

static struct cpu *thread_of(struct emu *emu, int thread) {
    return thread >= 0 && thread < emu->thread_count ? emu->threads[thread] : NULL;
}

bool emu_thread_exists(struct emu *emu, int thread) { return thread_of(emu, thread); }

int emu_thread_limit(struct emu *emu) { return emu->thread_count; }

void emu_thread_free(struct emu *emu, int thread) {
    struct cpu *cpu = thread_of(emu, thread);
    if (!cpu) return;
    free(cpu);
    emu->threads[thread] = NULL;
    while (emu->thread_count && !emu->threads[emu->thread_count - 1]) emu->thread_count--;
}

/* ---- registers by number ------------------------------------------------------------------------------- */

static struct cap inside(struct emu_cap c) { return (struct cap){c.lo, c.hi, c.tag != 0}; }
static struct emu_cap outside(struct cap c) { return (struct emu_cap){c.lo, c.hi, c.tag}; }
static struct emu_cap number(uint64_t value) { return (struct emu_cap){value, 0, 0}; }

/* The banked registers; CSP and DDC are the executive ones of this EL. */
static enum sys_cap bank_of(const struct cpu *cpu, enum emu_reg reg) {
    unsigned el = cpu->pstate & PSTATE_SP ? cpu_el(cpu) : 0;
    switch (reg) {
    case EMU_CSP: return SYSCAP_CSP_EL0 + el;
    case EMU_DDC: return SYSCAP_DDC_EL0 + el;
    case EMU_CTPIDR: return SYSCAP_CTPIDR_EL0 + cpu_el(cpu);
    case EMU_RCSP: return SYSCAP_RCSP_EL0;
    case EMU_RDDC: return SYSCAP_RDDC_EL0;
    case EMU_RCTPIDR: return SYSCAP_RCTPIDR_EL0;
    case EMU_CID: return SYSCAP_CID_EL0;
    default: return SYSCAP_CTPIDRRO_EL0;
    }
}

struct emu_cap emu_get(struct emu *emu, int thread, enum emu_reg reg) {
    struct cpu *cpu = thread_of(emu, thread);
    if (!cpu) return number(0);
    if (reg <= 30) return outside(c_get(cpu, reg));
    if (reg == EMU_PCC) return outside(pcc_get(cpu));
    if (reg < EMU_CAP_COUNT) return outside(sys_cap_get(cpu, bank_of(cpu, reg)));
    if (reg >= EMU_V0)
        return (struct emu_cap){cpu->v[(reg - EMU_V0) & 31][0], cpu->v[(reg - EMU_V0) & 31][1], 0};
    switch (reg) {
    case EMU_NZCV: return number((uint64_t)flags_get(cpu) << 28);
    case EMU_CPSR: return number(spsr_get(cpu));
    case EMU_CCTLR: return number(cctlr_get(cpu));
    case EMU_FPCR: return number(cpu->fpcr);
    case EMU_FPSR: return number(cpu->fpsr);
    case EMU_EL: return number(cpu_el(cpu));
    default: return number(0);
    }
}

/* The pc of a debugger's PCC may be anything; it is looked at when it is fetched from. */
static void set_pcc(struct cpu *cpu, struct cap value) {
    reg_set(cpu, R_PCC, value);
    cpu->cv |= bit(R_PCC);
    cpu_refresh(cpu);
}

static void set_cctlr(struct cpu *cpu, uint64_t value) {
    static const uint16_t by_el[] = {SYS_CCTLR_EL0, SYS_CCTLR_EL1, SYS_CCTLR_EL2, SYS_CCTLR_EL3};
    cpu->sys.word[by_el[cpu_el(cpu)]] = (uint32_t)value;
    cpu_refresh(cpu);
}

enum {
    CPSR_WRITABLE = PSTATE_SP | 3 << PSTATE_EL_LSB | PSTATE_DAIF | PSTATE_SSBS | PSTATE_IL | PSTATE_SS |
    PSTATE_PAN | PSTATE_UAO | PSTATE_C64
};

static void set_cpsr(struct cpu *cpu, uint64_t value) {
    cpu->pstate = (uint32_t)value & CPSR_WRITABLE;
    flags_set(cpu, (unsigned)(value >> 28) & 15);
    cpu_refresh(cpu);
}

static int set_number(struct cpu *cpu, enum emu_reg reg, uint64_t value) {
    switch (reg) {
    case EMU_NZCV: flags_set(cpu, (unsigned)(value >> 28) & 15); return 0;
    case EMU_CPSR: set_cpsr(cpu, value); return 0;
    case EMU_CCTLR: set_cctlr(cpu, value); return 0;
    case EMU_FPCR: cpu->fpcr = (uint32_t)value & FPCR_BITS; return 0;
    case EMU_FPSR: cpu->fpsr = (uint32_t)value; return 0;
    case EMU_EL: set_cpsr(cpu, (spsr_get(cpu) & ~0xcu) | (value & 3) << PSTATE_EL_LSB); return 0;
    default: return -1;
    }
}

int emu_set(struct emu *emu, int thread, enum emu_reg reg, struct emu_cap value) {
    struct cpu *cpu = thread_of(emu, thread);
    if (!cpu || reg >= EMU_REG_END) return -1;
    if (reg <= 30)
        c_set(cpu, reg, inside(value));
    else if (reg == EMU_PCC)
        set_pcc(cpu, inside(value));
    else if (reg < EMU_CAP_COUNT)
        sys_cap_set(cpu, bank_of(cpu, reg), inside(value));
    else if (reg >= EMU_V0)
        v_set(cpu, reg - EMU_V0, (struct vector){value.lo, value.hi});
    else
        return set_number(cpu, reg, value.lo);
    return 0;
}

/* ---- canonical state of a thread ----------------------------------------------------------------------- */

void cpu_save(const struct cpu *cpu, struct thread_state *out) {
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < 31; i++) out->c[i] = reg_get(cpu, i);
    out->pcc = reg_get(cpu, R_PCC);
    out->sys = cpu->sys;
    out->sys.cap[cpu->sp_bank] = reg_get(cpu, R_SP);
    out->sys.cap[cpu->ddc_bank] = reg_get(cpu, R_DDC);
    memcpy(out->v, cpu->v, sizeof out->v);
    out->monitor = cpu->monitor;
    out->pstate = cpu->pstate;
    out->nzcv = flags_nibble(cpu->cv, cpu->fa, cpu->fb);
    out->fpcr = cpu->fpcr;
    out->fpsr = cpu->fpsr;
    out->mode = cpu->mode;
    out->present = 1;
}

void cpu_load(struct cpu *cpu, const struct thread_state *in) {
    cpu->cv = 0;
    for (unsigned i = 0; i < 31; i++) reg_set(cpu, i, in->c[i]);
    reg_set(cpu, R_PCC, in->pcc);
    cpu->sys = in->sys;
    memcpy(cpu->v, in->v, sizeof cpu->v);
    cpu->monitor = in->monitor;
    cpu->pstate = in->pstate;
    cpu->fpcr = in->fpcr;
    cpu->fpsr = in->fpsr;
    cpu->mode = in->mode;
    reg_set(cpu, R_SP, cpu->sys.cap[cpu->sp_bank]);
    reg_set(cpu, R_DDC, cpu->sys.cap[cpu->ddc_bank]);
    flags_set(cpu, in->nzcv);
    cpu_refresh(cpu);
}

/* ---- running ------------------------------------------------------------------------------------------- */

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

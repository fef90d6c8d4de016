/* The machine as a whole: its life, and its threads. */
#include "exec.h"
#include "jit.h"
#include "machine.h"
#include "memory.h"

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
    cpu->stepping = STEP_ONLY;
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

struct cpu *thread_of(struct emu *emu, int thread) {
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

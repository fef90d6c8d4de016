/* The step engine: the reference, and the complete way of every op. */
#include "access.h"
#include "arithmetic.h"
#include "capability_ops.h"
#include "fault.h"
#include "memory_ops.h"
#include "run.h"
#include "stop.h"

/* ---- one slot ------------------------------------------------------------------------------------------ */

static void stop_with_fault(struct cpu *cpu) {
    cpu->event = true;
    cpu->stop = (struct emu_stop){.kind = EMU_STOP_FAULT, .fault = cpu->fault};
    if (cpu->absent) cpu->stop.kind = EMU_STOP_ABSENT, cpu->stop.address = cpu->absent_page;
}

/* Exceptions that follow each other without an instruction between them would never end. */
enum { FAULTS_IN_A_ROW = 8 };

static bool deliver(struct cpu *cpu) {
    int64_t tick = (int64_t)tick_get(cpu);
    cpu->faults_in_a_row = tick == cpu->fault_tick ? cpu->faults_in_a_row + 1 : 1;
    cpu->fault_tick = tick;
    if (cpu->faults_in_a_row <= FAULTS_IN_A_ROW && fault_deliver(cpu)) return true;
    cpu->faulted = false;
    cpu->faults_in_a_row = 0;
    stop_with_fault(cpu);
    return false;
}

bool step_enter(struct cpu *cpu) {
    while (!cpu->slot && !code_enter(cpu))
        if (!deliver(cpu)) return false;
    return true;
}

bool step_one(struct cpu *cpu) {
    const struct slot *s = cpu->slot;
    struct code_page *page = cpu->page;
    cpu->lo[R_PCC] = slot_pc(page, s);
    page->step[s - page->slot](cpu, s);
    if (cpu->faulted && !deliver(cpu)) return false;
    return !cpu->event;
}

/* ---- what ops do --------------------------------------------------------------------------------------- */

/* A branch to an address elsewhere under the same PCC: BranchToOffset with the offset from here. */
static void step_far(struct cpu *cpu, uint64_t target) {
    branch_to_offset(cpu, target - pc_get(cpu));
    cpu->T++;
}

/* A branch to Xn. */
static void step_register(struct cpu *cpu, uint64_t x) {
    struct cap pcc = pcc_get(cpu);
    branch_to_cap(cpu, cctlr_get(cpu) & CCTLR_PCCBO ? cap_set_offset(pcc, x) : cap_set_value(pcc, x));
    cpu->T++;
}

static bool step_within(struct cpu *cpu, unsigned r, uint64_t v) {
    uint64_t top = cpu->top_load[r] | cpu->top_store[r], base = cpu->base[r], now = cpu->lo[r];
    return cpu->cv >> r & 1 && top && now >= base && now <= top && v >= base && v <= top;
}

static void step_move(struct cpu *cpu, unsigned d, unsigned r, uint64_t v) {
    struct cap c = reg_get(cpu, r);
    bool whole = cpu->cv >> r & 1;
    c.lo = v;
    reg_set(cpu, d, c);
    if (!whole) cpu->cv &= ~bit(d);
}

#include "ops_step.h"
#include "ops.inc"

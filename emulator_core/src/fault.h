/* Faults and exceptions: what keeps an instruction from retiring, and where bare metal takes it. */
#ifndef CVMDBG_FAULT_H
#define CVMDBG_FAULT_H

#include "exec.h"

/* The running instruction does not retire. The syndrome is filled in here unless it is already there. */
void fault_set(struct cpu *, const struct emu_fault *);

/* A fault of the running instruction: enter its vector (system mode, true) or leave it to stop the run
 * (false). */
bool fault_deliver(struct cpu *);

/* Make the exception: PSTATE, SPSR, ELR, ESR and the pc change as the specification's TakeException says.
 * Only aborts and misaligned pcs have an address for FAR. */
void exception_take(struct cpu *, unsigned target_el, uint32_t esr, uint64_t return_address);

bool caps_enabled_at(struct cpu *, unsigned el);
bool caps_closed(struct cpu *); /* would caps_enabled trap here? */
bool fp_closed(struct cpu *);   /* would fp_enabled? */

#endif

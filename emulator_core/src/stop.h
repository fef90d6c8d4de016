/* What ends a run besides its budget: breakpoints, watchpoints, devices, a full ring. */
#ifndef CVMDBG_STOP_H
#define CVMDBG_STOP_H

#include "state.h"

/* The run ends when the running instruction has retired. NULL if another reason came first. */
struct emu_stop *stop_after(struct cpu *, enum emu_stop_kind);

/* From the first to the last byte of the page that is watched for one of these kinds (EMU_WATCH_…); size 0 if
 * none. */
struct watch_span watched_span(const struct emu *, uint64_t page, unsigned kinds);
/* An access happened; a watchpoint that it meets stops the run. tags: did a tag come, go or change? */
void watch_access(struct cpu *, uint64_t address, unsigned size, enum emu_access, bool tags);

bool break_at(const struct emu *, uint64_t address);
/* The ring has no room for what one more instruction may push. */
bool ring_is_full(const struct emu *);

#endif

/* Physical memory: frames in a copy-on-write tree, and the regions that say where it is. */
#ifndef CVMDBG_MEMORY_H
#define CVMDBG_MEMORY_H

#include "state.h"

struct node *node_share(struct node *); /* one more reference; NULL stays NULL */
void node_release(struct node *, unsigned level);

const struct frame *frame_at(const struct node *root,
                             uint64_t pa);                /* the zero frame where nothing was written */
struct frame *frame_own(struct node **root, uint64_t pa); /* may be written; made and unshared on demand */
bool frame_is_owned(const struct node *root, uint64_t pa);
void frames_clear(struct node **root, uint64_t start, uint64_t end); /* back to zero, end exclusive */

/* Call visit for each frame that exists, by ascending address. */
typedef void frame_visitor(void *context, uint64_t pa, const struct frame *);
void frames_visit(const struct node *root, frame_visitor *visit, void *context);

const struct emu_region *region_at(const struct regions *, uint64_t pa); /* NULL where nothing is mapped */
bool page_is_absent(const struct emu *, uint64_t pa);
/* The range becomes one region, or with value NULL a hole. */
void regions_set(struct regions *, uint64_t start, uint64_t end, const struct emu_region *value);
struct regions regions_copy(const struct regions *);

/* Memory, regions or protection changed: what was derived from them is gone. */
void memory_changed(struct emu *, uint64_t start, uint64_t end);

void *allocate(size_t size); /* zeroed; the program ends when there is no memory */

#endif

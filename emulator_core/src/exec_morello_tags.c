/* Tags of four granules at once. */
#include "exec_morello.h"

enum { TAGS_AT_ONCE = 4 };

EXEC(LDCT_R_R__) {
    uint64_t tags;
    if (!caps_enabled(cpu) || !sp_aligned(cpu, rn(word))) return FAULT;
    if (!mem_load_tags(cpu, va_base(cpu, rn(word)), TAGS_AT_ONCE, &tags)) return FAULT;
    x_set(cpu, rd(word), tags);
    return NEXT;
}

/* Without the right to set tags it clears all of them. */
EXEC(STCT_R_R__) {
    if (el_get(cpu) == 0) return undefined(cpu);
    if (!caps_enabled(cpu) || !sp_aligned(cpu, rn(word))) return FAULT;
    uint64_t tags = may_set_tags(cpu) ? x_get(cpu, rd(word)) : 0;
    return mem_store_tags(cpu, va_base(cpu, rn(word)), TAGS_AT_ONCE, tags) ? NEXT : FAULT;
}

/* Which pairs of slots one op of the fast engine does at once. */
#include "run.h"

struct fusion {
    op_fn *first, *second, *both;
};

#define FIRSTS(M, cond)                                                                                      \
    M(cmp_imm_x, cond)                                                                                       \
    M(cmp_imm_w, cond)                                                                                       \
    M(subs_imm_x, cond)                                                                                      \
    M(subs_imm_w, cond)                                                                                      \
    M(subs_reg_x, cond)                                                                                      \
    M(subs_reg_w, cond)

extern op_fn fast_cmp_imm_x, fast_cmp_imm_w, fast_subs_imm_x, fast_subs_imm_w, fast_subs_reg_x,
    fast_subs_reg_w;
#define DECLARE_BOTH(first, cond) extern op_fn fast_##first##_b_##cond;
#define DECLARE(cond, n)                                                                                     \
    extern op_fn fast_b_##cond##_near;                                                                       \
    FIRSTS(DECLARE_BOTH, cond)
FOR_CONDITIONS(DECLARE)

#define ROW(first, cond) {fast_##first, fast_b_##cond##_near, fast_##first##_b_##cond},
#define ROWS(cond, n)    FIRSTS(ROW, cond)
static const struct fusion fusions[] = {FOR_CONDITIONS(ROWS)};

void code_fuse(struct code_page *page, unsigned index) {
    op_fn *first = page->slot[index].run, *second = page->slot[index + 1].run;
    for (size_t i = 0; i < sizeof fusions / sizeof *fusions; i++)
        if (fusions[i].first == first && fusions[i].second == second) page->slot[index].run = fusions[i].both;
}

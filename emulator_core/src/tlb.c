/* The fast engine's cached checks: pages in its TLBs, bounds in its registers. */
#include "access.h"
#include "access_parts.h"
#include "memory.h"
#include "slots.h"
#include "stop.h"

/* ---- the TLB ------------------------------------------------------------------------------------------- */

static struct tlb_entry *entry_of(struct tlb_entry *tlb, uint64_t address) {
    return &tlb[address >> PAGE_BITS & (TLB_SIZE - 1)];
}

static void forget_in(struct tlb_entry *tlb, uint64_t page) {
    struct tlb_entry *e = entry_of(tlb, page);
    if ((e->rtag & PAGE_MASK) == page || (e->wtag & PAGE_MASK) == page) e->rtag = e->wtag = TLB_INVALID;
}

/* Where DDC-relative addresses begin. */
static uint64_t ddc_start(struct cpu *cpu) {
    return cctlr_get(cpu) & CCTLR_DDCBO ? cap_get_base(ddc_get(cpu)) : 0;
}

void tlb_forget(struct emu *emu, uint64_t va) {
    uint64_t page = va & PAGE_MASK;
    for (int i = 0; i < emu->thread_count; i++) {
        struct cpu *cpu = emu->threads[i];
        if (!cpu) continue;
        forget_in(cpu->tlb_va, page);
        forget_in(cpu->tlb_ddc, page - ddc_start(cpu));
    }
}

static bool tags_are_special(const struct page_tags *t) {
    return t->load_zero || t->load_fault || t->store_fault;
}

/* A tag of an entry: the page, if it may be accessed so, and whether somebody watches. */
static uint64_t tag_of(uint64_t page, bool allowed, struct watch_span watched) {
    return !allowed ? TLB_INVALID : page | (watched.size ? TLB_WATCHED : 0);
}

/* Only what is at its own physical address is cached, so that a page is found under one address. */
void tlb_fill(struct cpu *cpu, uint64_t va, const struct translation *t, struct frame *f) {
    if (cpu->strict_alignment || cpu->unprivileged || t->device || va != t->pa) return;
    if (tags_are_special(&t->tags)) return;
    uint64_t page = va & PAGE_MASK;
    struct watch_span reads = watched_span(cpu->emu, page, EMU_WATCH_READ);
    struct watch_span writes = watched_span(cpu->emu, page, EMU_WATCH_WRITE | EMU_WATCH_TAG);
    bool may_write =
        t->prot & EMU_PROT_W && frame_is_owned(cpu->emu->memory, t->pa) && !code_on_page(cpu->emu, t->pa);
    struct tlb_entry *e = entry_of(cpu->tlb_va, va);
    *e = (struct tlb_entry){
        .rtag = tag_of(page, t->prot & EMU_PROT_R, reads),
        .wtag = tag_of(page, may_write, writes),
        .host = (uintptr_t)f->data - page,
        .tags = (uintptr_t)f->tags - (page >> 4),
    };
    cpu->watch_va[e - cpu->tlb_va] = (struct tlb_watch){reads, writes};
    cpu->tlb_va_used |= bit((unsigned)(e - cpu->tlb_va) / (TLB_SIZE / TABLE_PARTS));
}

/* ---- cached checks of the fast engine ------------------------------------------------------------------ */

void bounds_cache(struct cpu *cpu, unsigned r) {
    struct cap c = reg_get(cpu, r);
    struct cap_bounds b = cap_get_bounds(c);
    bool usable = c.tag && !cap_is_sealed(c) && b.valid && !b.base_top;
    uint64_t top = !usable ? 0 : b.limit_top ? UINT64_MAX : b.limit;
    cpu->base[r] = b.base;
    cpu->top_load[r] = cap_check_permissions(c, CAP_PERM_LOAD) ? top : 0;
    cpu->top_store[r] = cap_check_permissions(c, CAP_PERM_STORE) ? top : 0;
}

void access_cache(struct cpu *cpu, unsigned base, uint64_t va) {
    (void)va;
    bounds_cache(cpu, base);
}

/* Its tag there, if DDC covers the page; start is where DDC's addresses begin. */
static uint64_t tag_by_ddc(uint64_t tag, uint64_t page, uint64_t top, uint64_t start) {
    return (tag & PAGE_MASK) == page && page + (EMU_PAGE - 1) < top ? tag - start : TLB_INVALID;
}

/* The page's entry, moved to where DDC-relative addresses see it. */
void access_cache_ddc(struct cpu *cpu, uint64_t va) {
    uint64_t start = ddc_start(cpu), page = va & PAGE_MASK;
    struct tlb_entry e = *entry_of(cpu->tlb_va, va), *to = entry_of(cpu->tlb_ddc, page - start);
    struct tlb_watch watch = cpu->watch_va[entry_of(cpu->tlb_va, va) - cpu->tlb_va];
    bounds_cache(cpu, R_DDC);
    if (start & (EMU_PAGE - 1) || page < cpu->base[R_DDC]) return;
    uint64_t rtag = tag_by_ddc(e.rtag, page, cpu->top_load[R_DDC], start);
    uint64_t wtag = tag_by_ddc(e.wtag, page, cpu->top_store[R_DDC], start);
    if (rtag == TLB_INVALID && wtag == TLB_INVALID) return;
    *to = (struct tlb_entry){rtag, wtag, e.host + start, e.tags + (start >> 4)};
    watch.rtag.start -= start, watch.wtag.start -= start;
    cpu->watch_ddc[to - cpu->tlb_ddc] = watch;
    cpu->tlb_ddc_used |= bit((unsigned)(to - cpu->tlb_ddc) / (TLB_SIZE / TABLE_PARTS));
}

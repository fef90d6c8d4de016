/* The complete way to memory: every check in the specification's order, then bytes and tags. */
#include "access.h"
#include "fault.h"
#include "memory.h"
#include "slots.h"
#include "stage1.h"
#include "stop.h"
#include "touched.h"

#include <string.h>

static unsigned in_page(uint64_t address) { return (unsigned)(address & (EMU_PAGE - 1)); }
static bool is_write(enum emu_access access) { return access == EMU_WRITE || access == EMU_WRITE_CAP; }

/* ---- capability checks --------------------------------------------------------------------------------- */

/* CheckCapability: tag, seal, permissions, bounds, in this order. */
static enum emu_fault_kind capability_fault(struct cpu *cpu, struct cap c, uint64_t address, unsigned size,
                                            uint32_t needed) {
    if (!c.tag) return EMU_FAULT_CAP_TAG;
    if (cap_is_sealed(c)) return EMU_FAULT_CAP_SEALED;
    if (!cap_check_permissions(c, needed)) return EMU_FAULT_CAP_PERMISSION;
    if (!cap_is_range_in_bounds(c, address_canonical(cpu, address, cpu_el(cpu)), size))
        return EMU_FAULT_CAP_BOUNDS;
    return EMU_FAULT_NONE;
}

bool va_check(struct cpu *cpu, struct va va, unsigned size, uint32_t needed, enum emu_access access) {
    enum emu_fault_kind kind = capability_fault(cpu, va.cap, va.address, size, needed);
    if (kind == EMU_FAULT_NONE) return true;
    fault_set(cpu, &(struct emu_fault){
                       .kind = kind,
                       .access = access,
                       .address = va.address,
                       .size = size,
                       .reg = va.reg,
                       .cap = {va.cap.lo, va.cap.hi, va.cap.tag},
                       .needed = needed,
                   });
    return false;
}

/* ---- addresses ----------------------------------------------------------------------------------------- */

enum { TCR_EL1_TBI0 = 37, TCR_EL1_TBI1 = 38, TCR_TBI = 20 };

/* Is the top byte of an address ignored in the regime of el? */
static bool top_byte_ignored(struct cpu *cpu, uint64_t address, unsigned el) {
    if (el >= 2) return cpu->sys.word[el == 2 ? SYS_TCR_EL2 : SYS_TCR_EL3] >> TCR_TBI & 1;
    return cpu->sys.word[SYS_TCR_EL1] >> (address >> 55 & 1 ? TCR_EL1_TBI1 : TCR_EL1_TBI0) & 1;
}

uint64_t address_canonical(struct cpu *cpu, uint64_t address, unsigned el) {
    if (!top_byte_ignored(cpu, address, el)) return address;
    uint64_t low = address & (((uint64_t)1 << 56) - 1);
    return el < 2 && address >> 55 & 1 ? low | (uint64_t)0xff << 56 : low;
}

static bool page_fault(struct cpu *cpu, enum emu_fault_kind kind, uint64_t va, unsigned size,
                       enum emu_access access) {
    fault_set(cpu, &(struct emu_fault){
                       .kind = kind, .access = access, .address = va, .size = size, .reg = EMU_REG_NONE});
    return false;
}

static bool prot_allows(unsigned prot, enum emu_access access) {
    if (access == EMU_FETCH) return prot & EMU_PROT_X;
    return prot & (is_write(access) ? EMU_PROT_W : EMU_PROT_R);
}

/* A fault whose status code is the walk's. */
static bool walk_failed(struct cpu *cpu, const struct walk *w, uint64_t va, unsigned size,
                        enum emu_access access) {
    bool permission = w->fault == WALK_PERMISSION;
    page_fault(cpu, permission ? EMU_FAULT_PAGE_PERMISSION : EMU_FAULT_UNMAPPED, va, size, access);
    cpu->fault.esr = (cpu->fault.esr & ~(uint32_t)0x3f) | walk_status(w);
    return false;
}

/* AArch64.AccessUsesEL */
static unsigned access_el(const struct cpu *cpu, enum emu_access access) {
    return cpu->unprivileged && access != EMU_FETCH ? 0 : cpu_el(cpu);
}

/* Stage 1, or without it the address itself. */
static struct walk walk(struct cpu *cpu, uint64_t va, enum emu_access access) {
    if (cpu->translating) return stage1_walk(cpu, va, access_el(cpu, access));
    uint64_t pa = address_canonical(cpu, va, cpu_el(cpu));
    if (cpu->mode == EMU_MODE_SYSTEM && pa >> PHYSICAL_BITS) return (struct walk){.fault = WALK_ADDRESS_SIZE};
    return (struct walk){.pa = pa, .prot = EMU_PROT_R | EMU_PROT_W | EMU_PROT_X};
}

bool translate(struct cpu *cpu, uint64_t va, unsigned size, enum emu_access access, struct translation *out) {
    struct walk w = walk(cpu, va, access);
    if (w.fault == WALK_OK && !prot_allows(w.prot, access)) w.fault = WALK_PERMISSION;
    if (w.fault != WALK_OK) return walk_failed(cpu, &w, va, size, access);
    const struct emu_region *r = region_at(&cpu->emu->regions, w.pa);
    if (!r) return page_fault(cpu, EMU_FAULT_UNMAPPED, va, size, access);
    if (!prot_allows(r->prot, access)) return page_fault(cpu, EMU_FAULT_PAGE_PERMISSION, va, size, access);
    *out = (struct translation){w.pa, r->prot & w.prot, r->device, w.tags};
    return true;
}

/* ---- the TLB ------------------------------------------------------------------------------------------- */

static struct tlb_entry *entry_of(struct tlb_entry *tlb, uint64_t address) {
    return &tlb[address >> PAGE_BITS & (TLB_SIZE - 1)];
}

static void forget_in(struct tlb_entry *tlb, uint64_t page) {
    struct tlb_entry *e = entry_of(tlb, page);
    if (e->rtag == page || e->wtag == page) e->rtag = e->wtag = TLB_INVALID;
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

/* A page's frame as it may be read, or owned for writing. */
static struct frame *frame_for(struct cpu *cpu, uint64_t va, uint64_t pa, bool write) {
    struct emu *emu = cpu->emu;
    if (!write) return (struct frame *)frame_at(emu->memory, pa);
    if (!frame_is_owned(emu->memory, pa)) tlb_forget(emu, va), tlb_forget(emu, pa);
    return frame_own(&emu->memory, pa);
}

static bool tags_are_special(const struct page_tags *t) {
    return t->load_zero || t->load_fault || t->store_fault;
}

/* Only what is at its own physical address is cached, so that a page is found under one address. */
static void tlb_fill(struct cpu *cpu, uint64_t va, const struct translation *t, struct frame *f) {
    if (cpu->strict_alignment || cpu->unprivileged || t->device || va != t->pa) return;
    if (tags_are_special(&t->tags)) return;
    unsigned watched = watched_page(cpu->emu, t->pa);
    uint64_t page = va & PAGE_MASK;
    bool may_write = t->prot & EMU_PROT_W && frame_is_owned(cpu->emu->memory, t->pa) &&
                     !(watched & (EMU_WATCH_WRITE | EMU_WATCH_TAG)) && !code_on_page(cpu->emu, t->pa);
    *entry_of(cpu->tlb_va, va) = (struct tlb_entry){
        .rtag = t->prot & EMU_PROT_R && !(watched & EMU_WATCH_READ) ? page : TLB_INVALID,
        .wtag = may_write ? page : TLB_INVALID,
        .host = (uintptr_t)f->data - page,
        .tags = (uintptr_t)f->tags - (page >> 4),
    };
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

/* The page's entry, moved to where DDC-relative addresses see it. */
void access_cache_ddc(struct cpu *cpu, uint64_t va) {
    uint64_t start = ddc_start(cpu), page = va & PAGE_MASK, end = page + EMU_PAGE;
    struct tlb_entry e = *entry_of(cpu->tlb_va, va);
    bounds_cache(cpu, R_DDC);
    if (start & (EMU_PAGE - 1) || page < cpu->base[R_DDC]) return;
    bool read = e.rtag == page && end <= cpu->top_load[R_DDC];
    bool write = e.wtag == page && end <= cpu->top_store[R_DDC];
    if (!read && !write) return;
    *entry_of(cpu->tlb_ddc, page - start) = (struct tlb_entry){
        .rtag = read ? page - start : TLB_INVALID,
        .wtag = write ? page - start : TLB_INVALID,
        .host = e.host + start,
        .tags = e.tags + (start >> 4),
    };
}

/* ---- bytes and tags ------------------------------------------------------------------------------------ */

/* The part of an access that lies in one page. frame is NULL for a device. */
struct part {
    struct frame *frame;
    uint64_t pa;
    unsigned offset, size;
    struct page_tags tags;
};
struct span {
    struct part part[2];
    unsigned count;
};

static bool part_find(struct cpu *cpu, uint64_t va, unsigned size, enum emu_access access, struct part *out) {
    struct translation t;
    if (!translate(cpu, va, size, access, &t)) return false;
    struct frame *f = t.device ? NULL : frame_for(cpu, va, t.pa, is_write(access));
    touch(&cpu->emu->touched, va);
    if (f) tlb_fill(cpu, va, &t, f);
    *out = (struct part){f, t.pa, in_page(va), size, t.tags};
    return true;
}

/* Both pages are found before a byte moves. */
static bool span_find(struct cpu *cpu, uint64_t va, unsigned size, enum emu_access access, struct span *out) {
    unsigned first = EMU_PAGE - in_page(va);
    if (first > size) first = size;
    out->count = first < size ? 2 : 1;
    return part_find(cpu, va, first, access, &out->part[0]) &&
           (first == size || part_find(cpu, va + first, size - first, access, &out->part[1]));
}

static void device_store(struct cpu *cpu, uint64_t va, unsigned size, const void *in) {
    struct emu_stop *stop = stop_after(cpu, EMU_STOP_DEVICE);
    if (!stop) return;
    stop->address = va;
    stop->size = size;
    memcpy(&stop->value, in, size < 8 ? size : 8);
}

static void span_read(const struct span *s, void *out) {
    uint8_t *to = out;
    for (unsigned i = 0; i < s->count; to += s->part[i++].size) {
        const struct part *p = &s->part[i];
        if (p->frame)
            memcpy(to, p->frame->data + p->offset, p->size);
        else
            memset(to, 0, p->size);
    }
}

static bool part_clear_tags(const struct part *p) {
    bool had = false;
    for (unsigned g = p->offset / EMU_GRANULE; g <= (p->offset + p->size - 1) / EMU_GRANULE; g++) {
        had |= p->frame->tags[g];
        p->frame->tags[g] = 0;
    }
    return had;
}

/* Bytes go in, tags go; whether a tag was set is what a watcher of tags asks. */
static bool span_write(struct cpu *cpu, const struct span *s, uint64_t va, const void *in) {
    const uint8_t *bytes = in;
    bool had_tag = false;
    for (unsigned i = 0; i < s->count; bytes += s->part[i].size, va += s->part[i++].size) {
        const struct part *p = &s->part[i];
        if (!p->frame) {
            device_store(cpu, va, p->size, bytes);
            continue;
        }
        memcpy(p->frame->data + p->offset, bytes, p->size);
        had_tag |= part_clear_tags(p);
        code_written(cpu->emu, p->pa, p->size);
    }
    return had_tag;
}

static bool aligned(struct cpu *cpu, uint64_t va, unsigned size, unsigned alignment, enum emu_access access) {
    if (!(va & (alignment - 1))) return true;
    return page_fault(cpu, EMU_FAULT_ALIGNMENT, va, size, access);
}

/* AArch64.CheckAlignment: atomic and ordered accesses must be aligned, others if SCTLR.A says so. */
static bool data_aligned(struct cpu *cpu, uint64_t va, unsigned size, unsigned element, unsigned flags,
                         bool write) {
    enum emu_access access = write ? EMU_WRITE : EMU_READ;
    if (flags & ACCESS_ATOMIC) return aligned(cpu, va, size, size, access);
    if (flags & ACCESS_ORDERED || cpu->strict_alignment) return aligned(cpu, va, size, element, access);
    return true;
}

/* AccType_UNPRIV, unless PSTATE.UAO overrides it. */
static void access_as(struct cpu *cpu, unsigned flags) {
    cpu->unprivileged = flags & ACCESS_UNPRIVILEGED && cpu_el(cpu) == 1 && !(cpu->pstate & PSTATE_UAO);
}

static bool load(struct cpu *cpu, struct va va, unsigned size, unsigned element, void *out, unsigned flags) {
    struct span s;
    access_as(cpu, flags);
    if (!va_check(cpu, va, size, CAP_PERM_LOAD, EMU_READ)) return false;
    if (!data_aligned(cpu, va.address, size, element, flags, false)) return false;
    if (!span_find(cpu, va.address, size, EMU_READ, &s)) return false;
    span_read(&s, out);
    watch_access(cpu, va.address, size, EMU_READ, false);
    return true;
}

static bool store(struct cpu *cpu, struct va va, unsigned size, unsigned element, const void *in,
                  unsigned flags) {
    struct span s;
    access_as(cpu, flags);
    if (!va_check(cpu, va, size, CAP_PERM_STORE, EMU_WRITE)) return false;
    if (!data_aligned(cpu, va.address, size, element, flags, true)) return false;
    if (!span_find(cpu, va.address, size, EMU_WRITE, &s)) return false;
    bool had_tag = span_write(cpu, &s, va.address, in);
    watch_access(cpu, va.address, size, EMU_WRITE, had_tag);
    return true;
}

bool mem_load(struct cpu *cpu, struct va va, unsigned size, uint64_t *out, unsigned flags) {
    uint64_t value = 0;
    if (!load(cpu, va, size, size, &value, flags)) return false;
    *out = value;
    return true;
}

bool mem_store(struct cpu *cpu, struct va va, unsigned size, uint64_t value, unsigned flags) {
    return store(cpu, va, size, size, &value, flags);
}

bool mem_load_pair(struct cpu *cpu, struct va va, unsigned size, uint64_t out[2], unsigned flags) {
    uint8_t bytes[16];
    if (!load(cpu, va, 2 * size, size, bytes, flags)) return false;
    out[0] = out[1] = 0;
    memcpy(&out[0], bytes, size);
    memcpy(&out[1], bytes + size, size);
    return true;
}

bool mem_store_pair(struct cpu *cpu, struct va va, unsigned size, const uint64_t in[2], unsigned flags) {
    uint8_t bytes[16];
    memcpy(bytes, &in[0], size);
    memcpy(bytes + size, &in[1], size);
    return store(cpu, va, 2 * size, size, bytes, flags);
}

/* Leave behind what lets the fast engine do the same access. */
static void cache_for(struct cpu *cpu, struct va va) {
    switch (va.reg) {
    case EMU_DDC:
    case EMU_RDDC: access_cache_ddc(cpu, va.address); break;
    case EMU_CSP:
    case EMU_RCSP: bounds_cache(cpu, R_SP); break;
    default:
        if (va.reg >= 0 && va.reg < R_ZERO) bounds_cache(cpu, (unsigned)va.reg);
    }
}

bool mem_load_bytes(struct cpu *cpu, struct va va, unsigned size, unsigned element, void *out) {
    if (!load(cpu, va, size, element, out, ACCESS_PLAIN)) return false;
    cache_for(cpu, va);
    return true;
}

bool mem_store_bytes(struct cpu *cpu, struct va va, unsigned size, unsigned element, const void *in) {
    if (!store(cpu, va, size, element, in, ACCESS_PLAIN)) return false;
    cache_for(cpu, va);
    return true;
}

bool mem_check(struct cpu *cpu, struct va va, unsigned size, bool write, bool caps, unsigned flags) {
    enum emu_access access = write ? (caps ? EMU_WRITE_CAP : EMU_WRITE) : (caps ? EMU_READ_CAP : EMU_READ);
    struct translation t;
    access_as(cpu, flags);
    if (!va_check(cpu, va, size, write ? CAP_PERM_STORE : CAP_PERM_LOAD, access)) return false;
    if (caps && !aligned(cpu, va.address, size, flags & ACCESS_ATOMIC ? size : EMU_GRANULE, access))
        return false;
    if (!caps && !data_aligned(cpu, va.address, size, size, flags, write)) return false;
    if (!translate(cpu, va.address, size, access, &t)) return false;
    unsigned first = EMU_PAGE - in_page(va.address);
    return first >= size || translate(cpu, va.address + first, size - first, access, &t);
}

/* ---- capabilities -------------------------------------------------------------------------------------- */

static uint8_t *tag_of(const struct part *p, unsigned offset) {
    return &p->frame->tags[(p->offset + offset) / EMU_GRANULE];
}

/* The granule for capability number i of an instruction: it never crosses a page. */
static bool granule_find(struct cpu *cpu, struct va va, uint32_t needed, unsigned alignment,
                         enum emu_access access, struct part *out) {
    return va_check(cpu, va, EMU_GRANULE, needed, access) &&
           aligned(cpu, va.address, EMU_GRANULE, alignment, access) &&
           part_find(cpu, va.address, EMU_GRANULE, access, out);
}

static unsigned pair_alignment(unsigned count, unsigned flags) {
    return flags & ACCESS_ATOMIC ? count * EMU_GRANULE : EMU_GRANULE;
}

static struct cap granule_read(const struct part *p) {
    struct cap c = {0, 0, false};
    if (!p->frame) return c;
    memcpy(&c.lo, p->frame->data + p->offset, 8);
    memcpy(&c.hi, p->frame->data + p->offset + 8, 8);
    c.tag = *tag_of(p, 0) && !p->tags.load_zero;
    return c;
}

/* EffectiveTGEN: the generation of tags that the address's half of the regime lets through. */
static unsigned tag_generation(struct cpu *cpu, uint64_t va) {
    static const uint16_t cctlr[] = {SYS_CCTLR_EL1, SYS_CCTLR_EL1, SYS_CCTLR_EL2, SYS_CCTLR_EL3};
    unsigned upper = cpu_el(cpu) < 2 && va >> 55 & 1;
    return cpu->sys.word[cctlr[cpu_el(cpu)]] >> upper & 1;
}

/* CheckLoadTagsPermission, CheckStoreTagsPermission of a tag that is there. */
static bool tag_may_load(struct cpu *cpu, const struct page_tags *t, uint64_t va) {
    if (!t->load_fault || tag_generation(cpu, va) != t->load_generation) return true;
    return page_fault(cpu, EMU_FAULT_CAP_PAGE, va, EMU_GRANULE, EMU_READ_CAP);
}

static bool tag_may_store(struct cpu *cpu, const struct page_tags *t, uint64_t va) {
    return !t->store_fault || page_fault(cpu, EMU_FAULT_CAP_PAGE, va, EMU_GRANULE, EMU_WRITE_CAP);
}

static bool load_caps(struct cpu *cpu, struct va va, unsigned count, struct cap *out, unsigned flags) {
    struct part part[2];
    access_as(cpu, flags);
    if (!va_check(cpu, va, count * EMU_GRANULE, CAP_PERM_LOAD, EMU_READ_CAP)) return false;
    for (unsigned i = 0; i < count; i++) {
        struct va at = {va.cap, va.address + i * EMU_GRANULE, va.reg};
        unsigned alignment = i ? EMU_GRANULE : pair_alignment(count, flags);
        if (!granule_find(cpu, at, CAP_PERM_LOAD, alignment, EMU_READ_CAP, &part[i])) return false;
        out[i] = granule_read(&part[i]);
        if (out[i].tag && !tag_may_load(cpu, &part[i].tags, at.address)) return false;
    }
    for (unsigned i = 0; i < count; i++) out[i] = cap_squash_post_load(out[i], va.cap);
    watch_access(cpu, va.address, count * EMU_GRANULE, EMU_READ_CAP, false);
    return true;
}

bool mem_load_cap(struct cpu *cpu, struct va va, struct cap *out, unsigned flags) {
    return load_caps(cpu, va, 1, out, flags);
}

bool mem_load_cap_pair(struct cpu *cpu, struct va va, struct cap out[2], unsigned flags) {
    return load_caps(cpu, va, 2, out, flags);
}

/* What storing this capability needs. */
static uint32_t store_needs(struct cap c) {
    if (!c.tag) return CAP_PERM_STORE;
    return CAP_PERM_STORE | CAP_PERM_STORE_CAP | (cap_is_local(c) ? CAP_PERM_STORE_LOCAL : 0);
}

/* Did a tag go or come? */
static bool granule_write(struct cpu *cpu, const struct part *p, uint64_t va, struct cap c) {
    struct span whole = {.part = {*p}, .count = 1};
    uint64_t words[2] = {c.lo, c.hi};
    bool had = span_write(cpu, &whole, va, words);
    if (p->frame) *tag_of(p, 0) = c.tag;
    return had || c.tag;
}

static bool cap_may_store(struct cpu *cpu, struct va va, struct cap c, unsigned alignment, struct part *out) {
    return granule_find(cpu, va, store_needs(c), alignment, EMU_WRITE_CAP, out) &&
           (!c.tag || tag_may_store(cpu, &out->tags, va.address));
}

static bool store_cap(struct cpu *cpu, struct va va, struct cap c, unsigned alignment) {
    struct part part;
    if (!cap_may_store(cpu, va, c, alignment, &part)) return false;
    bool tags = granule_write(cpu, &part, va.address, c);
    watch_access(cpu, va.address, EMU_GRANULE, EMU_WRITE_CAP, tags);
    return true;
}

bool mem_store_cap(struct cpu *cpu, struct va va, struct cap value, unsigned flags) {
    access_as(cpu, flags);
    return store_cap(cpu, va, value, EMU_GRANULE);
}

/* An ordinary pair is two stores, of which the first stands when the second faults; an atomic one is both or
 * none. */
bool mem_store_cap_pair(struct cpu *cpu, struct va va, const struct cap in[2], unsigned flags) {
    struct va second = {va.cap, va.address + EMU_GRANULE, va.reg};
    unsigned alignment = pair_alignment(2, flags);
    struct part part;
    access_as(cpu, flags);
    if (flags & ACCESS_ATOMIC && (!cap_may_store(cpu, va, in[0], alignment, &part) ||
                                  !cap_may_store(cpu, second, in[1], EMU_GRANULE, &part)))
        return false;
    return store_cap(cpu, va, in[0], alignment) && store_cap(cpu, second, in[1], EMU_GRANULE);
}

/* ---- tags alone ---------------------------------------------------------------------------------------- */

bool mem_load_tags(struct cpu *cpu, struct va va, unsigned granules, uint64_t *out) {
    struct part p;
    unsigned size = granules * EMU_GRANULE;
    access_as(cpu, ACCESS_PLAIN);
    if (!va_check(cpu, va, size, CAP_PERM_LOAD, EMU_READ_CAP)) return false;
    if (!aligned(cpu, va.address, size, size, EMU_READ_CAP)) return false;
    if (!part_find(cpu, va.address, size, EMU_READ_CAP, &p)) return false;
    *out = 0;
    for (unsigned i = 0; i < granules && p.frame && !p.tags.load_zero; i++)
        *out |= (uint64_t)*tag_of(&p, i * EMU_GRANULE) << i;
    if (*out && !tag_may_load(cpu, &p.tags, va.address)) return false;
    if (!cap_check_permissions(va.cap, CAP_PERM_LOAD_CAP)) *out = 0;
    watch_access(cpu, va.address, size, EMU_READ_CAP, false);
    return true;
}

/* The alignment of all of them is looked at after the first one's check. */
static bool tags_may_be_stored(struct cpu *cpu, struct va va, unsigned granules, uint64_t tags) {
    unsigned size = granules * EMU_GRANULE;
    for (unsigned i = 0; i < granules; i++, va.address += EMU_GRANULE) {
        uint32_t needed = CAP_PERM_STORE | (tags >> i & 1 ? CAP_PERM_STORE_CAP : 0);
        if (!va_check(cpu, va, EMU_GRANULE, needed, EMU_WRITE_CAP)) return false;
        if (i == 0 && !aligned(cpu, va.address, size, size, EMU_WRITE_CAP)) return false;
    }
    return true;
}

bool mem_store_tags(struct cpu *cpu, struct va va, unsigned granules, uint64_t tags) {
    struct part p;
    unsigned size = granules * EMU_GRANULE;
    access_as(cpu, ACCESS_PLAIN);
    if (!tags_may_be_stored(cpu, va, granules, tags)) return false;
    if (!part_find(cpu, va.address, size, EMU_WRITE_CAP, &p)) return false;
    if (tags && !tag_may_store(cpu, &p.tags, va.address)) return false;
    bool changed = false;
    for (unsigned i = 0; i < granules && p.frame; i++) {
        uint8_t *tag = tag_of(&p, i * EMU_GRANULE), now = tags >> i & 1;
        changed |= *tag != now;
        *tag = now;
    }
    watch_access(cpu, va.address, size, EMU_WRITE_CAP, changed);
    return true;
}

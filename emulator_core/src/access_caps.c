/* The complete way to capabilities and tags in memory. */
#include "access.h"
#include "access_parts.h"
#include "fault.h"
#include "memory.h"
#include "stop.h"

#include <string.h>

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

bool tag_load_faults(struct cpu *cpu, const struct page_tags *t, uint64_t va) {
    return t->load_fault && tag_generation(cpu, va) == t->load_generation;
}

/* CheckLoadTagsPermission, CheckStoreTagsPermission of a tag that is there. */
static bool tag_may_load(struct cpu *cpu, const struct page_tags *t, uint64_t va) {
    if (!tag_load_faults(cpu, t, va)) return true;
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
static bool granule_write(struct cpu *cpu, const struct part *p, struct cap c) {
    struct span whole = {.part = {*p}, .count = 1};
    uint64_t words[2] = {c.lo, c.hi};
    bool had = span_write(cpu, &whole, words);
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
    bool tags = granule_write(cpu, &part, c);
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

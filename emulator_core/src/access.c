/* The complete way to memory: every check in the specification's order, then bytes and tags. */
#include "access.h"
#include "access_parts.h"
#include "fault.h"
#include "memory.h"
#include "slots.h"
#include "stop.h"
#include "touched.h"

#include <string.h>

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

/* ---- bytes and tags ------------------------------------------------------------------------------------ */

/* A page's frame as it may be read, or owned for writing. */
static struct frame *frame_for(struct cpu *cpu, uint64_t va, uint64_t pa, bool write) {
    struct emu *emu = cpu->emu;
    if (!write) return (struct frame *)frame_at(emu->memory, pa);
    if (!frame_is_owned(emu->memory, pa)) tlb_forget(emu, va), tlb_forget(emu, pa);
    return frame_own(&emu->memory, pa);
}

bool part_find(struct cpu *cpu, uint64_t va, unsigned size, enum emu_access access, struct part *out) {
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

static void device_store(struct cpu *cpu, uint64_t pa, unsigned size, const void *in) {
    struct emu_stop *stop = stop_after(cpu, EMU_STOP_DEVICE);
    if (!stop) return;
    stop->address = pa;
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

bool span_write(struct cpu *cpu, const struct span *s, const void *in) {
    const uint8_t *bytes = in;
    bool had_tag = false;
    for (unsigned i = 0; i < s->count; bytes += s->part[i++].size) {
        const struct part *p = &s->part[i];
        if (!p->frame) {
            device_store(cpu, p->pa, p->size, bytes);
            continue;
        }
        memcpy(p->frame->data + p->offset, bytes, p->size);
        had_tag |= part_clear_tags(p);
        code_written(cpu->emu, p->pa, p->size);
    }
    return had_tag;
}

bool aligned(struct cpu *cpu, uint64_t va, unsigned size, unsigned alignment, enum emu_access access) {
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

void access_as(struct cpu *cpu, unsigned flags) {
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
    bool had_tag = span_write(cpu, &s, in);
    watch_access(cpu, va.address, size, EMU_WRITE, had_tag);
    return true;
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

/* Ops of atomic and ordered accesses are the fast engine's alone: nobody else leaves it anything behind. */
static void cache_if_special(struct cpu *cpu, struct va va, unsigned flags) {
    if (flags & (ACCESS_ATOMIC | ACCESS_ORDERED)) cache_for(cpu, va);
}

bool mem_load(struct cpu *cpu, struct va va, unsigned size, uint64_t *out, unsigned flags) {
    uint64_t value = 0;
    if (!load(cpu, va, size, size, &value, flags)) return false;
    *out = value;
    cache_if_special(cpu, va, flags);
    return true;
}

bool mem_store(struct cpu *cpu, struct va va, unsigned size, uint64_t value, unsigned flags) {
    if (!store(cpu, va, size, size, &value, flags)) return false;
    cache_if_special(cpu, va, flags);
    return true;
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

/* Where a virtual address leads: stage 1 or the address itself, then the region. */
#include "access.h"
#include "access_parts.h"
#include "fault.h"
#include "memory.h"
#include "stage1.h"

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

bool page_fault(struct cpu *cpu, enum emu_fault_kind kind, uint64_t va, unsigned size,
                enum emu_access access) {
    fault_set(cpu, &(struct emu_fault){
                       .kind = kind, .access = access, .address = va, .size = size, .reg = EMU_REG_NONE});
    return false;
}

void page_absent(struct cpu *cpu, uint64_t pa, uint64_t va, unsigned size, enum emu_access access) {
    page_fault(cpu, EMU_FAULT_UNMAPPED, va, size, access);
    cpu->absent = true;
    cpu->absent_page = pa & PAGE_MASK;
}

static bool prot_allows(unsigned prot, enum emu_access access) {
    if (access == EMU_FETCH) return prot & EMU_PROT_X;
    return prot & (is_write(access) ? EMU_PROT_W : EMU_PROT_R);
}

/* A fault whose status code is the walk's. */
static bool walk_failed(struct cpu *cpu, const struct walk *w, uint64_t va, unsigned size,
                        enum emu_access access) {
    if (w->absent) return page_absent(cpu, w->pa, va, size, access), false;
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

bool emu_translates(struct emu *emu, int thread) {
    return emu_thread_exists(emu, thread) && emu->threads[thread]->translating;
}

bool emu_translate(struct emu *emu, int thread, uint64_t va, uint64_t *pa) {
    struct walk w = walk(emu->threads[thread], va, EMU_FETCH);
    *pa = w.pa;
    return w.fault == WALK_OK;
}

bool translate(struct cpu *cpu, uint64_t va, unsigned size, enum emu_access access, struct translation *out) {
    struct walk w = walk(cpu, va, access);
    if (w.fault == WALK_OK && !prot_allows(w.prot, access)) w.fault = WALK_PERMISSION;
    if (w.fault != WALK_OK) return walk_failed(cpu, &w, va, size, access);
    const struct emu_region *r = region_at(&cpu->emu->regions, w.pa);
    if (!r && page_is_absent(cpu->emu, w.pa)) return page_absent(cpu, w.pa, va, size, access), false;
    if (!r) return page_fault(cpu, EMU_FAULT_UNMAPPED, va, size, access);
    if (!prot_allows(r->prot, access)) return page_fault(cpu, EMU_FAULT_PAGE_PERMISSION, va, size, access);
    *out = (struct translation){w.pa, r->prot & w.prot, r->device, w.tags};
    return true;
}

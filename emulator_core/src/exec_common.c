/* What clauses see of a thread: registers, special registers, branches, addresses. */
#include "access.h"
#include "exec.h"
#include "fault.h"
#include "memory.h"
#include "slots.h"
#include "stop.h"

#include <string.h>

enum { NONE = 31 };

/* ---- general registers --------------------------------------------------------------------------------- */

uint64_t x_get(struct cpu *cpu, unsigned n) { return cpu->lo[n]; }
void x_set(struct cpu *cpu, unsigned n, uint64_t value) {
    if (n != NONE) reg_set_x(cpu, n, value);
}
void w_set(struct cpu *cpu, unsigned n, uint32_t value) { x_set(cpu, n, value); }
uint64_t x_get_sp(struct cpu *cpu, unsigned n) { return cpu->lo[from_sp(n)]; }
void x_set_sp(struct cpu *cpu, unsigned n, uint64_t value) { reg_set_x(cpu, to_sp(n), value); }

struct cap c_get(struct cpu *cpu, unsigned n) { return reg_get(cpu, n); }
void c_set(struct cpu *cpu, unsigned n, struct cap value) {
    if (n != NONE) reg_set(cpu, n, value);
}
struct cap c_get_sp(struct cpu *cpu, unsigned n) { return reg_get(cpu, from_sp(n)); }
void c_set_sp(struct cpu *cpu, unsigned n, struct cap value) { reg_set(cpu, to_sp(n), value); }

unsigned flags_get(struct cpu *cpu) { return flags_nibble(cpu->cv, cpu->fa, cpu->fb); }
void flags_set(struct cpu *cpu, unsigned nzcv) {
    cpu->cv |= FLAGS_NIBBLE;
    cpu->fb = nzcv & 15;
}
bool condition_holds(struct cpu *cpu, unsigned cond) { return condition_table[cond] >> flags_get(cpu) & 1; }

/*                                     nzcv: 1111 1110 … 0001 0000 */
const uint16_t condition_table[16] = {
    0xf0f0, 0x0f0f, /* eq ne: Z */
    0xcccc, 0x3333, /* cs cc: C */
    0xff00, 0x00ff, /* mi pl: N */
    0xaaaa, 0x5555, /* vs vc: V */
    0x0c0c, 0xf3f3, /* hi ls: C and not Z */
    0xaa55, 0x55aa, /* ge lt: N = V */
    0x0a05, 0xf5fa, /* gt le: N = V and not Z */
    0xffff, 0xffff, /* al nv */
};

/* ---- special registers --------------------------------------------------------------------------------- */

struct cap pcc_get(struct cpu *cpu) { return reg_get(cpu, R_PCC); }
uint64_t pc_get(struct cpu *cpu) { return cpu->lo[R_PCC]; }
struct cap ddc_get(struct cpu *cpu) { return reg_get(cpu, R_DDC); }
bool in_c64(struct cpu *cpu) { return cpu_c64(cpu); }
bool is_executive(struct cpu *cpu) { return cap_is_executive(pcc_get(cpu)); }
unsigned el_get(struct cpu *cpu) { return cpu_el(cpu); }

void ddc_set(struct cpu *cpu, struct cap value) {
    reg_set(cpu, R_DDC, value);
    bounds_cache(cpu, R_DDC);
    cpu_flush_ddc(cpu);
}

static const uint16_t cctlr_by_el[] = {SYS_CCTLR_EL0, SYS_CCTLR_EL1, SYS_CCTLR_EL2, SYS_CCTLR_EL3};
uint32_t cctlr_get(struct cpu *cpu) { return (uint32_t)cpu->sys.word[cctlr_by_el[cpu_el(cpu)]]; }

/* IsTagSettingDisabled looks at CSCR_EL3.SETTAG and CHCR_EL2.SETTAG. */
bool may_set_tags(struct cpu *cpu) {
    bool by_el3 = cpu_el(cpu) < 3 && cpu->sys.word[SYS_CSCR_EL3] & 1;
    bool by_el2 = cpu_el(cpu) < 2 && cpu->sys.word[SYS_SCR_EL3] & 1 && cpu->sys.word[SYS_CHCR_EL2] & 1;
    return system_permitted(cpu) && !by_el3 && !by_el2;
}

/* ---- banks and what follows from them ------------------------------------------------------------------ */

static void bank_switch(struct cpu *cpu, unsigned r, enum sys_cap *now, enum sys_cap next) {
    if (*now == next) return;
    cpu->sys.cap[*now] = reg_get(cpu, r);
    reg_set(cpu, r, cpu->sys.cap[next]);
    *now = next;
}

/* Restricted has its own CSP and DDC; else SPSel and the EL choose. */
static void banks_select(struct cpu *cpu) {
    unsigned el = cpu->pstate & PSTATE_SP ? cpu_el(cpu) : 0;
    bool executive = is_executive(cpu);
    enum sys_cap ddc = executive ? SYSCAP_DDC_EL0 + el : SYSCAP_RDDC_EL0;
    bank_switch(cpu, R_SP, &cpu->sp_bank, executive ? SYSCAP_CSP_EL0 + el : SYSCAP_RCSP_EL0);
    if (cpu->ddc_bank == ddc) return;
    bank_switch(cpu, R_DDC, &cpu->ddc_bank, ddc);
    ddc_set(cpu, ddc_get(cpu));
}

static uint64_t fetch_limit(struct cap c, struct cap_bounds b) {
    bool good =
        c.tag && !cap_is_sealed(c) && cap_check_permissions(c, CAP_PERM_EXECUTE) && b.valid && !b.base_top;
    return !good ? 0 : b.limit_top ? UINT64_MAX : b.limit;
}

static void pcc_derive(struct cpu *cpu) {
    struct cap c = pcc_get(cpu);
    struct cap_bounds b = cap_get_bounds(c);
    bounds_cache(cpu, R_PCC);
    cpu->base[R_PCC] = b.base;
    cpu->pcc_top = fetch_limit(c, b);
    cpu->pcc_offset = cctlr_get(cpu) & CCTLR_PCCBO ? b.base : 0;
}

static uint64_t sctlr_get(struct cpu *cpu) {
    static const uint16_t by_el[] = {SYS_SCTLR_EL1, SYS_SCTLR_EL1, SYS_SCTLR_EL2, SYS_SCTLR_EL3};
    return cpu->sys.word[by_el[cpu_el(cpu)]];
}
enum { SCTLR_M = 1 << 0, SCTLR_A = 1 << 1, SCTLR_SA = 1 << 3, SCTLR_SA0 = 1 << 4 };

void cpu_refresh(struct cpu *cpu) {
    uint64_t sctlr = sctlr_get(cpu);
    bool user = cpu->mode == EMU_MODE_USER;
    banks_select(cpu);
    pcc_derive(cpu);
    cpu->c64_key = cpu_c64(cpu) ? CODE_KEY_C64 : 0;
    cpu->link_seal = cctlr_get(cpu) & CCTLR_SBL ? (uint64_t)CAP_SEAL_TYPE_RB << 31 : 0;
    cpu->strict_alignment = !user && sctlr & SCTLR_A;
    cpu->translating = !user && sctlr & SCTLR_M;
    cpu->caps_off = !user && caps_closed(cpu);
    cpu->fp_off = !user && fp_closed(cpu);
    cpu->stale_code = true;
    cpu->sp_mask = user || sctlr & (cpu_el(cpu) ? SCTLR_SA : SCTLR_SA0) ? 15 : 0;
    bounds_cache(cpu, R_DDC);
    cpu_flush(cpu);
}

/* Only what was filled in: most flushes come soon after another. */
static void flush_table(void *table, size_t size, uint64_t *used) {
    size_t part = size / TABLE_PARTS;
    for (; *used; *used &= *used - 1)
        memset((char *)table + part * (size_t)__builtin_ctzll(*used), 0xff, part);
}

void cpu_flush(struct cpu *cpu) {
    flush_table(cpu->tlb_va, sizeof cpu->tlb_va, &cpu->tlb_va_used);
    flush_table(cpu->code, sizeof cpu->code, &cpu->code_used);
    cpu_flush_ddc(cpu);
}

void cpu_flush_ddc(struct cpu *cpu) { flush_table(cpu->tlb_ddc, sizeof cpu->tlb_ddc, &cpu->tlb_ddc_used); }

/* ---- branches ------------------------------------------------------------------------------------------ */

uint64_t tick_get(const struct cpu *cpu) {
    return (uint64_t)cpu->T + (cpu->slot ? (uint64_t)(cpu->slot - cpu->page->slot) : 0);
}

/* The slot is left; T is ticks now. */
static void leave(struct cpu *cpu) {
    cpu->T = (int64_t)tick_get(cpu);
    cpu->slot = NULL;
}

/* The same bounds if only an in-bounds value changed. */
static bool same_bounds(const struct cpu *cpu, struct cap old, struct cap next) {
    return old.hi == next.hi && old.tag == next.tag && next.lo >= cpu->base[R_PCC] && next.lo < cpu->pcc_top;
}

enum outcome branch_to_cap(struct cpu *cpu, struct cap target) {
    struct cap old = pcc_get(cpu);
    leave(cpu);
    if (cap_is_sealed(target)) target.tag = false;
    target.lo = address_canonical(cpu, target.lo, cpu_el(cpu));
    bool same = same_bounds(cpu, old, target);
    cpu->lo[R_PCC] = target.lo;
    cpu->hi[R_PCC] = target.hi;
    cpu->tg = (cpu->tg & ~bit(R_PCC)) | (uint64_t)target.tag << R_PCC;
    if (same) return BRANCH;
    pcc_derive(cpu);
    if (cap_is_executive(old) != cap_is_executive(target)) banks_select(cpu);
    return BRANCH;
}

enum outcome branch_x_to_cap(struct cpu *cpu, struct cap target) {
    bool c64 = target.lo & 1;
    cpu->pstate = c64 ? cpu->pstate | PSTATE_C64 : cpu->pstate & ~(uint32_t)PSTATE_C64;
    cpu->c64_key = c64 ? CODE_KEY_C64 : 0;
    target.lo &= ~(uint64_t)1;
    return branch_to_cap(cpu, target);
}

enum outcome branch_to(struct cpu *cpu, uint64_t address) {
    return branch_to_cap(cpu, cap_set_value(pcc_get(cpu), address));
}

enum outcome branch_to_offset(struct cpu *cpu, uint64_t offset) {
    return branch_to_cap(cpu, cap_add(pcc_get(cpu), offset));
}

struct cap link_get(struct cpu *cpu) {
    struct cap link = cap_add(pcc_get(cpu), in_c64(cpu) ? 5 : 4);
    return cctlr_get(cpu) & CCTLR_SBL ? cap_set_object_type(link, CAP_SEAL_TYPE_RB) : link;
}

enum outcome trap_stop(struct cpu *cpu, enum emu_stop_kind kind, uint64_t value) {
    struct emu_stop *stop = stop_after(cpu, kind);
    if (stop) stop->value = value;
    return TRAP;
}

/* ---- addresses ----------------------------------------------------------------------------------------- */

int register_name(const struct cpu *cpu, unsigned r) {
    bool executive = cpu->sp_bank != SYSCAP_RCSP_EL0;
    switch (r) {
    case R_SP: return executive ? EMU_CSP : EMU_RCSP;
    case R_DDC: return executive ? EMU_DDC : EMU_RDDC;
    case R_PCC: return EMU_PCC;
    default: return (int)r;
    }
}

struct va va_by_ddc(struct cpu *cpu, uint64_t x) {
    struct cap ddc = ddc_get(cpu);
    uint64_t start = cctlr_get(cpu) & CCTLR_DDCBO ? cap_get_base(ddc) : 0;
    return (struct va){ddc, start + x, register_name(cpu, R_DDC)};
}

struct va va_by_register(struct cpu *cpu, unsigned r, uint64_t address) {
    return (struct va){reg_get(cpu, r), address, register_name(cpu, r)};
}

static struct va va_by_cap(struct cpu *cpu, unsigned n) {
    return va_by_register(cpu, from_sp(n), cpu->lo[from_sp(n)]);
}

struct va va_base(struct cpu *cpu, unsigned n) {
    return in_c64(cpu) ? va_by_cap(cpu, n) : va_by_ddc(cpu, x_get_sp(cpu, n));
}
struct va va_alt_base(struct cpu *cpu, unsigned n) {
    return in_c64(cpu) ? va_by_ddc(cpu, x_get_sp(cpu, n)) : va_by_cap(cpu, n);
}
struct va va_cap(struct cap cap, int reg) { return (struct va){cap, cap.lo, reg}; }
struct va va_add(struct va va, int64_t offset) {
    va.address += (uint64_t)offset;
    return va;
}

bool sp_aligned(struct cpu *cpu, unsigned n) {
    if (n != NONE || !(cpu->lo[R_SP] & cpu->sp_mask)) return true;
    fault_set(cpu, &(struct emu_fault){.kind = EMU_FAULT_SP_ALIGNMENT,
                                       .access = EMU_READ,
                                       .address = cpu->lo[R_SP],
                                       .reg = register_name(cpu, R_SP)});
    return false;
}

static void move_x(struct cpu *cpu, unsigned n, int64_t offset) {
    x_set_sp(cpu, n, x_get_sp(cpu, n) + (uint64_t)offset);
}
static void move_c(struct cpu *cpu, unsigned n, int64_t offset) {
    c_set_sp(cpu, n, cap_add(c_get_sp(cpu, n), (uint64_t)offset));
}
void base_set(struct cpu *cpu, unsigned n, int64_t offset) {
    (in_c64(cpu) ? move_c : move_x)(cpu, n, offset);
}
void alt_base_set(struct cpu *cpu, unsigned n, int64_t offset) {
    (in_c64(cpu) ? move_x : move_c)(cpu, n, offset);
}

/* ---- exclusives ---------------------------------------------------------------------------------------- */

void exclusive_set(struct cpu *cpu, uint64_t address, unsigned size) {
    cpu->monitor = (struct monitor){address, size};
}

/* The monitor marks a granule as CTR_EL0.ERG says, as monitors of hardware do; sizes may differ within it. */
enum { RESERVATION_GRANULE = 64 };
bool exclusive_pass(struct cpu *cpu, uint64_t address, unsigned size) {
    (void)size;
    bool pass =
        cpu->monitor.size && !((cpu->monitor.address ^ address) & ~(uint64_t)(RESERVATION_GRANULE - 1));
    exclusive_clear(cpu);
    return pass;
}

void exclusive_clear(struct cpu *cpu) { cpu->monitor = (struct monitor){0, 0}; }

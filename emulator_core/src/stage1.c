/* Stage 1 of address translation.
 *
 *   virtual address, 4 KiB granule
 *   63    55     48 47     39 38     30 29     21 20     12 11      0
 *  | tag | which TTBR | level 0 | level 1 | level 2 | level 3 | offset |   a block may end at level 1 or 2
 */
#include "stage1.h"
#include "memory.h"

#include <string.h>

enum { EL1 = 1, EL2, EL3 };

/* One half of a regime's address space, as TCR describes it. */
struct half {
    uint64_t ttbr, sctlr;
    unsigned t_size;   /* TxSZ */
    unsigned granule;  /* bits of a page: 12, 14, 16 */
    unsigned ps;       /* physical size, encoded */
    unsigned hwu;      /* descriptor bits 62..59 that mean capabilities, if hierarchical attributes are off */
    bool upper, off;   /* the half at the top; TCR.EPDx */
    bool no_hierarchy; /* TCR.HPDx */
    bool one_privilege; /* EL2, EL3 */
    bool top_byte_ignored;
};

static unsigned bits(uint64_t value, unsigned lsb, unsigned width) {
    return (unsigned)(value >> lsb & (((uint64_t)1 << width) - 1));
}

static unsigned granule_of_ttbr0(unsigned tg) { return tg == 1 ? 16 : tg == 2 ? 14 : 12; }
static unsigned granule_of_ttbr1(unsigned tg) { return tg == 3 ? 16 : tg == 1 ? 14 : 12; }

/*   TCR_EL1   T0SZ 5..0  EPD0 7  TG0 15..14  T1SZ 21..16  EPD1 23  TG1 31..30  IPS 34..32  TBI 37,38  HPD
 * 41,42 HWU0 46..43  HWU1 50..47 */
static struct half half_of_el1(struct cpu *cpu, bool upper) {
    uint64_t tcr = cpu->sys.word[SYS_TCR_EL1];
    bool hpd = bits(tcr, upper ? 42 : 41, 1);
    return (struct half){
        .ttbr = cpu->sys.word[upper ? SYS_TTBR1_EL1 : SYS_TTBR0_EL1],
        .sctlr = cpu->sys.word[SYS_SCTLR_EL1],
        .t_size = bits(tcr, upper ? 16 : 0, 6),
        .granule = upper ? granule_of_ttbr1(bits(tcr, 30, 2)) : granule_of_ttbr0(bits(tcr, 14, 2)),
        .ps = bits(tcr, 32, 3),
        .hwu = hpd ? bits(tcr, upper ? 47 : 43, 4) : 0,
        .upper = upper,
        .off = bits(tcr, upper ? 23 : 7, 1),
        .no_hierarchy = hpd,
        .top_byte_ignored = bits(tcr, upper ? 38 : 37, 1),
    };
}

/*   TCR_EL2, TCR_EL3   T0SZ 5..0  TG0 15..14  PS 18..16  TBI 20  HPD 24  HWU 28..25 */
static struct half half_of_high_el(struct cpu *cpu, unsigned el) {
    uint64_t tcr = cpu->sys.word[el == EL2 ? SYS_TCR_EL2 : SYS_TCR_EL3];
    bool hpd = bits(tcr, 24, 1);
    return (struct half){
        .ttbr = cpu->sys.word[el == EL2 ? SYS_TTBR0_EL2 : SYS_TTBR0_EL3],
        .sctlr = cpu->sys.word[el == EL2 ? SYS_SCTLR_EL2 : SYS_SCTLR_EL3],
        .t_size = bits(tcr, 0, 6),
        .granule = granule_of_ttbr0(bits(tcr, 14, 2)),
        .ps = bits(tcr, 16, 3),
        .hwu = hpd ? bits(tcr, 25, 4) : 0,
        .no_hierarchy = hpd,
        .one_privilege = true,
        .top_byte_ignored = bits(tcr, 20, 1),
    };
}

/* The half that an address is in is told by the highest bit that counts. */
static struct half half_of(struct cpu *cpu, uint64_t va, unsigned el) {
    if (el >= EL2) return half_of_high_el(cpu, el);
    bool ignored = bits(cpu->sys.word[SYS_TCR_EL1], va >> 55 & 1 ? 38 : 37, 1);
    return half_of_el1(cpu, va >> (ignored ? 55 : 63) & 1);
}

enum { LARGEST_INPUT = 48, SMALLEST_INPUT = 25, PHYSICAL = 48 };

static unsigned input_size(const struct half *h) {
    unsigned size = 64 - h->t_size;
    return size < SMALLEST_INPUT ? SMALLEST_INPUT : size;
}

static unsigned output_size(const struct half *h) {
    static const uint8_t sizes[8] = {32, 36, 40, 42, 44, 48, 48, 48};
    return sizes[h->ps] > PHYSICAL ? PHYSICAL : sizes[h->ps];
}

/* Are the bits above the input size all zero, or in the upper half all one? */
static bool in_range(const struct half *h, uint64_t va, unsigned size) {
    unsigned top = h->top_byte_ignored ? 56 : 64;
    uint64_t above = va << (64 - top) >> (64 - top) >> size;
    uint64_t ones = ((uint64_t)1 << (top - size)) - 1;
    return size <= LARGEST_INPUT && above == (h->upper ? ones : 0);
}

static bool too_large(uint64_t address, unsigned size) {
    return (address & (((uint64_t)1 << 48) - 1)) >> size;
}

static uint64_t field_of(uint64_t value, unsigned msb, unsigned lsb) {
    return value & ((((uint64_t)2 << msb) - 1) & ~(((uint64_t)1 << lsb) - 1));
}

static bool descriptor_at(struct cpu *cpu, uint64_t pa, uint64_t *out) {
    if (page_is_absent(cpu->emu, pa)) return false;
    memcpy(out, frame_at(cpu->emu->memory, pa)->data + (pa & (EMU_PAGE - 1)), sizeof *out);
    return true;
}

/* Limits that tables put on what is below them. */
struct limits {
    bool read_only, privileged_only, no_execute, no_privileged_execute;
};

static void add_limits(struct limits *l, const struct half *h, uint64_t table) {
    if (h->no_hierarchy) return;
    l->read_only |= table >> 62 & 1;
    l->no_execute |= table >> 60 & 1;
    if (h->one_privilege) return;
    l->privileged_only |= table >> 61 & 1;
    l->no_privileged_execute |= table >> 59 & 1;
}

enum { AP_EL0 = 6, AP_READ_ONLY = 7, AF = 10, PXN = 53, XN = 54, SCTLR_WXN = 19 };

static unsigned prot_of(bool read, bool write, bool execute) {
    return (read ? EMU_PROT_R : 0) | (write ? EMU_PROT_W : 0) | (execute ? EMU_PROT_X : 0);
}

static unsigned prot_high(const struct half *h, uint64_t d, const struct limits *l) {
    bool write = !(d >> AP_READ_ONLY & 1) && !l->read_only, wxn = h->sctlr >> SCTLR_WXN & 1;
    return prot_of(true, write, !(d >> XN & 1) && !l->no_execute && !(write && wxn));
}

/* EL1 does not execute what EL0 may write, and PSTATE.PAN keeps it from EL0's data. */
static unsigned prot_low(struct cpu *cpu, const struct half *h, uint64_t d, const struct limits *l,
                         unsigned el) {
    bool wxn = h->sctlr >> SCTLR_WXN & 1;
    bool writable = !(d >> AP_READ_ONLY & 1) && !l->read_only,
         user = (d >> AP_EL0 & 1) && !l->privileged_only;
    bool user_writes = user && writable;
    if (el == 0) return prot_of(user, user_writes, !(d >> XN & 1) && !l->no_execute && !(user_writes && wxn));
    bool denied = cpu->pstate & PSTATE_PAN && user;
    bool no_execute = (d >> PXN & 1) || l->no_privileged_execute || (writable && wxn) || user_writes;
    return prot_of(!denied, writable && !denied, !no_execute);
}

/*   descriptor bits 62 61 60 59: load-generation, load, store, store-update; the last needs hardware updates
 * and permits stores here. */
static struct page_tags tags_of(const struct half *h, uint64_t d) {
    unsigned enabled = h->hwu & bits(d, 59, 4);
    return (struct page_tags){
        .load_zero = (enabled & 0xc) == 0,
        .load_fault = enabled & 8,
        .load_generation = !(enabled & 4),
        .store_fault = (enabled & 3) == 0,
    };
}

static struct walk failed(enum walk_fault fault, unsigned level) {
    return (struct walk){.fault = fault, .level = level};
}

/* Bits of the address below a descriptor of this level. */
static unsigned reach(const struct half *h, unsigned level) {
    return (3 - level) * (h->granule - 3) + h->granule;
}

/* The byte of MAIR that a descriptor picks. */
static uint8_t memory_of(struct cpu *cpu, uint64_t d, unsigned el) {
    static const uint16_t mair[] = {SYS_MAIR_EL1, SYS_MAIR_EL1, SYS_MAIR_EL2, SYS_MAIR_EL3};
    return (uint8_t)(cpu->sys.word[mair[el]] >> 8 * (d >> 2 & 7));
}

static struct walk leaf(struct cpu *cpu, const struct half *h, uint64_t d, uint64_t va, unsigned level,
                        const struct limits *l, unsigned el) {
    unsigned low = reach(h, level), first_block = h->granule == 12 ? 1 : 2;
    if (level < first_block) return failed(WALK_TRANSLATION, level);
    if (too_large(d & ~(((uint64_t)1 << low) - 1), output_size(h))) return failed(WALK_ADDRESS_SIZE, level);
    if (!(d >> AF & 1)) return failed(WALK_ACCESS_FLAG, level);
    return (struct walk){
        .level = level,
        .pa = field_of(d, 47, low) | field_of(va, low - 1, 0),
        .prot = h->one_privilege ? prot_high(h, d, l) : prot_low(cpu, h, d, l, el),
        .memory = memory_of(cpu, d, el),
        .shareable = (uint8_t)bits(d, 8, 2),
        .tags = tags_of(h, d),
    };
}

struct walk stage1_walk(struct cpu *cpu, uint64_t va, unsigned el) {
    struct half h = half_of(cpu, va, el);
    unsigned size = input_size(&h), stride = h.granule - 3;
    if (h.off || !in_range(&h, va, size)) return failed(WALK_TRANSLATION, 0);
    if (too_large(h.ttbr, output_size(&h))) return failed(WALK_ADDRESS_SIZE, 0);
    unsigned level = 4 - (1 + (size - h.granule - 1) / stride), top = size - 1;
    uint64_t table = field_of(h.ttbr, 47, 3 + size - reach(&h, level));
    struct limits limits = {0};
    for (;; level++) {
        unsigned low = reach(&h, level);
        uint64_t d, at = table | field_of(va, top, low) >> (low - 3);
        if (!descriptor_at(cpu, at, &d))
            return (struct walk){.fault = WALK_TRANSLATION, .level = level, .absent = true, .pa = at};
        bool is_leaf = (d & 3) == 1 || level == 3;
        if (!(d & 1) || (level == 3 && (d & 3) == 1)) return failed(WALK_TRANSLATION, level);
        if (is_leaf) return leaf(cpu, &h, d, va, level, &limits, el);
        if (too_large(d & ~(((uint64_t)1 << h.granule) - 1), output_size(&h)))
            return failed(WALK_ADDRESS_SIZE, level);
        add_limits(&limits, &h, d);
        table = field_of(d, 47, h.granule);
        top = low - 1;
    }
}

unsigned stage1_reach(struct cpu *cpu, uint64_t va, unsigned el, unsigned level) {
    struct half h = half_of(cpu, va, el);
    return reach(&h, level);
}

bool stage1_range(struct cpu *cpu, unsigned el, bool upper, uint64_t *first, uint64_t *last) {
    if (upper && el >= EL2) return false;
    struct half h = el >= EL2 ? half_of_high_el(cpu, el) : half_of_el1(cpu, upper);
    unsigned size = input_size(&h);
    if (h.off || size > LARGEST_INPUT) return false;
    uint64_t below = ((uint64_t)1 << size) - 1;
    *first = upper ? ~below : 0;
    *last = upper ? UINT64_MAX : below;
    return true;
}

/*   status   0000LL address size   0001LL translation   0010LL access flag   0011LL permission */
uint32_t walk_status(const struct walk *w) {
    return (uint32_t)(w->fault - WALK_ADDRESS_SIZE) << 2 | w->level;
}

/* Pages of predecoded code: finding them, filling their slots, forgetting what was overwritten. */
#include "slots.h"
#include "access.h"
#include "fast_atomic.h"
#include "fast_float.h"
#include "fast_vector.h"
#include "fault.h"
#include "jit.h"
#include "memory.h"
#include "run.h"
#include "stop.h"

#include <stdlib.h>
#include <string.h>

/* ---- lowering ------------------------------------------------------------------------------------------ */

extern const struct lowering lowerings_branch[], lowerings_integer[], lowerings_memory[], lowerings_address[],
    lowerings_morello[], lowerings_vector[];
static const struct lowering *const families[] = {lowerings_branch,  lowerings_integer, lowerings_memory,
                                                  lowerings_address, lowerings_morello, lowerings_vector};
static lower_fn *lowerings[CLAUSE_COUNT];
/* Hot clauses that CPACR and CPTR may trap; cold ones ask themselves. */
static bool uses_caps[CLAUSE_COUNT], uses_fp[CLAUSE_COUNT];

__attribute__((constructor)) static void lowerings_collect(void) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (const struct lowering *row = families[i]; row->lower; row++) lowerings[row->clause] = row->lower;
    for (const struct lowering *row = lowerings_morello; row->lower; row++) uses_caps[row->clause] = true;
    for (const struct lowering *row = lowerings_vector; row->lower; row++) uses_fp[row->clause] = true;
}

static op_fn *quick_op(struct insn in, uint16_t clause) {
    op_fn *quick = atomic_op(in);
    if (!quick && !in.fp_off) quick = float_op(clause, in.word);
    if (!quick && !in.fp_off) quick = vector_op(in);
    return quick;
}

static void lower_cold(struct slot *s, op_ref *op, struct insn in, uint16_t clause) {
    s->rd = (uint8_t)clause, s->rn = (uint8_t)(clause >> 8), s->imm = (int32_t)in.word;
    op_fn *quick = quick_op(in, clause);
    *op = (op_ref){quick ? quick : fast_miss, step_cold};
}

static op_ref lower(struct slot *s, struct insn in) {
    uint16_t clause = isa_clause(in.word);
    op_ref op;
    if (!lowerings[clause] || !lowerings[clause](s, &op, in)) lower_cold(s, &op, in, clause);
    bool hot = op.step != step_cold && op.step != step_undefined;
    if (in.caps_off && hot && uses_caps[clause]) op = (op_ref){fast_miss, step_caps_trap};
    if (in.fp_off && hot && uses_fp[clause]) op = (op_ref){fast_miss, step_fp_trap};
    return op;
}

static uint32_t word_at(const struct emu *emu, uint64_t pa) {
    uint32_t word;
    memcpy(&word, frame_at(emu->memory, pa)->data + (pa & (EMU_PAGE - 1)), sizeof word);
    return word;
}

static void slot_fill(struct code_page *page, unsigned index, op_ref op) {
    page->slot[index].run = op.run;
    page->step[index] = op.step;
}

void code_decode_plain(struct cpu *cpu, struct code_page *page, unsigned index) {
    struct insn in = {
        .word = word_at(cpu->emu, page->pa + 4 * index),
        .pc = page->va + 4 * index,
        .start = page->va + 4 * page->first,
        .end = page->va + 4 * page->last,
        .c64 = page->c64,
        .caps_off = page->caps_off,
        .fp_off = page->fp_off,
    };
    slot_fill(page, index, lower(&page->slot[index], in));
    if (index + 1 < PAGE_SLOTS) code_fuse(page, index);
    if (index > 0) code_fuse(page, index - 1);
}

void code_decode(struct cpu *cpu, struct code_page *page, unsigned index) {
    bool outside = index < page->first || index >= page->last;
    if (outside)
        slot_fill(page, index, (op_ref){fast_miss, step_fetch});
    else if (break_at(cpu->emu, page->va + 4 * index))
        slot_fill(page, index, (op_ref){fast_miss, step_breakpoint});
    else
        code_decode_plain(cpu, page, index);
}

/* ---- the table of pages -------------------------------------------------------------------------------- */

static struct code_page **bucket_of(struct emu *emu, uint64_t pa) {
    return &emu->code[pa >> PAGE_BITS & (CODE_BUCKETS - 1)];
}

bool code_on_page(const struct emu *emu, uint64_t pa) {
    const struct code_page *p = *bucket_of((struct emu *)emu, pa);
    while (p && p->pa != (pa & PAGE_MASK)) p = p->next;
    return p;
}

static void code_reset(struct code_page *page, unsigned first, unsigned end) {
    for (unsigned i = first; i < end; i++) slot_fill(page, i, (op_ref){fast_decode, step_decode});
}

/* The slots of bytes [start, end) of the page, and the one before them, which may do the first one's work. */
static void code_reset_bytes(struct code_page *page, uint64_t start, uint64_t end, bool by_guest) {
    unsigned first = (unsigned)(start / 4), last = (unsigned)((end + 3) / 4);
    jit_forget(page, first, last, by_guest);
    code_reset(page, first ? first - 1 : 0, last);
}

/* Nobody else writes while the guest runs. */
static bool guest_runs(const struct emu *emu) { return atomic_load(&emu->running); }

static void written_on_page(struct emu *emu, uint64_t pa, uint64_t size) {
    uint64_t offset = pa & (EMU_PAGE - 1);
    for (struct code_page *p = *bucket_of(emu, pa); p; p = p->next)
        if (p->pa == (pa & PAGE_MASK)) code_reset_bytes(p, offset, offset + size, guest_runs(emu));
}

/* Any page that overlaps the range: for ranges of more pages than there are of code. */
static void written_in_range(struct emu *emu, uint64_t start, uint64_t end) {
    for (unsigned i = 0; i < CODE_BUCKETS; i++)
        for (struct code_page *p = emu->code[i]; p; p = p->next)
            if (p->pa >= (start & PAGE_MASK) && p->pa < end)
                code_reset_bytes(p, 0, EMU_PAGE, guest_runs(emu));
}

void code_written(struct emu *emu, uint64_t pa, uint64_t size) {
    if (!emu->code_count || !size) return;
    if (((pa ^ (pa + size - 1)) & PAGE_MASK) == 0)
        written_on_page(emu, pa, size);
    else
        written_in_range(emu, pa, pa + size);
}

void code_reset_at(struct emu *emu, uint64_t va) {
    for (unsigned i = 0; i < CODE_BUCKETS; i++)
        for (struct code_page *p = emu->code[i]; p; p = p->next)
            if (p->va == (va & PAGE_MASK))
                code_reset_bytes(p, va & (EMU_PAGE - 4), (va & (EMU_PAGE - 4)) + 4, false);
}

void code_drop_all(struct emu *emu) {
    for (unsigned i = 0; i < CODE_BUCKETS; i++) {
        for (struct code_page *p = emu->code[i], *next; p; p = next) {
            next = p->next;
            free(p);
        }
        emu->code[i] = NULL;
    }
    emu->code_count = 0;
    jit_forget_all(emu);
    for (int i = 0; i < emu->thread_count; i++)
        if (emu->threads[i]) cpu_flush(emu->threads[i]);
}

/* ---- entering ------------------------------------------------------------------------------------------ */

enum { CODE_PAGES_KEPT = 2048 };

struct code_key {
    uint64_t va, pa;
    uint16_t first, last;
    bool c64, caps_off, fp_off;
};

static uint16_t slots_below(uint64_t page, uint64_t limit, unsigned round) {
    if (limit <= page) return 0;
    uint64_t bytes = limit - page;
    return bytes >= EMU_PAGE ? PAGE_SLOTS : (uint16_t)((bytes + round) / 4);
}

/* What PCC lets be fetched of the page. */
static struct code_key key_of(struct cpu *cpu, uint64_t va, uint64_t pa) {
    uint64_t page = va & PAGE_MASK;
    return (struct code_key){page,
                             pa & PAGE_MASK,
                             slots_below(page, cpu->base[R_PCC], 3),
                             slots_below(page, cpu->pcc_top, 0),
                             cpu_c64(cpu),
                             cpu->caps_off,
                             cpu->fp_off};
}

static bool code_is(const struct code_page *p, const struct code_key *key) {
    return p->pa == key->pa && p->va == key->va && p->c64 == key->c64 && p->caps_off == key->caps_off &&
           p->fp_off == key->fp_off && p->first == key->first && p->last == key->last;
}

/* Nothing is entered while a page is made, so when there are too many all may go. */
static struct code_page *code_make(struct cpu *cpu, const struct code_key *key) {
    struct emu *emu = cpu->emu;
    if (emu->code_count == CODE_PAGES_KEPT) code_drop_all(emu);
    struct code_page *p = allocate(sizeof *p), **bucket = bucket_of(emu, key->pa);
    p->va = key->va, p->pa = key->pa, p->first = key->first, p->last = key->last;
    p->c64 = key->c64, p->caps_off = key->caps_off, p->fp_off = key->fp_off;
    code_reset(p, 0, PAGE_SLOTS);
    slot_fill(p, PAGE_SLOTS, (op_ref){fast_next_page, step_next_page});
    p->next = *bucket;
    *bucket = p;
    emu->code_count++;
    tlb_forget(emu, key->va);
    tlb_forget(emu, key->pa);
    return p;
}

static struct code_page *code_find(struct cpu *cpu, const struct code_key *key) {
    struct code_page *p = *bucket_of(cpu->emu, key->pa);
    while (p && !code_is(p, key)) p = p->next;
    return p ? p : code_make(cpu, key);
}

static bool pc_is_aligned(struct cpu *cpu) {
    if (!(pc_get(cpu) & 3)) return true;
    fault_set(cpu, &(struct emu_fault){.kind = EMU_FAULT_PC_ALIGNMENT,
                                       .access = EMU_FETCH,
                                       .address = pc_get(cpu),
                                       .size = 4,
                                       .reg = EMU_REG_NONE});
    return false;
}

enum { ESR_ILLEGAL_STATE = 0x0e << 26 | 1 << 25 };
static bool state_is_legal(struct cpu *cpu) {
    if (!(cpu->pstate & PSTATE_IL)) return true;
    undefined(cpu);
    cpu->fault.esr = ESR_ILLEGAL_STATE;
    return false;
}

bool code_enter(struct cpu *cpu) {
    struct translation t;
    uint64_t pc = pc_get(cpu);
    struct va va = {pcc_get(cpu), pc, EMU_PCC};
    if (!pc_is_aligned(cpu) || !state_is_legal(cpu)) return false;
    if (!va_check(cpu, va, 4, CAP_PERM_EXECUTE, EMU_FETCH)) return false;
    if (!translate(cpu, pc, 4, EMU_FETCH, &t)) return false;
    struct code_key key = key_of(cpu, pc, t.pa);
    cpu->stale_code = false;
    cpu->page = code_find(cpu, &key);
    cpu->slot = &cpu->page->slot[pc >> 2 & (PAGE_SLOTS - 1)];
    cpu->T -= (int64_t)(cpu->slot - cpu->page->slot);
    unsigned place = pc >> PAGE_BITS & (CODE_CACHE_SIZE - 1);
    cpu->code[place] = (struct code_entry){key.va | cpu->c64_key, cpu->base[R_PCC], cpu->pcc_top, cpu->page};
    cpu->code_used |= bit(place / (CODE_CACHE_SIZE / TABLE_PARTS));
    return true;
}

/* ---- ops that are no instruction's own ----------------------------------------------------------------- */

static void leave_for(struct cpu *cpu, uint64_t pc) {
    cpu->T = (int64_t)tick_get(cpu);
    cpu->slot = NULL;
    cpu->lo[R_PCC] = pc;
}

/* To the next slot, through a new entry if the instruction changed what its page was decoded under. */
static void go_on(struct cpu *cpu, const struct slot *next) {
    cpu->slot = next;
    if (cpu->stale_code) leave_for(cpu, slot_pc(cpu->page, next));
}

void step_caps_trap(struct cpu *cpu, const struct slot *s) {
    (void)s;
    caps_enabled(cpu);
}

void step_fp_trap(struct cpu *cpu, const struct slot *s) {
    (void)s;
    fp_enabled(cpu);
}

void step_decode(struct cpu *cpu, const struct slot *s) {
    unsigned index = (unsigned)(s - cpu->page->slot);
    code_decode(cpu, cpu->page, index);
    cpu->page->step[index](cpu, s);
}

static void unsupported(struct cpu *cpu, uint16_t clause) {
    struct emu_stop *stop = stop_after(cpu, EMU_STOP_UNSUPPORTED);
    if (stop) stop->clause = clause;
}

void step_cold(struct cpu *cpu, const struct slot *s) {
    uint16_t clause = (uint16_t)(s->rd | s->rn << 8);
    cpu->word = (uint32_t)s->imm;
    if (clause == CLAUSE_UNDEFINED) {
        undefined(cpu);
        return;
    }
    if (!isa_exec[clause]) {
        unsupported(cpu, clause);
        return;
    }
    switch (isa_exec[clause](cpu, cpu->word)) {
    case NEXT: /* fall through */
    case TRAP: go_on(cpu, s + 1); break;
    case BRANCH: cpu->T++; break;
    case FAULT: break;
    }
}

void step_undefined(struct cpu *cpu, const struct slot *s) {
    (void)s;
    undefined(cpu);
}

void step_breakpoint(struct cpu *cpu, const struct slot *s) {
    (void)s;
    stop_after(cpu, EMU_STOP_BREAKPOINT);
}

void step_fetch(struct cpu *cpu, const struct slot *s) { leave_for(cpu, slot_pc(cpu->page, s)); }
void step_next_page(struct cpu *cpu, const struct slot *s) { leave_for(cpu, slot_pc(cpu->page, s)); }

/* Which pages are hot, and the translation of one. */
#include "jit.h"
#include "jit_cache.h"
#include "memory.h"

#include <stdlib.h>

#if JIT_HOST

/* The threshold of a page whose translation found no place. */
#define NEVER UINT32_MAX
/* No page's code takes more. */
enum { ROOM = 2 << 20 };
/* Looks at a page until it is translated for the first time, and how often that may double. */
enum { LOOKS = 4, MOST_DOUBLED = 20 };
/* Branches that a look takes on the average. */
enum { AROUND = 16 };

struct jit {
    struct cache cache;
    size_t shared; /* bytes at the cache's start that stay */
    struct block block;
};

/* ---- rows ---------------------------------------------------------------------------------------------- */

extern const struct jit_row jit_integer[], jit_moves[], jit_memory[], jit_branch[], jit_morello[],
    jit_vector[], jit_vector_memory[], jit_float[];
static const struct jit_row *const families[] = {jit_integer, jit_moves,  jit_memory,        jit_branch,
                                                 jit_morello, jit_vector, jit_vector_memory, jit_float};

enum { TABLE_SIZE = 8192 };
static const struct jit_row *table[TABLE_SIZE];

static size_t place_of(void (*op)(void)) {
    size_t at = (uintptr_t)op * 0x9e3779b97f4a7c15 >> 51;
    while (table[at] && table[at]->op != op) at = (at + 1) % TABLE_SIZE;
    return at;
}

__attribute__((constructor)) static void rows_collect(void) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (const struct jit_row *row = families[i]; row->op; row++) table[place_of(row->op)] = row;
}

/* The row of a slot's op; NULL for what is not translated, above all what is not decoded. */
static const struct jit_row *row_of(const struct code_page *page, unsigned index) {
    step_fn *step = page->step[index];
    return table[place_of(step == step_cold ? JIT_OP(page->slot[index].run) : JIT_OP(step))];
}

/* ---- life ---------------------------------------------------------------------------------------------- */

const char *jit_missing(void) {
    static _Atomic int there;
    struct cache cache = {0};
    if (!there) {
        there = cache_map(&cache) ? 1 : -1;
        cache_unmap(&cache);
    }
    return there > 0 ? NULL : "the host maps no memory to be executed";
}

static void emit_shared(struct jit *jit) {
    struct out o = {jit->cache.write, jit->cache.write + CACHE_SIZE};
    jit->block.keeper = o.at;
    keeper_emit(&o);
    jit->block.clause_call = o.at;
    clause_call_emit(&o);
    jit->cache.used = jit->shared = (size_t)(o.at - jit->cache.write);
}

static struct jit *jit_new(void) {
    struct jit *jit = allocate(sizeof *jit);
    if (!cache_map(&jit->cache)) {
        free(jit);
        return NULL;
    }
    jit->block.to_code = jit->cache.execute - jit->cache.write;
    emit_shared(jit);
    return jit;
}

void jit_free(struct jit *jit) {
    if (!jit) return;
    cache_unmap(&jit->cache);
    free(jit);
}

/* ---- one page ------------------------------------------------------------------------------------------ */

static bool mark(uint64_t *marks, unsigned index) {
    uint64_t *word = &marks[index / 64], mask = bit(index % 64);
    bool was = *word & mask;
    *word |= mask;
    return was;
}
static bool marked(const uint64_t *marks, unsigned index) { return marks[index / 64] >> (index % 64) & 1; }

extern step_fn step_nop;

static bool goes_on(const struct jit_row *row) { return row->flow == FLOW_ON || row->flow == FLOW_NEAR_IF; }
static bool goes_near(const struct jit_row *row) {
    return row->flow == FLOW_NEAR_IF || row->flow == FLOW_NEAR;
}
static unsigned near_slot(const struct code_page *page, unsigned i) {
    return (unsigned)((int)i + page->slot[i].imm);
}

struct slots {
    uint16_t index[PAGE_SLOTS];
    unsigned count;
};

static void reach(struct slots *todo, struct cpu *cpu, struct code_page *page, unsigned i) {
    if (i >= PAGE_SLOTS || page->step[i] != step_decode) return;
    code_decode(cpu, page, i);
    todo->index[todo->count++] = (uint16_t)i;
}

/* What has run may go there next time. */
static void decode_reachable(struct cpu *cpu, struct code_page *page) {
    struct slots todo = {.count = 0};
    for (unsigned i = 0; i < PAGE_SLOTS; i++)
        if (page->step[i] != step_decode) todo.index[todo.count++] = (uint16_t)i;
    while (todo.count) {
        unsigned i = todo.index[--todo.count];
        const struct jit_row *row = row_of(page, i);
        if (row && goes_on(row)) reach(&todo, cpu, page, i + 1);
        if (row && goes_near(row)) reach(&todo, cpu, page, near_slot(page, i));
    }
}

/* Labels, where nothing is known: where branches of the page go, and what is behind an op that does not go on
 * to it. A function may begin behind NOPs that fill a line. */
static void labels_find(struct block *b, const struct code_page *page) {
    const struct jit_row *before = NULL;
    memset(b->labelled, 0, sizeof b->labelled);
    for (unsigned i = 0; i < PAGE_SLOTS; i++) {
        const struct jit_row *row = row_of(page, i);
        if (row && (!before || !goes_on(before) || page->step[i - 1] == step_nop)) b->labelled[i] = true;
        if (row && goes_near(row)) b->labelled[near_slot(page, i)] = true;
        before = row;
    }
    for (unsigned i = 0; i < PAGE_SLOTS; i++)
        if (!row_of(page, i)) b->labelled[i] = false;
}

static void emit_slot(struct block *b, const struct code_page *page, const struct jit_row *row, unsigned i) {
    b->index = i;
    if (b->labelled[i]) b->known = (struct known){0};
    b->here[i] = (struct place){b->out.at, b->known};
    row->emit(b, &page->slot[i], row->how);
    if (goes_on(row) && (i + 1 == PAGE_SLOTS || !row_of(page, i + 1))) go_slot(b, i + 1);
}

static void emit_page(struct block *b, struct code_page *page) {
    for (unsigned i = 0; i < PAGE_SLOTS; i++) {
        const struct jit_row *row = row_of(page, i);
        if (row) emit_slot(b, page, row, i);
    }
    for (unsigned i = 0; i < b->stub_count; i++) {
        struct stub stub = b->stubs[i];
        land(&b->out, stub.from);
        stub.emit(b, &stub);
    }
    for (unsigned i = 0; i < b->fixup_count; i++) land_at(b->fixups[i].place, b->here[b->fixups[i].index].at);
    for (unsigned i = 0; i < PAGE_SLOTS; i++)
        if (b->here[i].at) emit_entry(b, i);
}

static void block_begin(struct jit *jit, const struct code_page *page) {
    struct block *b = &jit->block;
    b->out = (struct out){jit->cache.write + jit->cache.used, jit->cache.write + CACHE_SIZE};
    b->page = page;
    b->stub_count = b->fixup_count = 0;
    b->full = false;
    memset(b->here, 0, sizeof b->here);
    memset(b->interpreted, 0, sizeof b->interpreted);
}

static void install(struct jit *jit, struct code_page *page) {
    struct block *b = &jit->block;
    for (unsigned i = 0; i < PAGE_SLOTS; i++) {
        if (!b->here[i].at) continue;
        mark(page->translated, i);
        page->slot[i].run = (op_fn *)(uintptr_t)(b->here[i].at + b->to_code);
    }
    jit->cache.used = (size_t)(b->out.at - jit->cache.write + 15) & ~(size_t)15;
}

/* Undecoded again: the interpreter's functions were not kept. */
static void translation_drop(struct code_page *page) {
    for (unsigned i = 0; i < PAGE_SLOTS; i++) {
        if (!marked(page->translated, i)) continue;
        page->slot[i].run = fast_decode;
        page->step[i] = step_decode;
    }
    memset(page->translated, 0, sizeof page->translated);
}

static void flush(struct jit *jit, struct emu *emu) {
    for (unsigned i = 0; i < CODE_BUCKETS; i++)
        for (struct code_page *p = emu->code[i]; p; p = p->next) translation_drop(p);
    jit->cache.used = jit->shared;
}

static void decode_again(struct cpu *cpu, struct code_page *page) {
    uint64_t translated[PAGE_SLOTS / 64];
    memcpy(translated, page->translated, sizeof translated);
    translation_drop(page);
    for (unsigned i = 0; i < PAGE_SLOTS; i++)
        if (marked(translated, i)) code_decode(cpu, page, i);
}

static void translate_page(struct jit *jit, struct cpu *cpu, struct code_page *page) {
    decode_again(cpu, page);
    decode_reachable(cpu, page);
    if (CACHE_SIZE - jit->cache.used < ROOM) flush(jit, cpu->emu);
    block_begin(jit, page);
    labels_find(&jit->block, page);
    emit_page(&jit->block, page);
    if (jit->block.full || jit->block.out.end - jit->block.out.at < 16)
        page->threshold = NEVER;
    else
        install(jit, page);
    cpu->emu->translations++;
}

/* ---- hot code ------------------------------------------------------------------------------------------ */

/* A translation takes as long as many instructions, so it waits until its page has run for about so long.
 * Each translation of a page waits for twice as long as the one before. */
static bool is_hot(struct emu *emu, struct code_page *page) {
    if (page->threshold == NEVER) return false;
    page->heat += (uint64_t)emu->look / AROUND + 1;
    uint64_t first = (uint64_t)(emu->soon - 1) * LOOKS + 1;
    if (page->heat < first << page->threshold) return false;
    if (page->threshold < MOST_DOUBLED) page->threshold++;
    page->heat = 0;
    return true;
}

/* Nothing is to be done about a slot that is translated, cannot be, or whose page is given up. */
static bool is_settled(const struct code_page *page, unsigned index) {
    return index >= PAGE_SLOTS || marked(page->translated, index) || page->threshold == NEVER ||
           !row_of(page, index);
}

/* Without memory for it the interpreter goes on alone. */
static bool jit_begin(struct emu *emu) {
    if (!emu->jit) emu->jit = jit_new();
    if (!emu->jit) emu->engine = EMU_ENGINE_INTERP;
    return emu->jit;
}

/* false: there is something to translate here, now or soon. */
static bool look_at(struct cpu *cpu) {
    struct emu *emu = cpu->emu;
    struct code_page *page = cpu->page;
    if (is_settled(page, (unsigned)(cpu->slot - page->slot)) || !jit_begin(emu)) return true;
    if (is_hot(emu, page)) translate_page(emu->jit, cpu, page);
    return false;
}

/* T is less at the end of a page than at its start, so the budget is mostly passed near a start: a look goes
 * on for some branches from there, at random how many. */
static unsigned branches_to_look_at(struct emu *emu) {
    emu->look_chance = emu->look_chance * 6364136223846793005 + 1442695040888963407;
    return (unsigned)(emu->look_chance >> 32) % (2 * AROUND);
}

void jit_look(struct cpu *cpu) {
    struct emu *emu = cpu->emu;
    bool begins = !emu->looking;
    if (begins) emu->look = emu->look < JIT_RARELY / 2 ? 2 * emu->look : JIT_RARELY;
    emu->looking = begins ? branches_to_look_at(emu) : emu->looking - 1;
    if (!look_at(cpu)) emu->look = emu->soon;
}

void jit_forget(struct code_page *page, unsigned first, unsigned end, bool by_guest) {
    /* What goes on to a slot that a debugger resets is to go on in translated code later. */
    unsigned i = first && !by_guest ? first - 1 : first;
    while (i < end && !marked(page->translated, i)) i++;
    if (i == end) return;
    translation_drop(page);
    if (!by_guest) page->heat = page->threshold = 0;
}

void jit_forget_all(struct emu *emu) {
    if (emu->jit) emu->jit->cache.used = emu->jit->shared;
}

#else

const char *jit_missing(void) {
#ifdef CVMDBG_STEP_ONLY
    return "this build checks itself: the step engine runs everything";
#else
    return "it is made for x86-64 on Linux";
#endif
}
void jit_free(struct jit *jit) { (void)jit; }
void jit_look(struct cpu *cpu) { (void)cpu; }
void jit_forget(struct code_page *page, unsigned first, unsigned end, bool by_guest) {
    (void)page, (void)first, (void)end, (void)by_guest;
}
void jit_forget_all(struct emu *emu) { (void)emu; }

#endif

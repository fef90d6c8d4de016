/* Random code in random states, in both engines: `fuzz_execute [ROUNDS [SEED]]`.
 *
 * Each round fills a page with random instructions, the registers with pointers and capabilities that mostly
 * work, and runs the same start with the step engine in one go, with the fast engine in one go, and with the
 * fast engine in pieces. They must agree on every stop and digest. The first difference is printed and ends
 * the program with 1. */
#include "check.h"
#include "guest.h"
#include "isa.h"

#include <inttypes.h>

enum { TICKS = 7000, STOPS = 200 };

static uint64_t seed;
static uint64_t pick(uint64_t n) { return random_u64(&seed) % n; }

/* ---- random starts ------------------------------------------------------------------------------------- */

static uint32_t random_word(void) {
    for (;;) {
        uint32_t word = (uint32_t)random_u64(&seed);
        if (isa_clause(word) != CLAUSE_UNDEFINED) return word;
    }
}

/* Short branches keep a round inside its page for a while. */
static uint32_t random_branch(void) {
    int slots = (int)pick(64) - 32;
    switch (pick(4)) {
    case 0: return b(slots);
    case 1: return bl(slots);
    case 2: return 0xb5000000 | (uint32_t)(slots & 0x7ffff) << 5 | (uint32_t)pick(31); /* cbnz xN */
    default: return (uint32_t)0x54000000 | (uint32_t)(slots & 0x7ffff) << 5 | (uint32_t)pick(14); /* b.cond */
    }
}

/* SUBS of an immediate or a register, of 32 or 64 bits: with a branch behind it the fast engine fuses the
 * two. */
static uint32_t random_compare(void) {
    uint32_t operands = (uint32_t)random_u64(&seed), base = pick(2) ? 0x71000000 : 0x6b000000;
    uint32_t used = base == 0x71000000 ? operands & 0x7fffff : operands & 0x1f03ff;
    return base | (uint32_t)pick(2) << 31 | used | 1 << 4;
}

/* Results mostly go to registers 16..30 and bases mostly come from 0..15, so that pointers survive. */
static uint32_t spare_pointers(uint32_t word) {
    return pick(8) ? (word | 1 << 4) & ~(uint32_t)(1 << 9) : word;
}

/* Data processing and memory make up most of it; system instructions would end a round too soon. */
static uint32_t random_instruction(void) {
    if (pick(10) == 0) return random_branch();
    if (pick(10) == 0) return random_compare();
    if (pick(4) == 0)
        return spare_pointers(0x38000000 | ((uint32_t)random_u64(&seed) & 0xc0ffffff)); /* ldur, str … */
    uint32_t word = random_word();
    bool branch_or_system = (word >> 26 & 7) == 5;
    return branch_or_system && pick(8) ? NOP : spare_pointers(word);
}

static struct emu_cap random_cap(void) {
    uint64_t base = AREA + pick(AREA_PAGES * EMU_PAGE), value = base + pick(64);
    struct cap c = cap_set_value(cap_almighty(), base);
    if (pick(3)) c = cap_set_bounds(c, pick(2) ? pick(256) : EMU_PAGE, false);
    if (pick(4) == 0) c = cap_clear_perms(c, (uint32_t)pick(1 << 18));
    c = cap_set_value(c, value & ~(pick(4) ? (uint64_t)15 : 0));
    if (pick(16) == 0) c = cap_set_object_type(c, pick(8));
    return (struct emu_cap){c.lo, c.hi, c.tag && pick(16)};
}

static struct emu_cap random_register(void) {
    switch (pick(6)) {
    case 0: return plain_number(random_u64(&seed));
    case 1: return plain_number(pick(64));
    case 2: return plain_number(AREA + pick(AREA_PAGES * EMU_PAGE));
    case 3: return whole_space(CODE + (pick(EMU_PAGE) & ~(uint64_t)3) + pick(2));
    default: return random_cap();
    }
}

struct start {
    uint32_t code[EMU_PAGE / 4];
    struct emu_cap reg[31];
    struct emu_cap ddc, csp;
    uint64_t nzcv, cctlr, entry;
    bool c64;
    struct {
        uint64_t address, size;
        unsigned access;
    } watch[4];
    unsigned watches;
};

static void start_pick(struct start *s) {
    for (unsigned i = 0; i < EMU_PAGE / 4; i++) s->code[i] = random_instruction();
    for (unsigned i = 0; i < 31; i++) s->reg[i] = random_register();
    s->csp = pick(4) ? whole_space(AREA + EMU_PAGE + 16 * pick(64)) : random_cap();
    s->ddc = pick(4) ? whole_space(0) : random_cap();
    s->nzcv = pick(16) << 28;
    s->cctlr = pick(2) ? 0 : pick(256) & 0xcc;
    s->entry = CODE + 4 * pick(64);
    s->c64 = pick(2);
    s->watches = pick(2) ? 0 : 1 + (unsigned)pick(4);
    for (unsigned i = 0; i < s->watches; i++) {
        s->watch[i].address = AREA + pick(AREA_PAGES * EMU_PAGE);
        s->watch[i].size = pick(8) ? 1 + pick(16) : 1 + pick(EMU_PAGE);
        s->watch[i].access = 1 + (unsigned)pick(7);
    }
}

/* Every other round watches some places, often on pages that are accessed elsewhere. */
static void start_watch(struct guest g, const struct start *s) {
    for (unsigned i = 0; i < s->watches; i++)
        emu_watch_add(g.emu, s->watch[i].address, s->watch[i].size, s->watch[i].access);
}

static struct guest start_make(const struct start *s) {
    struct guest g = guest_new();
    emu_write(g.emu, CODE, s->code, sizeof s->code);
    for (unsigned i = 0; i < AREA_PAGES * 8; i++) emu_write_cap(g.emu, AREA + i * 512, s->reg[i % 31]);
    for (unsigned i = 0; i < 31; i++) emu_set(g.emu, g.thread, (enum emu_reg)i, s->reg[i]);
    emu_set(g.emu, g.thread, EMU_DDC, s->ddc);
    emu_set(g.emu, g.thread, EMU_CSP, s->csp);
    emu_set(g.emu, g.thread, EMU_CCTLR, plain_number(s->cctlr));
    emu_set(g.emu, g.thread, EMU_CPSR, plain_number(s->nzcv | (uint64_t)s->c64 << 26));
    guest_at(g, s->entry);
    start_watch(g, s);
    return g;
}

/* ---- three runs ---------------------------------------------------------------------------------------- */

enum way { STEPPED, WHOLE, PIECES, WAYS };
static const char *const way_name[WAYS] = {"stepped", "whole", "in pieces"};

/* What does not retire becomes a NOP, so that a round turns into a loop; from elsewhere it starts again. */
static bool go_on(struct guest g, const struct start *s, const struct emu_stop *stop) {
    const uint32_t nop = NOP;
    bool stuck = stop->kind == EMU_STOP_FAULT || stop->kind == EMU_STOP_UNSUPPORTED;
    if (stop->pc < CODE || stop->pc >= CODE + EMU_PAGE - 4 || stop->pc & 3)
        guest_at(g, s->entry);
    else if (stuck)
        emu_write(g.emu, stop->pc, &nop, sizeof nop);
    return stop->kind != EMU_STOP_BUDGET;
}

struct trace {
    struct emu_stop stop[STOPS];
    unsigned stops;
    uint8_t digest[32];
};

static struct emu_stop run_in_pieces(struct guest g, uint64_t left) {
    struct emu_stop stop;
    do {
        uint64_t piece = 1 + pick(left), ticks = emu_ticks(g.emu);
        stop = guest_run(g, piece);
        left -= emu_ticks(g.emu) - ticks;
    } while (stop.kind == EMU_STOP_BUDGET && left);
    return stop;
}

static void run_trace(const struct start *s, enum way way, struct trace *t) {
    struct guest g = start_make(s);
    static struct emu_crossing dropped[64];
    memset(t, 0, sizeof *t);
    if (way == STEPPED) emu_use_step_engine(g.emu, g.thread, true);
    while (t->stops < STOPS) {
        struct emu_stop *stop = &t->stop[t->stops++];
        *stop = way == PIECES ? run_in_pieces(g, TICKS) : guest_run(g, TICKS);
        while (emu_crossings(g.emu, dropped, 64)) {
        }
        if (!go_on(g, s, stop)) break;
    }
    emu_digest(g.emu, t->digest);
    emu_free(g.emu);
}

static bool stops_agree(const struct emu_stop *a, const struct emu_stop *b) {
    return a->kind == b->kind && a->tick == b->tick && a->pc == b->pc && a->clause == b->clause &&
           a->value == b->value && a->watch == b->watch && a->address == b->address && a->size == b->size &&
           a->access == b->access && a->instruction == b->instruction && a->fault.kind == b->fault.kind &&
           a->fault.address == b->fault.address && a->fault.reg == b->fault.reg &&
           a->fault.needed == b->fault.needed && a->fault.esr == b->fault.esr;
}

static void print_stop(const char *way, const struct start *s, const struct emu_stop *stop) {
    uint64_t index = (stop->pc - CODE) / 4;
    printf("  %s: stop %d at %" PRIx64 " tick %" PRIu64 " fault %d address %" PRIx64 " word %08x\n", way,
           stop->kind, stop->pc, stop->tick, stop->fault.kind, stop->fault.address,
           index < EMU_PAGE / 4 ? s->code[index] : 0);
}

static bool agree(const struct start *s, const struct trace *a, const struct trace *b, enum way way) {
    unsigned i = 0;
    while (i < a->stops && i < b->stops && stops_agree(&a->stop[i], &b->stop[i])) i++;
    bool same = i == a->stops && i == b->stops && !memcmp(a->digest, b->digest, 32);
    if (same) return true;
    printf("stepped and %s differ after %u equal stops\n", way_name[way], i);
    if (i < a->stops) print_stop(way_name[STEPPED], s, &a->stop[i]);
    if (i < b->stops) print_stop(way_name[way], s, &b->stop[i]);
    return false;
}

static uint64_t total_ticks, total_stops;

static bool round_agrees(void) {
    static struct start s;
    static struct trace trace[WAYS];
    start_pick(&s);
    for (unsigned way = 0; way < WAYS; way++) run_trace(&s, (enum way)way, &trace[way]);
    total_stops += trace[STEPPED].stops;
    total_ticks += trace[STEPPED].stop[trace[STEPPED].stops - 1].tick;
    return agree(&s, &trace[STEPPED], &trace[WHOLE], WHOLE) &&
           agree(&s, &trace[STEPPED], &trace[PIECES], PIECES);
}

int main(int argc, char **argv) {
    uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 200;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    for (uint64_t i = 0; i < rounds; i++) {
        seed = (first + i) * 0x9e3779b97f4a7c15;
        if (round_agrees()) continue;
        printf("seed %" PRIu64 "\n", first + i);
        return 1;
    }
    printf("%" PRIu64 " rounds of %" PRIu64 " ticks and %" PRIu64 " stops agree\n", rounds, total_ticks,
           total_stops);
    return 0;
}

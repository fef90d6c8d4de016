/* Random code in random states, in both engines: `fuzz_execute [ROUNDS [SEED]]`.
 *
 * Each round fills a page with random instructions, the registers with pointers and capabilities that mostly
 * work, and runs the same start with the step engine in one go, with the fast engine in one go, and with the
 * fast engine in pieces. They must agree on every stop and digest. The first difference is printed and ends
 * the program with 1. */
#include "check.h"
#include "guest.h"
#include "isa.h"
#include "state.h"

#include <inttypes.h>

enum { TICKS = 7000, STOPS = 400, LOOPS = 8, SIZE = 2 * EMU_PAGE };

static uint64_t seed;
static uint64_t pick(uint64_t n) { return random_u64(&seed) % n; }

/* ---- random starts ------------------------------------------------------------------------------------- */

static uint32_t random_word(void) {
    for (;;) {
        uint32_t word = (uint32_t)random_u64(&seed);
        if (isa_clause(word) != CLAUSE_UNDEFINED) return word;
    }
}

/* Short branches keep a round inside its page for a while, others go to the same place of the next one. */
static uint32_t random_branch(void) {
    int slots = (int)pick(64) - 32 + (pick(4) ? 0 : 1024) - (pick(4) ? 0 : 1024);
    switch (pick(8)) {
    case 0: return b(slots);
    case 1: return bl(slots);
    case 2:
        return 0x34000000 | (uint32_t)(slots & 0x7ffff) << 5 | (uint32_t)pick(31) | (uint32_t)pick(2) << 24 |
               (uint32_t)pick(2) << 31;                                            /* cbz, cbnz */
    case 3: return 0xd61f0000 | (uint32_t)pick(3) << 21 | (uint32_t)pick(31) << 5; /* br, blr, ret */
    case 4: return 0xc2c21000 | (uint32_t)pick(3) << 13 | (uint32_t)pick(31) << 5; /* of capabilities */
    case 5:
        return 0x36000000 | (uint32_t)(slots & 0x3fff) << 5 |
               (uint32_t)(random_u64(&seed) & 0x81f8001f);                                        /* tbz */
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

/* What compilers make most of: fixed bits, and those that are free. */
static uint32_t random_common(void) {
    static const uint32_t form[][2] = {
        {0x11000000, 0xe07fffff}, /* add, sub immediate */
        {0x12000000, 0xe07fffff}, /* logical immediate */
        {0x12800000, 0xe07fffff}, /* movz, movn, movk */
        {0x13000000, 0xe07fffff}, /* ubfm, sbfm, bfm */
        {0x13800000, 0x803f7fff}, /* extr */
        {0x0a000000, 0xe0ffffff}, /* logical, shifted */
        {0x0b000000, 0xe0dfffff}, /* add, sub, shifted */
        {0x0b200000, 0xe01fefff}, /* and extended */
        {0x1a800000, 0xc01ff7ff}, /* csel, csinc, csinv, csneg */
        {0x3a400000, 0xc01ffbef}, /* ccmp, ccmn */
        {0x1ac00000, 0x801f3fff}, /* shifts by a register, divisions */
        {0x5ac00000, 0x80001fff}, /* rbit, rev, clz */
        {0x1b000000, 0x801fffff}, /* madd, msub */
        {0x9b200000, 0x00bfffff}, /* long ones */
        {0x9b407c00, 0x009f03ff}, /* smulh, umulh */
        {0x28000000, 0xd3ffffff}, /* pairs */
        {0x39000000, 0xc0c1ffff}, /* ldr, str scaled */
        {0x10000000, 0xe0ffffff}, /* adr, adrp */
        {0x42000000, 0x01ffffff}, /* pairs of capabilities, alternate bases */
        {0xc2000000, 0x0043ffff}, /* capabilities, scaled */
        {0xa2000000, 0x00ffffff}, /* capabilities, unscaled, by register, pre, post */
        {0x02000000, 0x00c3ffff}, /* capabilities add, sub immediate */
        {0xc2a00000, 0x001fffff}, /* and extended */
        {0xc2c1d000, 0x000003ff}, /* cpy */
        {0xc2c24000, 0x001fffff}, /* values, bounds */
        {0x3c000000, 0xc0ffffff}, /* vector registers */
        {0x3d000000, 0xc0c1ffff}, /* scaled */
        {0x2c000000, 0xc3ffffff}, /* pairs of them */
        {0x1e200800, 0x001ff3ff}, /* scalar floating point */
        {0x1e600800, 0x001ff3ff}, {0x1f000000, 0x0060ffff}, {0x4e200400, 0x20dff3ff},
    };
    const uint32_t *chosen = form[pick(sizeof form / sizeof *form)];
    return chosen[0] | ((uint32_t)random_u64(&seed) & chosen[1]);
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
    if (pick(16) ==
        0) { /* exclusives, acquire, release, CAS: what is not register 31 in them is mostly undefined */
        uint32_t fixed = 0x08007c00 | (pick(2) ? 0x1f0000 : 0);
        return spare_pointers(fixed | ((uint32_t)random_u64(&seed) & 0xc0ff83ff));
    }
    if (pick(2)) return spare_pointers(random_common());
    uint32_t word = random_word();
    bool branch_or_system = (word >> 26 & 7) == 5;
    return branch_or_system && pick(8) ? NOP : spare_pointers(word);
}

static struct emu_cap random_cap(void) {
    uint64_t base = AREA + pick(AREA_PAGES * EMU_PAGE), value = base + pick(64);
    struct cap c = cap_set_value(cap_almighty(), base);
    if (pick(3)) c = cap_set_bounds(c, pick(2) ? pick(256) : EMU_PAGE, false);
    if (pick(3) == 0) c = cap_clear_perms(c, pick(4) ? 1u << pick(18) : (uint32_t)pick(1 << 18));
    c = cap_set_value(c, value & ~(pick(4) ? (uint64_t)15 : 0));
    if (pick(16) == 0) c = cap_set_object_type(c, pick(8));
    return (struct emu_cap){c.lo, c.hi, c.tag && pick(16)};
}

/* Code, perhaps as a sentry. */
static struct emu_cap random_code(void) {
    struct cap c = cap_set_value(cap_almighty(), CODE + (pick(SIZE) & ~(uint64_t)3) + pick(2));
    if (pick(3) == 0) c = cap_set_object_type(c, 1 + pick(4));
    return (struct emu_cap){c.lo, c.hi, c.tag};
}

static struct emu_cap random_register(void) {
    switch (pick(6)) {
    case 0: return plain_number(random_u64(&seed));
    case 1: return plain_number(pick(64));
    case 2: return plain_number(AREA + pick(AREA_PAGES * EMU_PAGE));
    case 3: return random_code();
    default: return random_cap();
    }
}

struct start {
    uint32_t code[SIZE / 4];
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
    for (unsigned i = 0; i < SIZE / 4; i++) s->code[i] = random_instruction();
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

enum way { STEPPED, WHOLE, PIECES, TRANSLATED, TRANSLATED_PIECES, WAYS };
static const char *const way_name[WAYS] = {"stepped", "whole", "in pieces", "translated",
                                           "translated in pieces"};
static bool in_pieces(enum way way) { return way == PIECES || way == TRANSLATED_PIECES; }

/* Code is hot at once. */
static void translate(struct guest g) {
    if (emu_set_engine(g.emu, EMU_ENGINE_JIT)) return;
    g.emu->look = g.emu->soon = 1;
}

/* What does not retire becomes a NOP, so that a round turns into a loop, and later on is passed over. Out of
 * such a loop, and from elsewhere, it starts again at some place. */
static void go_on(struct guest g, const struct start *s, const struct emu_stop *stop, unsigned stops) {
    const uint32_t nop = NOP;
    bool stuck = stop->kind == EMU_STOP_FAULT || stop->kind == EMU_STOP_UNSUPPORTED;
    bool outside = stop->pc < CODE || stop->pc >= CODE + SIZE - 4 || stop->pc & 3;
    if (outside || stop->kind == EMU_STOP_BUDGET)
        guest_at(g, CODE + 4 * (stops * 37 % (SIZE / 4)));
    else if (stuck && stops < STOPS / 2)
        emu_write(g.emu, stop->pc, &nop, sizeof nop);
    else if (stuck)
        guest_at(g, stop->pc + 4);
    for (unsigned i = 0; i < 31; i += 1 + stops % 5)
        emu_set(g.emu, g.thread, (enum emu_reg)i, s->reg[(stops + i) % 31]);
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
    if (way >= TRANSLATED) translate(g);
    for (unsigned loops = 0; t->stops < STOPS && loops < LOOPS;) {
        struct emu_stop *stop = &t->stop[t->stops++];
        *stop = in_pieces(way) ? run_in_pieces(g, TICKS) : guest_run(g, TICKS);
        while (emu_crossings(g.emu, dropped, 64)) {
        }
        loops += stop->kind == EMU_STOP_BUDGET;
        go_on(g, s, stop, t->stops);
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
           index < SIZE / 4 ? s->code[index] : 0);
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
    for (unsigned way = WHOLE; way < WAYS; way++)
        if (!agree(&s, &trace[STEPPED], &trace[way], (enum way)way)) return false;
    return true;
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

/* libFuzzer: any bytes as instructions, interpreted and translated.
 *
 * Input: one byte of choices (bit 0: C64, bit 1: 16 watched bytes, bit 2: flushing and rounding), eight bytes
 * that the registers are made from, then words of code. Each word is decoded in both modes. The code runs by
 * single steps, at full speed, and translated to host code at once; stops and digests must be the same. */
#include "guest.h"
#include "isa.h"
#include "state.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TICKS = 6000, WORDS = 512, HEAD = 9, C64 = 1, WATCH = 2, ROUND = 4 };

enum way { STEPPED, WHOLE, TRANSLATED, WAYS };
static const char *const way_name[WAYS] = {"stepped", "whole", "translated"};

struct ending {
    struct emu_stop stop;
    uint8_t digest[32];
};

static uint64_t next(uint64_t *state) {
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

/* Pointers that mostly work, numbers that mostly do not. */
static struct emu_cap draw(uint64_t *state) {
    uint64_t pick = next(state), base = AREA + next(state) % (AREA_PAGES * EMU_PAGE);
    struct cap c = cap_set_value(cap_almighty(), base & ~(uint64_t)(pick >> 8 & 15));
    if (pick & 1) return plain_number(pick >> 16 & 1 ? pick : base);
    if (pick & 2) c = cap_set_bounds(c, pick >> 20 & 0xff, false);
    if (pick & 4) c = cap_clear_perms(c, (uint32_t)(pick >> 32) & 0x3ffff);
    if ((pick >> 40 & 31) == 0) c = cap_set_object_type(c, pick >> 48 & 7);
    return (struct emu_cap){c.lo, c.hi, c.tag};
}

static struct guest start(const uint8_t *input, size_t size) {
    struct guest g = guest_new();
    uint64_t state;
    memcpy(&state, input + 1, sizeof state);
    state |= 1;
    emu_write(g.emu, CODE, input + HEAD, size - HEAD);
    for (unsigned i = 0; i < 31; i++) emu_set(g.emu, g.thread, (enum emu_reg)i, draw(&state));
    for (unsigned i = 0; i < 8; i++) emu_write_cap(g.emu, AREA + i * 0x400, draw(&state));
    for (unsigned i = 0; i < 32; i++)
        emu_set(g.emu, g.thread, (enum emu_reg)(EMU_V0 + i), (struct emu_cap){next(&state), next(&state), 0});
    if (input[0] & WATCH) emu_watch_add(g.emu, AREA + (next(&state) & 0x3fff), 16, 7);
    if (input[0] & ROUND) emu_set(g.emu, g.thread, EMU_FPCR, plain_number(next(&state) & 0x7c80000));
    emu_set(g.emu, g.thread, EMU_FPSR, plain_number(state & 16));
    emu_set(g.emu, g.thread, EMU_CPSR, plain_number(input[0] & C64 ? 1 << 26 : 0));
    return g;
}

static void run(const uint8_t *input, size_t size, enum way way, struct ending *out) {
    struct guest g = start(input, size);
    static struct emu_crossing dropped[64];
    if (way == STEPPED) emu_use_step_engine(g.emu, g.thread, true);
    if (way == TRANSLATED && emu_set_engine(g.emu, EMU_ENGINE_JIT) == 0) g.emu->look = g.emu->soon = 1;
    out->stop = guest_run(g, TICKS);
    while (emu_crossings(g.emu, dropped, 64)) {
    }
    emu_digest(g.emu, out->digest);
    emu_free(g.emu);
}

static bool same(const struct ending *a, const struct ending *b) {
    return a->stop.kind == b->stop.kind && a->stop.tick == b->stop.tick && a->stop.pc == b->stop.pc &&
           a->stop.fault.kind == b->stop.fault.kind && a->stop.fault.address == b->stop.fault.address &&
           a->stop.address == b->stop.address && !memcmp(a->digest, b->digest, sizeof a->digest);
}

static void decode(const uint8_t *input, size_t size) {
    for (size_t at = HEAD; at + 4 <= size; at += 4) {
        uint32_t word;
        memcpy(&word, input + at, sizeof word);
        int a64 = isa_row(word, false), c64 = isa_row(word, true);
        if (a64 < -1 || a64 >= ISA_ROW_COUNT || c64 < -1 || c64 >= ISA_ROW_COUNT) abort();
        if (isa_clause(word) >= CLAUSE_COUNT) abort();
    }
}

static void report(enum way way, const struct ending *end) {
    fprintf(stderr, "%s: stop %d at %llx, tick %llu\n", way_name[way], end->stop.kind,
            (unsigned long long)end->stop.pc, (unsigned long long)end->stop.tick);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    struct ending end[WAYS];
    if (size < HEAD + 4 || size > HEAD + 4 * WORDS) return 0;
    decode(input, size);
    for (enum way way = 0; way < WAYS; way++) {
        run(input, size, way, &end[way]);
        if (same(&end[0], &end[way])) continue;
        report(STEPPED, &end[STEPPED]);
        report(way, &end[way]);
        abort();
    }
    return 0;
}

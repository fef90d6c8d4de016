/* Whole state: saving shares the memory tree, loading swaps it back, the digest reads all of it. */
#include "snapshot.h"
#include "slots.h"

#include <stdlib.h>
#include <string.h>

/* ---- save and load ------------------------------------------------------------------------------------- */

static void flush_all(struct emu *emu) {
    for (int i = 0; i < emu->thread_count; i++)
        if (emu->threads[i]) cpu_flush(emu->threads[i]);
}

struct emu_snapshot *emu_save(struct emu *emu) {
    struct emu_snapshot *s = allocate(sizeof *s);
    s->memory = node_share(emu->memory);
    s->regions = regions_copy(&emu->regions);
    s->ticks = emu->ticks;
    s->thread_count = emu->thread_count;
    s->threads = allocate(((size_t)emu->thread_count + 1) * sizeof *s->threads);
    for (int i = 0; i < emu->thread_count; i++)
        if (emu->threads[i]) cpu_save(emu->threads[i], &s->threads[i]);
    flush_all(emu); /* every page is shared now, so none may be written in place */
    return s;
}

/* Decoded code stays where the frame stays: a frame that two trees share has the same content in both. */
static void code_follow(struct emu *emu, const struct node *next) {
    for (unsigned i = 0; i < CODE_BUCKETS; i++)
        for (struct code_page *p = emu->code[i]; p; p = p->next)
            if (frame_at(emu->memory, p->pa) != frame_at(next, p->pa)) code_written(emu, p->pa, EMU_PAGE);
}

static void threads_follow(struct emu *emu, const struct emu_snapshot *s) {
    for (int i = s->thread_count; i < emu->thread_count; i++) emu_thread_free(emu, i);
    for (int i = 0; i < s->thread_count; i++) {
        bool present = s->threads[i].present;
        if (!present)
            emu_thread_free(emu, i);
        else if (!emu_thread_exists(emu, i))
            emu_thread_place(emu, i, s->threads[i].mode);
        if (present) cpu_load(emu->threads[i], &s->threads[i]);
    }
}

void emu_load(struct emu *emu, const struct emu_snapshot *s) {
    code_follow(emu, s->memory);
    struct node *old = emu->memory;
    emu->memory = node_share(s->memory);
    node_release(old, 0);
    free(emu->regions.list);
    emu->regions = regions_copy(&s->regions);
    emu->ticks = s->ticks;
    emu->ring.count = 0;
    threads_follow(emu, s);
    flush_all(emu);
}

uint64_t emu_snapshot_ticks(const struct emu_snapshot *s) { return s->ticks; }

void emu_snapshot_free(struct emu_snapshot *s) {
    if (!s) return;
    node_release(s->memory, 0);
    free(s->regions.list);
    free(s->threads);
    free(s);
}

/* ---- digest -------------------------------------------------------------------------------------------- */

/* Four lanes of multiply and rotate over 64-bit words, each word tied to its place by the order of
 * absorption. */
struct hash {
    uint64_t lane[4];
    uint64_t count;
};

static const uint64_t hash_start[4] = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0,
                                       0x082efa98ec4e6c89};
enum { HASH_ROTATE = 29 };
#define HASH_ODD 0x9e3779b97f4a7c15

static uint64_t rotate(uint64_t v, unsigned n) { return v << n | v >> (64 - n); }

static void absorb(struct hash *h, uint64_t word) {
    uint64_t *lane = &h->lane[h->count++ & 3];
    *lane = rotate((*lane ^ word) * HASH_ODD, HASH_ROTATE);
}

static void absorb_words(struct hash *h, const void *words, size_t size) {
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)words + i, 8);
        absorb(h, word);
    }
}

static void absorb_cap(struct hash *h, struct cap c) {
    absorb(h, c.lo);
    absorb(h, c.hi);
    absorb(h, c.tag);
}

static bool frame_is_zero(const struct frame *f) {
    static const uint8_t zero[EMU_PAGE];
    return !memcmp(f->data, zero, EMU_PAGE) && !memcmp(f->tags, zero, GRANULES);
}

/* A page of zeros is the same as none. */
static void absorb_frame(void *context, uint64_t pa, const struct frame *f) {
    struct hash *h = context;
    if (frame_is_zero(f)) return;
    absorb(h, pa);
    absorb_words(h, f->data, EMU_PAGE);
    absorb_words(h, f->tags, GRANULES);
}

static void absorb_thread(struct hash *h, const struct thread_state *t) {
    for (unsigned i = 0; i < 31; i++) absorb_cap(h, t->c[i]);
    absorb_cap(h, t->pcc);
    absorb_words(h, t->sys.word, sizeof t->sys.word);
    for (unsigned i = 0; i < SYSCAP_COUNT; i++) absorb_cap(h, t->sys.cap[i]);
    absorb_words(h, t->v, sizeof t->v);
    absorb(h, t->monitor.address);
    absorb(h, t->monitor.size);
    absorb(h, (uint64_t)t->pstate << 32 | t->nzcv);
    absorb(h, (uint64_t)t->fpcr << 32 | t->fpsr);
    absorb(h, t->mode);
}

static void absorb_threads(struct hash *h, const struct emu *emu) {
    struct thread_state state;
    for (int i = 0; i < emu->thread_count; i++) {
        if (!emu->threads[i]) continue;
        cpu_save(emu->threads[i], &state);
        absorb(h, (uint64_t)i);
        absorb_thread(h, &state);
    }
}

static void absorb_regions(struct hash *h, const struct regions *regions) {
    for (size_t i = 0; i < regions->count; i++) {
        absorb(h, regions->list[i].address);
        absorb(h, regions->list[i].size);
        absorb(h, (uint64_t)regions->list[i].prot << 1 | regions->list[i].device);
    }
}

static void hash_finish(struct hash *h, uint8_t out[32]) {
    absorb(h, h->count);
    for (unsigned round = 0; round < 16; round++) absorb(h, h->lane[(h->count + 1) & 3] + round);
    memcpy(out, h->lane, 32);
}

void emu_digest(struct emu *emu, uint8_t out[32]) {
    struct hash h = {.count = 0};
    memcpy(h.lane, hash_start, sizeof h.lane);
    absorb(&h, emu->ticks);
    absorb_regions(&h, &emu->regions);
    frames_visit(emu->memory, absorb_frame, &h);
    absorb_threads(&h, emu);
    hash_finish(&h, out);
}

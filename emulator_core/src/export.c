/* Snapshots as values: pages by address, registers by name. A thread's state is declared once, below, and
 * written and read by the same loop. */
#include "slots.h"
#include "snapshot.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- pages --------------------------------------------------------------------------------------------- */

struct changes {
    uint64_t *out;
    size_t count, capacity;
};

static void add_change(struct changes *c, uint64_t pa) {
    if (c->count < c->capacity) c->out[c->count] = pa;
    c->count++;
}

/* Subtrees that both share hold no difference. */
static void compare(struct changes *c, const struct node *a, const struct node *b, unsigned level,
                    uint64_t base) {
    uint64_t span = (uint64_t)EMU_PAGE << (NODE_BITS * (NODE_LEVELS - 1 - level));
    for (unsigned i = 0; a != b && i < NODE_SIZE; i++) {
        const void *left = a ? a->child[i] : NULL, *right = b ? b->child[i] : NULL;
        if (left == right) continue;
        if (level == NODE_LEVELS - 1)
            add_change(c, base + i * span);
        else
            compare(c, left, right, level + 1, base + i * span);
    }
}

size_t emu_snapshot_changes(const struct emu_snapshot *s, const struct emu_snapshot *base, uint64_t *out,
                            size_t capacity) {
    struct changes c = {out, 0, capacity};
    compare(&c, s->memory, base ? base->memory : NULL, 0, 0);
    return c.count;
}

void emu_snapshot_page(const struct emu_snapshot *s, uint64_t address, uint8_t out[EMU_PAGE_BYTES]) {
    const struct frame *f = frame_at(s->memory, address);
    memcpy(out, f->data, EMU_PAGE);
    memset(out + EMU_PAGE, 0, EMU_PAGE_BYTES - EMU_PAGE);
    for (unsigned g = 0; g < GRANULES; g++) out[EMU_PAGE + g / 8] |= (uint8_t)((f->tags[g] & 1) << g % 8);
}

static bool is_zero(const uint8_t in[EMU_PAGE_BYTES]) {
    return !in[0] && !memcmp(in, in + 1, EMU_PAGE_BYTES - 1);
}

static int put_page(struct emu *emu, uint64_t address, const uint8_t in[EMU_PAGE_BYTES]) {
    if (address & (EMU_PAGE - 1) || address >> PHYSICAL_BITS) return -1;
    if (is_zero(in)) {
        frames_clear(&emu->memory, address, address + EMU_PAGE);
    } else {
        struct frame *f = frame_own(&emu->memory, address);
        memcpy(f->data, in, EMU_PAGE);
        for (unsigned g = 0; g < GRANULES; g++) f->tags[g] = in[EMU_PAGE + g / 8] >> g % 8 & 1;
    }
    code_written(emu, address, EMU_PAGE);
    return 0;
}

int emu_put_pages(struct emu *emu, const uint64_t *addresses, const uint8_t *in, size_t count) {
    int bad = 0;
    for (size_t i = 0; i < count && !bad; i++) bad = put_page(emu, addresses[i], in + i * EMU_PAGE_BYTES);
    memory_changed(emu, 0, 0);
    return bad;
}

/* ---- mappings ------------------------------------------------------------------------------------------ */

size_t emu_snapshot_regions(const struct emu_snapshot *s, struct emu_region *out, size_t capacity) {
    size_t count = s->regions.count;
    if (out && count) memcpy(out, s->regions.list, (count < capacity ? count : capacity) * sizeof *out);
    return count;
}

static bool region_is_good(const struct emu_region *r) {
    uint64_t limit = (uint64_t)1 << PHYSICAL_BITS;
    bool pages = r->size && !((r->address | r->size) & (EMU_PAGE - 1));
    return pages && r->address < limit && r->size <= limit - r->address && r->prot <= 7;
}

int emu_put_regions(struct emu *emu, const struct emu_region *list, size_t count) {
    struct regions made = {NULL, 0};
    for (size_t i = 0; i < count; i++)
        if (!region_is_good(&list[i])) return -1;
    for (size_t i = 0; i < count; i++)
        regions_set(&made, list[i].address, list[i].address + list[i].size, &list[i]);
    free(emu->regions.list);
    emu->regions = made;
    memory_changed(emu, 0, 0);
    return 0;
}

/* ---- threads ------------------------------------------------------------------------------------------- */

enum width { CAPABILITY, VECTOR, WORD64, WORD32 };
struct named_field {
    const char *name;
    size_t offset;
    enum width width;
};
#define FIELD(name, member, width) {name, offsetof(struct thread_state, member), width}
#define C(n)                       FIELD("c" #n, c[n], CAPABILITY)
#define V(n)                       FIELD("v" #n, v[n], VECTOR)
#define BANKED(name)               FIELD(#name, sys.cap[SYSCAP_##name], CAPABILITY)

static const struct named_field fields[] = {
    C(0),
    C(1),
    C(2),
    C(3),
    C(4),
    C(5),
    C(6),
    C(7),
    C(8),
    C(9),
    C(10),
    C(11),
    C(12),
    C(13),
    C(14),
    C(15),
    C(16),
    C(17),
    C(18),
    C(19),
    C(20),
    C(21),
    C(22),
    C(23),
    C(24),
    C(25),
    C(26),
    C(27),
    C(28),
    C(29),
    C(30),
    FIELD("pcc", pcc, CAPABILITY),
    BANKED(CSP_EL0),
    BANKED(CSP_EL1),
    BANKED(CSP_EL2),
    BANKED(CSP_EL3),
    BANKED(RCSP_EL0),
    BANKED(DDC_EL0),
    BANKED(DDC_EL1),
    BANKED(DDC_EL2),
    BANKED(DDC_EL3),
    BANKED(RDDC_EL0),
    BANKED(CTPIDR_EL0),
    BANKED(CTPIDR_EL1),
    BANKED(CTPIDR_EL2),
    BANKED(CTPIDR_EL3),
    BANKED(RCTPIDR_EL0),
    BANKED(CTPIDRRO_EL0),
    BANKED(CID_EL0),
    BANKED(CELR_EL1),
    BANKED(CELR_EL2),
    BANKED(CELR_EL3),
    BANKED(CVBAR_EL1),
    BANKED(CVBAR_EL2),
    BANKED(CVBAR_EL3),
    V(0),
    V(1),
    V(2),
    V(3),
    V(4),
    V(5),
    V(6),
    V(7),
    V(8),
    V(9),
    V(10),
    V(11),
    V(12),
    V(13),
    V(14),
    V(15),
    V(16),
    V(17),
    V(18),
    V(19),
    V(20),
    V(21),
    V(22),
    V(23),
    V(24),
    V(25),
    V(26),
    V(27),
    V(28),
    V(29),
    V(30),
    V(31),
    FIELD("pstate", pstate, WORD32),
    FIELD("flags", nzcv, WORD32),
    FIELD("fpcr", fpcr, WORD32),
    FIELD("fpsr", fpsr, WORD32),
    FIELD("mode", mode, WORD32),
    FIELD("monitor", monitor.address, WORD64),
    FIELD("monitor_size", monitor.size, WORD32),
#define REG(name, ...) FIELD(#name, sys.word[SYS_##name], WORD64),
#include "sysreg.inc"
#undef REG
};
enum { FIELDS = sizeof fields / sizeof *fields };

static struct emu_cap get_field(const struct thread_state *t, const struct named_field *f) {
    const void *at = (const uint8_t *)t + f->offset;
    struct emu_cap out = {0};
    if (f->width == CAPABILITY) {
        const struct cap *c = at;
        out = (struct emu_cap){c->lo, c->hi, c->tag};
    } else
        memcpy(&out, at, f->width == VECTOR ? 16 : f->width == WORD64 ? 8 : 4);
    return out;
}

static void put_field(struct thread_state *t, const struct named_field *f, struct emu_cap value) {
    void *at = (uint8_t *)t + f->offset;
    if (f->width == CAPABILITY)
        *(struct cap *)at = (struct cap){value.lo, value.hi, value.tag};
    else
        memcpy(at, &value, f->width == VECTOR ? 16 : f->width == WORD64 ? 8 : 4);
}

size_t emu_named_count(void) { return FIELDS; }
int emu_snapshot_thread_limit(const struct emu_snapshot *s) { return s->thread_count; }

bool emu_snapshot_thread(const struct emu_snapshot *s, int thread, struct emu_named *out, size_t capacity) {
    if (thread < 0 || thread >= s->thread_count || !s->threads[thread].present) return false;
    for (size_t i = 0; i < FIELDS && i < capacity; i++)
        out[i] = (struct emu_named){fields[i].name, get_field(&s->threads[thread], &fields[i])};
    return true;
}

static const struct named_field *field_named(const char *name) {
    for (size_t i = 0; i < FIELDS; i++)
        if (!strcmp(fields[i].name, name)) return &fields[i];
    return NULL;
}

/* Registers from elsewhere may say anything that registers can hold, and no more. */
static bool state_is_good(const struct thread_state *t) {
    return t->mode <= EMU_MODE_SYSTEM && t->nzcv <= 15 && t->monitor.size <= 32;
}

int emu_put_thread(struct emu *emu, int thread, const struct emu_named *values, size_t count) {
    struct thread_state state;
    if (thread < 0 || thread >= MAX_THREADS) return -1;
    memset(&state, 0, sizeof state);
    for (size_t i = 0; i < count; i++) {
        const struct named_field *f = field_named(values[i].name);
        if (!f) return -1;
        put_field(&state, f, values[i].value);
    }
    if (!state_is_good(&state)) return -1;
    if (!emu_thread_exists(emu, thread)) emu_thread_place(emu, thread, (enum emu_mode)state.mode);
    cpu_load(emu->threads[thread], &state);
    cpu_flush(emu->threads[thread]);
    return 0;
}

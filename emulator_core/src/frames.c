/* Frames of physical memory in a copy-on-write tree. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct frame zero_frame = {.refs = 1};

void *allocate(size_t size) {
    void *memory = calloc(1, size);
    if (memory) return memory;
    fputs("cvmdbg: out of memory\n", stderr);
    abort();
}

static unsigned index_at(uint64_t pa, unsigned level) {
    return (unsigned)(pa >> (PAGE_BITS + NODE_BITS * (NODE_LEVELS - 1 - level))) & (NODE_SIZE - 1);
}

static uint64_t span(unsigned level) { return (uint64_t)EMU_PAGE << (NODE_BITS * (NODE_LEVELS - 1 - level)); }

static void frame_release(struct frame *f) {
    if (--f->refs == 0) free(f);
}

struct node *node_share(struct node *n) {
    if (n) n->refs++;
    return n;
}

static void child_release(void *child, unsigned level) {
    if (!child) return;
    if (level == NODE_LEVELS - 1)
        frame_release(child);
    else
        node_release(child, level + 1);
}

void node_release(struct node *n, unsigned level) {
    if (!n || --n->refs) return;
    for (unsigned i = 0; i < NODE_SIZE; i++) child_release(n->child[i], level);
    free(n);
}

static void child_share(void *child, unsigned level) {
    if (!child) return;
    if (level == NODE_LEVELS - 1)
        ((struct frame *)child)->refs++;
    else
        ((struct node *)child)->refs++;
}

/* The node in *place, made if missing and copied if shared. */
static struct node *node_own(struct node **place, unsigned level) {
    struct node *n = *place;
    if (n && n->refs == 1) return n;
    struct node *own = allocate(sizeof *own);
    own->refs = 1;
    if (n) {
        memcpy(own->child, n->child, sizeof n->child);
        for (unsigned i = 0; i < NODE_SIZE; i++) child_share(n->child[i], level);
        node_release(n, level);
    }
    return *place = own;
}

const struct frame *frame_at(const struct node *root, uint64_t pa) {
    const struct node *n = root;
    for (unsigned level = 0; level < NODE_LEVELS - 1 && n; level++) n = n->child[index_at(pa, level)];
    const struct frame *f = n ? n->child[index_at(pa, NODE_LEVELS - 1)] : NULL;
    return f ? f : &zero_frame;
}

bool frame_is_owned(const struct node *root, uint64_t pa) {
    const struct node *n = root;
    for (unsigned level = 0; n && n->refs == 1; level++) {
        const void *child = n->child[index_at(pa, level)];
        if (level == NODE_LEVELS - 1) return child && ((const struct frame *)child)->refs == 1;
        n = child;
    }
    return false;
}

struct frame *frame_own(struct node **root, uint64_t pa) {
    struct node **place = root;
    for (unsigned level = 0; level < NODE_LEVELS - 1; level++)
        place = (struct node **)&node_own(place, level)->child[index_at(pa, level)];
    struct node *leaf = node_own(place, NODE_LEVELS - 1);
    struct frame **slot = (struct frame **)&leaf->child[index_at(pa, NODE_LEVELS - 1)], *f = *slot;
    if (f && f->refs == 1) return f;
    struct frame *own = allocate(sizeof *own);
    if (f) {
        memcpy(own->data, f->data, sizeof own->data);
        memcpy(own->tags, f->tags, sizeof own->tags);
        frame_release(f);
    }
    own->refs = 1;
    return *slot = own;
}

/* Drop what [start, end) holds below the node at base. */
static void clear_below(struct node **place, unsigned level, uint64_t base, uint64_t start, uint64_t end) {
    if (!*place) return;
    struct node *n = node_own(place, level);
    uint64_t size = span(level);
    unsigned first = start > base ? (unsigned)((start - base) / size) : 0;
    for (unsigned i = first; i < NODE_SIZE && base + i * size < end; i++) {
        uint64_t at = base + i * size;
        bool whole = start <= at && at + size <= end;
        if (whole || level == NODE_LEVELS - 1) {
            child_release(n->child[i], level);
            n->child[i] = NULL;
        } else
            clear_below((struct node **)&n->child[i], level + 1, at, start, end);
    }
}

void frames_clear(struct node **root, uint64_t start, uint64_t end) { clear_below(root, 0, 0, start, end); }

static void visit_below(const struct node *n, unsigned level, uint64_t base, frame_visitor *visit,
                        void *context) {
    for (unsigned i = 0; n && i < NODE_SIZE; i++) {
        const void *child = n->child[i];
        uint64_t at = base + i * span(level);
        if (!child) continue;
        if (level == NODE_LEVELS - 1)
            visit(context, at, child);
        else
            visit_below(child, level + 1, at, visit, context);
    }
}

void frames_visit(const struct node *root, frame_visitor *visit, void *context) {
    visit_below(root, 0, 0, visit, context);
}

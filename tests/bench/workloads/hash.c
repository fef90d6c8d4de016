/* A chained hash table of strings that grows, and an open-addressed one of numbers with deletion. */
#include "work.h"

enum { WORDS = 600, LENGTH = 16, BUCKETS = 1024, SLOTS = 2048 };

struct entry {
    struct entry *next;
    uint32_t hash, count;
    char word[LENGTH];
};
static struct entry pool[WORDS], *buckets[BUCKETS];
static unsigned used, mask;
static uint64_t keys[SLOTS], values[SLOTS];

static uint32_t hash_of(const char *word) {
    uint32_t h = 2166136261u;
    while (*word) h = (h ^ (uint8_t)*word++) * 16777619u;
    return h;
}

static int same(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static void grow(void) {
    mask = 2 * mask + 1;
    for (unsigned i = 0; i <= mask; i++) buckets[i] = NULL;
    for (unsigned i = 0; i < used; i++) {
        struct entry **bucket = &buckets[pool[i].hash & mask];
        pool[i].next = *bucket;
        *bucket = &pool[i];
    }
}

static struct entry *look_up(const char *word) {
    uint32_t hash = hash_of(word);
    for (struct entry *e = buckets[hash & mask]; e; e = e->next)
        if (e->hash == hash && same(e->word, word)) return e;
    if (used == WORDS) return &pool[hash % WORDS];
    if (used > mask && mask + 1 < BUCKETS) grow();
    struct entry *e = &pool[used++], **bucket = &buckets[hash & mask];
    e->hash = hash, e->count = 0, e->next = *bucket, *bucket = e;
    for (int i = 0; i < LENGTH; i++) e->word[i] = word[i];
    return e;
}

static void spell(char *word, uint32_t number) {
    int length = 3 + (int)(number % 9);
    for (int i = 0; i < LENGTH; i++) {
        word[i] = i < length ? (char)('a' + number % 23) : 0;
        number = number / 3 * 7 + 5;
    }
}

static uint64_t strings(uint64_t *seed) {
    uint64_t total = 0;
    used = 0, mask = 15;
    for (unsigned i = 0; i <= mask; i++) buckets[i] = NULL;
    for (int i = 0; i < 1500; i++) {
        char word[LENGTH];
        spell(word, draw(seed) % 997);
        total += ++look_up(word)->count;
    }
    return total;
}

/* The slot of a key, or the free one where it belongs. 0 is no key. */
static unsigned slot_of(uint64_t key) {
    unsigned at = (unsigned)(key * 0x9e3779b97f4a7c15 >> 53);
    while (keys[at] && keys[at] != key) at = (at + 1) & (SLOTS - 1);
    return at;
}

/* Those behind it move up, so that no search ends early. */
static void forget(unsigned hole) {
    for (unsigned at = hole;;) {
        at = (at + 1) & (SLOTS - 1);
        if (!keys[at]) break;
        unsigned home = (unsigned)(keys[at] * 0x9e3779b97f4a7c15 >> 53);
        if (((at - home) & (SLOTS - 1)) < ((at - hole) & (SLOTS - 1))) continue;
        keys[hole] = keys[at], values[hole] = values[at], hole = at;
    }
    keys[hole] = 0;
}

static uint64_t numbers(uint64_t *seed) {
    uint64_t total = 0;
    for (int i = 0; i < SLOTS; i++) keys[i] = 0;
    for (int i = 0; i < 3000; i++) {
        uint64_t key = draw(seed) % 1400 + 1;
        unsigned at = slot_of(key);
        if (!keys[at])
            keys[at] = key, values[at] = (uint64_t)i;
        else if (i % 3 == 0)
            forget(at);
        else
            total = mix(total, values[at]++);
    }
    return total;
}

uint64_t work(uint64_t rounds) {
    uint64_t seed = 3, total = 0;
    for (; rounds; rounds--) total = mix(total, strings(&seed) ^ numbers(&seed));
    return total;
}

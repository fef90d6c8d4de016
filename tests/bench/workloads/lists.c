/* What small controllers do: a linked list that is searched, reversed and sorted, a matrix of 16-bit numbers, a
 * state machine over text, and a CRC over all results. */
#include "work.h"

enum { NODES = 96, SIDE = 12, TEXT = 512 };

struct node {
    struct node *next;
    int16_t value, index;
};
static struct node nodes[NODES];
static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];
static char text[TEXT];

static uint16_t crc(uint16_t sum, uint16_t value) {
    for (int bit = 0; bit < 16; bit++, value >>= 1) {
        unsigned odd = (sum ^ value) & 1;
        sum >>= 1;
        if (odd) sum ^= 0xa001;
    }
    return sum;
}

/* ---- list ------------------------------------------------------------------------------------------------- */

static struct node *list_make(uint64_t *seed) {
    for (int i = 0; i < NODES; i++) {
        nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
        nodes[i].value = (int16_t)draw(seed);
        nodes[i].index = (int16_t)i;
    }
    return nodes;
}

static struct node *list_reverse(struct node *list) {
    struct node *done = NULL;
    while (list) {
        struct node *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static struct node *list_find(struct node *list, int16_t value) {
    while (list && list->value != value) list = list->next;
    return list;
}

static int by_value(const struct node *a, const struct node *b) { return a->value - b->value; }
static int by_index(const struct node *a, const struct node *b) { return a->index - b->index; }

static struct node *list_merge(struct node *a, struct node *b, int (*order)(const struct node *, const struct node *)) {
    struct node *first = NULL, **end = &first;
    while (a && b) {
        struct node **from = order(a, b) <= 0 ? &a : &b;
        *end = *from;
        end = &(*from)->next;
        *from = (*from)->next;
    }
    *end = a ? a : b;
    return first;
}

static struct node *list_sort(struct node *list, int (*order)(const struct node *, const struct node *)) {
    if (!list || !list->next) return list;
    struct node *middle = list, *end = list->next;
    while (end && end->next) middle = middle->next, end = end->next->next;
    struct node *second = middle->next;
    middle->next = NULL;
    return list_merge(list_sort(list, order), list_sort(second, order), order);
}

static uint16_t lists(uint16_t sum, uint64_t *seed) {
    struct node *list = list_make(seed);
    for (int i = 0; i < 16; i++) {
        struct node *found = list_find(list, nodes[draw(seed) % NODES].value);
        sum = crc(sum, found ? (uint16_t)found->index : 0xffff);
        list = list_reverse(list);
    }
    list = list_sort(list, by_value);
    for (struct node *n = list; n; n = n->next) sum = crc(sum, (uint16_t)n->index);
    list = list_sort(list, by_index);
    return crc(sum, (uint16_t)list->value);
}

/* ---- matrix ----------------------------------------------------------------------------------------------- */

static uint16_t matrices(uint16_t sum, uint64_t *seed) {
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) left[i][j] = (int16_t)draw(seed), right[i][j] = (int16_t)(draw(seed) >> 4);
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            uint32_t total = 0;
            for (int k = 0; k < SIDE; k++) total += (uint32_t)left[i][k] * (uint32_t)right[k][j] >> 3;
            product[i][j] = (int32_t)total;
        }
    for (int i = 0; i < SIDE; i++) sum = crc(sum, (uint16_t)(product[i][i] ^ product[i][SIDE - 1 - i] >> 16));
    return sum;
}

/* ---- state machine ---------------------------------------------------------------------------------------- */

enum state { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, SCIENTIFIC, INVALID, STATES };

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static enum state advance(enum state state, char c) {
    switch (state) {
    case START: return is_digit(c) ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : INVALID;
    case SIGN: return is_digit(c) ? INTEGER : c == '.' ? POINT : INVALID;
    case INTEGER: return c == '.' ? POINT : is_digit(c) ? INTEGER : c == 'e' ? EXPONENT : INVALID;
    case POINT: return is_digit(c) ? FRACTION : INVALID;
    case FRACTION: return c == 'e' ? EXPONENT : is_digit(c) ? FRACTION : INVALID;
    case EXPONENT: return is_digit(c) ? SCIENTIFIC : c == '+' || c == '-' ? EXPONENT_SIGN : INVALID;
    case EXPONENT_SIGN: return is_digit(c) ? SCIENTIFIC : INVALID;
    case SCIENTIFIC: return is_digit(c) ? SCIENTIFIC : INVALID;
    default: return INVALID;
    }
}

static uint16_t states(uint16_t sum, uint64_t *seed) {
    static const char letters[] = "0123456789012345+-.e,,x";
    uint16_t count[STATES] = {0};
    for (int i = 0; i < TEXT; i++) text[i] = letters[draw(seed) % (sizeof letters - 1)];
    enum state state = START;
    for (int i = 0; i < TEXT; i++) {
        if (text[i] == ',') {
            count[state]++;
            state = START;
        } else if (state != INVALID) {
            state = advance(state, text[i]);
        }
    }
    for (int i = 0; i < STATES; i++) sum = crc(sum, count[i]);
    return sum;
}

uint64_t work(uint64_t rounds) {
    uint64_t seed = 1, total = 0;
    for (; rounds; rounds--) total = mix(total, states(matrices(lists(0xffff, &seed), &seed), &seed));
    return total;
}

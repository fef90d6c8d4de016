/* A JSON document is written and parsed into a tree, which is then walked. */
#include "work.h"

enum { TEXT = 24576, VALUES = 4096 };

enum kind { NOTHING, TRUTH, NUMBER, STRING, ARRAY, OBJECT };
struct value {
    enum kind kind;
    uint32_t length; /* of a string */
    struct value *child, *next;
    const char *key;
    union {
        double number;
        const char *string;
        int truth;
    };
};

static char text[TEXT], *end;
static struct value values[VALUES];
static unsigned used;

/* ---- writing ---------------------------------------------------------------------------------------------- */

static void put(const char *s) {
    while (*s) *end++ = *s++;
}

static void put_number(int32_t n) {
    char digits[12];
    int count = 0;
    uint32_t left = n < 0 ? 0u - (uint32_t)n : (uint32_t)n;
    if (n < 0) *end++ = '-';
    do digits[count++] = (char)('0' + left % 10);
    while (left /= 10);
    while (count) *end++ = digits[--count];
}

static void write_record(uint64_t *seed, int number) {
    static const char *const names[] = {"ada", "grace\\u0020h", "edsger", "barbara \\\"b\\\"", "tony\\n"};
    put("{\"id\": ");
    put_number(number);
    put(", \"name\": \"");
    put(names[draw(seed) % 5]);
    put("\", \"score\": ");
    put_number((int32_t)(draw(seed) % 20001) - 10000);
    put(".");
    put_number((int32_t)(draw(seed) % 1000));
    put(draw(seed) % 3 ? "" : "e-2");
    put(",\n  \"active\": ");
    put(draw(seed) & 1 ? "true" : draw(seed) & 1 ? "false" : "null");
    put(", \"tags\": [");
    for (unsigned i = 0, count = draw(seed) % 5; i < count; i++) {
        if (i) put(", ");
        put("\"t");
        put_number((int32_t)(draw(seed) % 100));
        put("\"");
    }
    put("], \"at\": {\"x\": ");
    put_number((int32_t)(draw(seed) % 641));
    put(", \"y\": ");
    put_number(-(int32_t)(draw(seed) % 481));
    put("}}");
}

static void write_document(uint64_t *seed) {
    end = text;
    put("[");
    for (int i = 0; i < 120; i++) {
        if (i) put(",\n ");
        write_record(seed, i);
    }
    put("]");
    *end = 0;
}

/* ---- parsing ---------------------------------------------------------------------------------------------- */

static const char *at;

static void skip(void) {
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
}

static struct value *make(enum kind kind) {
    struct value *v = &values[used++];
    v->kind = kind, v->child = v->next = NULL, v->key = NULL, v->number = 0;
    return v;
}

/* The string in place, its escapes left as they are; its length. */
static uint32_t parse_text(const char **string) {
    const char *start = ++at;
    while (*at != '"') at += *at == '\\' ? 2 : 1;
    *string = start;
    return (uint32_t)(at++ - start);
}

static double digits(double value, int *count) {
    for (; *at >= '0' && *at <= '9'; at++, ++*count) value = value * 10 + (*at - '0');
    return value;
}

static struct value *parse_number(void) {
    struct value *v = make(NUMBER);
    int negative = *at == '-', whole = 0, fraction = 0, power = 0;
    if (negative) at++;
    double value = digits(0, &whole);
    if (*at == '.') {
        at++;
        value = digits(value, &fraction);
    }
    if (*at == 'e') {
        int sign = *++at == '-' ? -1 : 1, count = 0;
        if (*at == '-' || *at == '+') at++;
        power = sign * (int)digits(0, &count);
    }
    for (power -= fraction; power < 0; power++) value /= 10;
    for (; power > 0; power--) value *= 10;
    v->number = negative ? -value : value;
    return v;
}

static struct value *parse(void);

static struct value *parse_members(enum kind kind, char last) {
    struct value *v = make(kind), **link = &v->child;
    for (at++, skip(); *at != last;) {
        const char *key = NULL;
        if (kind == OBJECT) {
            parse_text(&key);
            skip();
            at++; /* the colon */
        }
        *link = parse();
        (*link)->key = key;
        link = &(*link)->next;
        skip();
        if (*at == ',') at++, skip();
    }
    at++;
    return v;
}

static struct value *parse_word(enum kind kind, int truth, int length) {
    struct value *v = make(kind);
    v->truth = truth;
    at += length;
    return v;
}

static struct value *parse(void) {
    skip();
    switch (*at) {
    case '{': return parse_members(OBJECT, '}');
    case '[': return parse_members(ARRAY, ']');
    case 't': return parse_word(TRUTH, 1, 4);
    case 'f': return parse_word(TRUTH, 0, 5);
    case 'n': return parse_word(NOTHING, 0, 4);
    case '"': {
        struct value *v = make(STRING);
        v->length = parse_text(&v->string);
        return v;
    }
    default: return parse_number();
    }
}

static uint64_t walk(const struct value *v, uint64_t total) {
    switch (v->kind) {
    case NOTHING: return mix(total, 7);
    case TRUTH: return mix(total, (uint64_t)v->truth);
    case NUMBER: return mix(total, bits_of(v->number));
    case STRING:
        for (uint32_t i = 0; i < v->length; i++) total = total * 31 + (uint8_t)v->string[i];
        return total;
    default:
        for (const struct value *c = v->child; c; c = c->next) total = walk(c, total + (c->key ? (uint8_t)*c->key : 0));
        return mix(total, v->kind);
    }
}

uint64_t work(uint64_t rounds) {
    uint64_t seed = 4, total = 0;
    for (; rounds; rounds--) {
        write_document(&seed);
        for (int i = 0; i < 4; i++) {
            used = 0, at = text;
            total = walk(parse(), total);
        }
    }
    return total;
}

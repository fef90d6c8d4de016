/* An interpreter of a stack machine that runs a sieve and Fibonacci's recursion: one switch, never predictable. */
#include "work.h"

enum op { PUSH, LOAD, STORE, LOADX, STOREX, ADD, SUB, MUL, LESS, JUMP, JUMPZ, CALL, RETURN, DUP, DROP, HALT };

#define I(op, argument) ((int32_t)((op) | (uint32_t)(argument) << 8))

/* Globals: 0 limit, 1 i, 2 j, 3 count. Flags of the sieve: the array. */
static const int32_t sieve[] = {
    I(PUSH, 2),   I(STORE, 1),                                               /*  0 i = 2 */
    I(LOAD, 1),   I(LOAD, 0),  I(LESS, 0),  I(JUMPZ, 31),                    /*  2 while i < limit */
    I(LOAD, 1),   I(LOADX, 0), I(JUMPZ, 14),                                 /*  6 if a[i] */
    I(LOAD, 1),   I(PUSH, 1),  I(ADD, 0),   I(STORE, 1), I(JUMP, 2),         /*  9 i++, again */
    I(LOAD, 3),   I(PUSH, 1),  I(ADD, 0),   I(STORE, 3),                     /* 14 count++ */
    I(LOAD, 1),   I(LOAD, 1),  I(ADD, 0),   I(STORE, 2),                     /* 18 j = i + i */
    I(LOAD, 2),   I(LOAD, 0),  I(LESS, 0),  I(JUMPZ, 9),                     /* 22 while j < limit */
    I(PUSH, 1),   I(LOAD, 2),  I(STOREX, 0), I(JUMP, 33), I(HALT, 0),        /* 26 a[j] = 1 */
    I(LOAD, 3),   I(HALT, 0),                                                /* 31 the count */
    I(LOAD, 2),   I(LOAD, 1),  I(ADD, 0),   I(STORE, 2), I(JUMP, 22),        /* 33 j += i */
};
/* The argument and the result are on the stack. */
static const int32_t fibonacci[] = {
    I(LOAD, 0), I(CALL, 3), I(HALT, 0),                               /* 0 */
    I(DUP, 0),  I(PUSH, 2), I(LESS, 0), I(JUMPZ, 8), I(RETURN, 0),    /* 3 n < 2: n */
    I(DUP, 0),  I(PUSH, 1), I(SUB, 0),  I(CALL, 3),                   /* 8 n, fib(n - 1) */
    I(STORE, 1), I(PUSH, 2), I(SUB, 0), I(LOAD, 1),                   /* 12 n - 2, fib(n - 1) */
    I(STOREX, 1), I(CALL, 3), I(LOADX, 1), I(ADD, 0), I(RETURN, 0),   /* 16 */
};

enum { CELLS = 4096, DEPTH = 256 };
static int32_t array[CELLS], global[8], stack[DEPTH], saved[DEPTH];
static const int32_t *calls[DEPTH];

/* LOADX and STOREX with argument 0 are the array at the index on the stack, with 1 a stack of its own. */
static int32_t interpret(const int32_t *code) {
    const int32_t *pc = code, **frame = calls;
    int32_t *sp = stack, *kept = saved;
    for (;;) {
        int32_t word = *pc++, argument = word >> 8;
        switch ((enum op)(word & 0xff)) {
        case PUSH: *sp++ = argument; break;
        case LOAD: *sp++ = global[argument]; break;
        case STORE: global[argument] = *--sp; break;
        case LOADX:
            if (argument)
                *sp++ = *--kept;
            else
                sp[-1] = array[sp[-1]];
            break;
        case STOREX:
            if (argument) {
                *kept++ = *--sp;
            } else {
                sp -= 2;
                array[sp[1]] = sp[0];
            }
            break;
        case ADD: sp--, sp[-1] += *sp; break;
        case SUB: sp--, sp[-1] -= *sp; break;
        case MUL: sp--, sp[-1] *= *sp; break;
        case LESS: sp--, sp[-1] = sp[-1] < *sp; break;
        case JUMP: pc = code + argument; break;
        case JUMPZ:
            if (!*--sp) pc = code + argument;
            break;
        case CALL: *frame++ = pc, pc = code + argument; break;
        case RETURN: pc = *--frame; break;
        case DUP: *sp = sp[-1], sp++; break;
        case DROP: sp--; break;
        case HALT: return *--sp;
        }
    }
}

uint64_t work(uint64_t rounds) {
    uint64_t total = 0;
    for (; rounds; rounds--) {
        for (int i = 0; i < CELLS; i++) array[i] = 0;
        for (int i = 0; i < 8; i++) global[i] = 0;
        global[0] = 1000 + (int32_t)(rounds & 63);
        total = mix(total, (uint64_t)interpret(sieve));
        global[0] = 14;
        total = mix(total, (uint64_t)interpret(fibonacci));
    }
    return total;
}

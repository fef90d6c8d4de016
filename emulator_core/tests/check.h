/* Checks of the C tests: a failed one says where and what, and the program goes on and exits with 1;
 * after twenty it gives up. */
#ifndef CVMDBG_TESTS_CHECK_H
#define CVMDBG_TESTS_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int failed_checks;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s: failed: %s\n", __FILE__, __LINE__, __func__, #condition);            \
            if (++failed_checks == 20) abort();                                                              \
        }                                                                                                    \
    } while (0)

static inline int check_status(void) { return failed_checks ? 1 : 0; }

/* Random numbers that are the same in every run (xorshift64*). */
static inline uint64_t random_u64(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d;
}

#endif

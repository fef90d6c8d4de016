/* The product of two matrices of doubles, and a triangular solution. */
#include "work.h"

enum { SIDE = 48 };
static double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE], x[SIDE];

static void multiply(void) {
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            double total = 0;
            for (int k = 0; k < SIDE; k++) total += a[i][k] * b[k][j];
            c[i][j] = total;
        }
}

static void solve(void) {
    for (int i = 0; i < SIDE; i++) {
        double rest = 1;
        for (int j = 0; j < i; j++) rest -= a[i][j] * x[j];
        x[i] = rest / (a[i][i] + 100);
    }
}

uint64_t work(uint64_t rounds) {
    uint64_t seed = 6, total = 0;
    for (; rounds; rounds--) {
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) a[i][j] = draw(&seed) % 1000, b[i][j] = (double)draw(&seed) / 65536;
        multiply();
        solve();
        for (int i = 0; i < SIDE; i++) total = mix(total, bits_of(c[i][i]) ^ bits_of(x[i]));
    }
    return total;
}

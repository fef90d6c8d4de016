/* A fast Fourier transform of 256 complex doubles, there and back. */
#include "work.h"

enum { BITS = 8, POINTS = 1 << BITS };
static double real[POINTS], imaginary[POINTS], cosine[POINTS], sine[POINTS];

/* One turn in steps, from the half angle's series and the sum formulas. */
static void prepare(void) {
    double step = 6.283185307179586 / POINTS, square = step * step;
    double s = step * (1 - square / 6 * (1 - square / 20 * (1 - square / 42)));
    double c = 1 - square / 2 * (1 - square / 12 * (1 - square / 30));
    cosine[0] = 1, sine[0] = 0;
    for (int i = 1; i < POINTS; i++) {
        cosine[i] = cosine[i - 1] * c - sine[i - 1] * s;
        sine[i] = sine[i - 1] * c + cosine[i - 1] * s;
    }
}

static void swap(double *a, double *b) {
    double kept = *a;
    *a = *b;
    *b = kept;
}

static void reorder(void) {
    for (unsigned i = 0, j = 0; i < POINTS; i++) {
        if (i < j) swap(&real[i], &real[j]), swap(&imaginary[i], &imaginary[j]);
        unsigned bit = POINTS / 2;
        for (; j & bit; bit /= 2) j ^= bit;
        j |= bit;
    }
}

static void butterflies(unsigned half, double sign) {
    unsigned stride = POINTS / 2 / half;
    for (unsigned start = 0; start < POINTS; start += 2 * half)
        for (unsigned i = 0; i < half; i++) {
            unsigned p = start + i, q = p + half;
            double c = cosine[i * stride], s = sign * sine[i * stride];
            double r = real[q] * c - imaginary[q] * s, m = real[q] * s + imaginary[q] * c;
            real[q] = real[p] - r, imaginary[q] = imaginary[p] - m;
            real[p] += r, imaginary[p] += m;
        }
}

static void transform(double sign) {
    reorder();
    for (unsigned half = 1; half < POINTS; half *= 2) butterflies(half, sign);
}

uint64_t work(uint64_t rounds) {
    uint64_t seed = 7, total = 0;
    prepare();
    for (; rounds; rounds--) {
        for (int i = 0; i < POINTS; i++) real[i] = (double)(int32_t)draw(&seed) / 1e9, imaginary[i] = 0;
        transform(1);
        total = mix(total, bits_of(real[1]) ^ bits_of(imaginary[POINTS / 3]));
        transform(-1);
        total = mix(total, (uint64_t)(int64_t)(real[5] * 1e6));
    }
    return total;
}

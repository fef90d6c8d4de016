/* Five bodies under gravity: double arithmetic, division and square roots. */
#include "work.h"

enum { BODIES = 5, AXES = 3, STEPS = 100 };

struct body {
    double at[AXES], speed[AXES], mass;
};
static struct body bodies[BODIES];

static void start(uint64_t *seed) {
    for (int i = 0; i < BODIES; i++) {
        for (int k = 0; k < AXES; k++) {
            bodies[i].at[k] = (double)(int32_t)draw(seed) / 1e8;
            bodies[i].speed[k] = (double)(int32_t)(draw(seed) % 2001 - 1000) / 1e3;
        }
        bodies[i].mass = 1.0 + i * 0.5;
    }
}

static void attract(struct body *a, struct body *b, double time) {
    double by[AXES], square = 0.01;
    for (int k = 0; k < AXES; k++) {
        by[k] = a->at[k] - b->at[k];
        square += by[k] * by[k];
    }
    double pull = time / (square * __builtin_sqrt(square));
    for (int k = 0; k < AXES; k++) {
        a->speed[k] -= by[k] * b->mass * pull;
        b->speed[k] += by[k] * a->mass * pull;
    }
}

static void move(double time) {
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) attract(&bodies[i], &bodies[j], time);
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < AXES; k++) bodies[i].at[k] += time * bodies[i].speed[k];
}

uint64_t work(uint64_t rounds) {
    uint64_t seed = 5, total = 0;
    for (; rounds; rounds--) {
        start(&seed);
        for (int i = 0; i < STEPS; i++) move(0.001);
        for (int i = 0; i < BODIES; i++) total = mix(total, bits_of(bodies[i].at[0]) ^ bits_of(bodies[i].speed[1]));
    }
    return total;
}

/* A network with one hidden layer tells two spirals apart. It knows nothing of pbt; pbt.yaml makes it a member.
 *
 *   cc -O2 -o train train.c -lm
 *   ./train --lr 0.03 --momentum 0.9 --steps 200000 --seed 1 [--save DIR] [--load DIR]
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HIDDEN = 24, WEIGHTS = HIDDEN * 4 + 1, POINTS = 2000 };

static uint64_t state; /* of a small random generator, splitmix64 */

static double uniform(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) / (1ull << 53);
}

static double point(double x[2]) { /* on one of two spirals, with some noise; returns which */
    double side = uniform() < 0.5, r = sqrt(uniform()), a = 12 * r + M_PI * side;
    x[0] = r * cos(a) + 0.3 * (uniform() - 0.5);
    x[1] = r * sin(a) + 0.3 * (uniform() - 0.5);
    return side;
}

static double forward(const double *w, const double x[2], double h[HIDDEN]) {
    double z = w[WEIGHTS - 1];
    for (int i = 0; i < HIDDEN; i++) {
        h[i] = tanh(w[4 * i] * x[0] + w[4 * i + 1] * x[1] + w[4 * i + 2]);
        z += w[4 * i + 3] * h[i];
    }
    return 1 / (1 + exp(-z));
}

static void step(double *w, double *v, double lr, double momentum) {
    double x[2], h[HIDDEN], g[WEIGHTS], label = point(x), error = forward(w, x, h) - label;
    for (int i = 0; i < HIDDEN; i++) {
        double back = error * w[4 * i + 3] * (1 - h[i] * h[i]);
        g[4 * i] = back * x[0], g[4 * i + 1] = back * x[1], g[4 * i + 2] = back, g[4 * i + 3] = error * h[i];
    }
    g[WEIGHTS - 1] = error;
    for (int i = 0; i < WEIGHTS; i++) w[i] += v[i] = momentum * v[i] - lr * (1 - momentum) * g[i];
}

static FILE *file(const char *dir, const char *mode) {
    char path[4096];
    snprintf(path, sizeof path, "%s/weights", dir);
    FILE *f = fopen(path, mode);
    return f ? f : (perror(path), exit(1), NULL);
}

int main(int argc, char **argv) {
    double lr = 0.1, momentum = 0.9, steps = 1000, w[2 * WEIGHTS], *v = w + WEIGHTS, x[2], h[HIDDEN], right = 0;
    const char *load = NULL, *save = ".";
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--lr")) lr = atof(value);
        else if (!strcmp(name, "--momentum")) momentum = atof(value);
        else if (!strcmp(name, "--steps")) steps = atof(value);
        else if (!strcmp(name, "--seed")) state = (uint64_t)atoll(value);
        else if (!strcmp(name, "--load")) load = value;
        else if (!strcmp(name, "--save")) save = value;
        else return fprintf(stderr, "%s: unknown option\n", name), 2;
    }
    for (int i = 0; i < WEIGHTS; i++) w[i] = 4 * (uniform() - 0.5), v[i] = 0; /* fresh weights */
    if (load && fread(w, sizeof w, 1, file(load, "rb")) != 1) return fprintf(stderr, "%s: too short\n", load), 1;
    while (steps-- > 0) step(w, v, lr, momentum);
    FILE *out = file(save, "wb");
    if (fwrite(w, sizeof w, 1, out) != 1 || fclose(out)) return perror(save), 1;
    state = 0; /* always the same points */
    for (double label, i = 0; i < POINTS; i++) label = point(x), right += label == (forward(w, x, h) > 0.5);
    printf("accuracy: %.4f\n", right / POINTS);
}

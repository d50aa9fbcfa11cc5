#include "bench.h"

struct closure { double (*function)(const struct closure *self, double x); double k; };

static double add(const struct closure *self, double x) { return x + self->k; }

__attribute__((noinline)) static struct closure *make_adder(double k) {
    struct closure *closure = malloc(sizeof *closure);
    *closure = (struct closure){add, k};
    return closure;
}

static double run(const long *sizes) {
    struct closure *closure = make_adder(0.5);
    double sum = 0;
    for (long i = 0; i < sizes[0]; i++) sum = closure->function(closure, sum);
    free(closure);
    return sum;
}

#include "bench.h"

struct counter;
struct methods { double (*bump)(struct counter *self, double k); };
struct counter { const struct methods *methods; double n; };

static double bump(struct counter *self, double k) {
    self->n += k;
    return self->n;
}

static const struct methods counter_methods = {bump};

// Not inlined, so that the method stays a call through the object.
__attribute__((noinline)) static void init(struct counter *self) {
    self->methods = &counter_methods;
    self->n = 0;
}

static double run(const long *sizes) {
    struct counter counter;
    init(&counter);
    for (long i = 0; i < sizes[0]; i++) counter.methods->bump(&counter, 1);
    return counter.n;
}

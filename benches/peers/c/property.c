#include "bench.h"

struct object { double count; };

static double run(const long *sizes) {
    // Volatile, so that the reads and writes are there.
    volatile struct object object = {0};
    for (long i = 0; i < sizes[0]; i++) object.count = object.count + 1;
    return object.count;
}

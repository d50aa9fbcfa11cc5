#include "bench.h"

static double fib(double n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static double run(const long *sizes) { return fib(sizes[0]); }

#include "bench.h"

static double run(const long *sizes) {
    long n = sizes[0], primes = 0;
    bool *flags = malloc(n + 1);
    memset(flags, true, n + 1);
    for (long i = 2; i * i <= n; i++) {
        if (flags[i]) {
            for (long j = i * i; j <= n; j += i) flags[j] = false;
        }
    }
    for (long i = 2; i <= n; i++) primes += flags[i];
    free(flags);
    return primes;
}

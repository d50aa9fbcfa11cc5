// The harness of the C peers: PROGRAM WARM REPETITIONS SIZE… prints the result of each workload once
// and the nanoseconds (wall, processor) of each timed repetition.
#define _POSIX_C_SOURCE 200809L
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/// The workload: defined by each program.
static double run(const long *sizes);

static long nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

int main(int argc, char **argv) {
    long sizes[8] = {0};
    for (int i = 3; i < argc && i < 11; i++) sizes[i - 3] = atol(argv[i]);
    int warm = argc > 1 ? atoi(argv[1]) : 1, repetitions = argc > 2 ? atoi(argv[2]) : 1;
    // Through a volatile pointer, so that repetitions are not merged.
    double (*volatile workload)(const long *) = run;
    double result = 0;
    for (int i = 0; i < warm; i++) result = workload(sizes);
    for (int i = 0; i < repetitions; i++) {
        long wall = nanoseconds(CLOCK_MONOTONIC), cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
        result = workload(sizes);
        cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        wall = nanoseconds(CLOCK_MONOTONIC) - wall;
        printf("time %ld %ld\n", wall, cpu);
    }
    printf("result %.17g\n", result);
    return 0;
}

#include "bench.h"

static double run(const long *sizes) {
    long n = sizes[0], rounds = 0;
    for (long y = 0; y < n; y++) {
        double ci = 2.0 * y / n - 1.0;
        for (long x = 0; x < n; x++) {
            double cr = 3.0 * x / n - 2.0, zr = 0, zi = 0, zr2 = 0, zi2 = 0;
            int i = 0;
            do {
                zi = zi * zr * 2.0 + ci;
                zr = zr2 - zi2 + cr;
                zr2 = zr * zr;
                zi2 = zi * zi;
                i++;
            } while (i < 50 && zr2 + zi2 <= 4.0);
            rounds += i;
        }
    }
    return rounds;
}

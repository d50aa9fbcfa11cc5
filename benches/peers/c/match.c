#include "bench.h"

enum tag { ADD, SUB, MUL, DIV, FROM, LEAST, MOST, HALF };
struct order { enum tag tag; double x; };

__attribute__((noinline)) static double step(const struct order *order, double state) {
    double x = order->x;
    switch (order->tag) {
    case ADD: return state + x;
    case SUB: return state - x;
    case MUL: return state * x;
    case DIV: return state / x;
    case FROM: return x - state;
    case LEAST: return state < x ? state : x;
    case MOST: return state > x ? state : x;
    case HALF: return state * 0.5 + x;
    default: return state;
    }
}

static double run(const long *sizes) {
    static const struct order orders[] = {{ADD, 3}, {SUB, 1}, {MUL, 2}, {DIV, 4}, {FROM, 10}, {LEAST, 100}, {MOST, -100}, {HALF, 1}};
    double state = 0;
    for (long i = 0; i < sizes[0]; i++) {
        for (int j = 0; j < 8; j++) state = step(&orders[j], state);
    }
    return state;
}

#include "bench.h"

struct shape { double (*const *methods)(const struct shape *self, double x); };
struct square { struct shape shape; double side; };
struct rectangle { struct shape shape; double width, height; };
struct triangle { struct shape shape; double base, height; };
struct circle { struct shape shape; double radius; };
typedef double (*area)(const struct shape *self, double x);

static double square_area(const struct shape *shape, double x) {
    const struct square *self = (const struct square *)shape;
    return self->side * self->side + x;
}
static double rectangle_area(const struct shape *shape, double x) {
    const struct rectangle *self = (const struct rectangle *)shape;
    return self->width * self->height + x;
}
static double triangle_area(const struct shape *shape, double x) {
    const struct triangle *self = (const struct triangle *)shape;
    return self->base * self->height * 0.5 + x;
}
static double circle_area(const struct shape *shape, double x) {
    const struct circle *self = (const struct circle *)shape;
    return self->radius * self->radius * 3 + x;
}

static const area squares[] = {square_area}, rectangles[] = {rectangle_area};
static const area triangles[] = {triangle_area}, circles[] = {circle_area};

__attribute__((noinline)) static double sum_areas(struct shape **shapes, long n) {
    double sum = 0;
    for (long i = 0; i < n; i++) {
        for (int j = 0; j < 4; j++) sum += shapes[j]->methods[0](shapes[j], i);
    }
    return sum;
}

static double run(const long *sizes) {
    struct square square = {{squares}, 2};
    struct rectangle rectangle = {{rectangles}, 3, 4};
    struct triangle triangle = {{triangles}, 5, 6};
    struct circle circle = {{circles}, 7};
    struct shape *shapes[] = {&square.shape, &rectangle.shape, &triangle.shape, &circle.shape};
    return sum_areas(shapes, sizes[0]);
}

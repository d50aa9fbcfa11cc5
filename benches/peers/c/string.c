#include "bench.h"

struct text { char *bytes; size_t length, capacity; };

static void append(struct text *text, const char *piece, size_t length) {
    if (text->length + length > text->capacity) {
        text->capacity = 2 * (text->length + length);
        text->bytes = realloc(text->bytes, text->capacity);
    }
    memcpy(text->bytes + text->length, piece, length);
    text->length += length;
}

// The text's length: it is not known when compiling.
static const char *volatile piece = "ion";

static double run(const long *sizes) {
    const char *t = piece;
    size_t length = strlen(t);
    struct text s = {0}, expected = {malloc(sizes[0] * length), 0, sizes[0] * length};
    for (long i = 0; i < sizes[0]; i++) append(&s, t, length);
    for (long i = 0; i < sizes[0]; i++) append(&expected, t, length);
    double result = memcmp(s.bytes, expected.bytes, s.length) == 0 ? s.length : 0;
    free(s.bytes);
    free(expected.bytes);
    return result;
}

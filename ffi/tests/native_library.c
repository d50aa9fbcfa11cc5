/* A native library for the tests: see native_library.rs. */
#include "ion_native.h"
#include <string.h>

static const ion_api *ion;

static void add(ion_call *call, void *data) {
    ion_value a = ion->argument(call, 0), b = ion->argument(call, 1);
    if (ion->kind(call, a) != ION_NUMBER || ion->kind(call, b) != ION_NUMBER) {
        const char *text = "two numbers are needed";
        ion->fail(call, text, strlen(text));
        return;
    }
    double offset = *(double *)data;
    ion->give(call, ion->make_number(call, ion->number(call, a) + ion->number(call, b) + offset));
}

/* The elements of an array in reverse order, in a tuple with the text of the second argument. */
static void turn(ion_call *call, void *data) {
    (void)data;
    ion_value array = ion->argument(call, 0), turned[16];
    size_t count = ion->length(call, array), length = 0;
    if (count > 16) count = 16;
    for (size_t i = 0; i < count; i++) turned[i] = ion->element(call, array, count - 1 - i);
    const char *text = ion->text(call, ion->argument(call, 1), &length);
    ion_value parts[3] = {
        ion->make_array(call, turned, count),
        ion->make_string(call, text, length),
        ion->make_atom(call, "done", 4),
    };
    ion->give(call, ion->make_tuple(call, parts, 3));
}

static double offset = 0.5;

int ion_library(const ion_api *api, ion_registry *registry) {
    if (api->abi != ION_NATIVE_ABI || api->size < sizeof(ion_api)) return 1;
    ion = api;
    if (api->add(registry, "Test.add", 2, 2, add, &offset)) return 2;
    if (api->add(registry, "Test.turn", 1, 2, turn, 0)) return 3;
    return 0;
}

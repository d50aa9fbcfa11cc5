/* Native libraries of IonVM packages.
 *
 * A library exports one function:
 *
 *     int ion_library(const ion_api *api, ion_registry *registry);
 *
 * It checks `api->abi`, adds its functions with `api->add`, and returns 0; any other number refuses the
 * library. It needs to link with nothing: everything it may call is in `ion_api`, which stays valid for
 * ever.
 *
 * Functions run on the machine's own threads, several at a time: they must not keep anything of a call,
 * must not wait, and must synchronise what they share. A value (`ion_value`) is valid until the function
 * returns. Texts are UTF-8, need no terminator, and are valid as long as their value.
 *
 * A function that gives no result gives Unit.
 */
#ifndef ION_NATIVE_H
#define ION_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. Later versions of one number only add members at the end of `ion_api`. */
#define ION_NATIVE_ABI 1

/* What a value is. */
typedef enum ion_kind {
    ION_UNDEFINED = 0,
    ION_UNIT = 1,
    ION_BOOLEAN = 2,
    ION_NUMBER = 3,
    ION_ATOM = 4,
    ION_STRING = 5,
    ION_COMPLEX = 6,
    ION_TUPLE = 7,
    ION_ARRAY = 8,
    ION_OBJECT = 9,
    ION_FUNCTION = 10,
    ION_PROCESS = 11
} ion_kind;

/* A value of the running call. Its number means nothing. */
typedef uint64_t ion_value;

/* One call of a function. */
typedef struct ion_call ion_call;

/* Where a library adds its functions. */
typedef struct ion_registry ion_registry;

/* A function; `data` is what it was added with. */
typedef void (*ion_function)(ion_call *call, void *data);

typedef struct ion_api {
    /* ION_NATIVE_ABI of the machine, and the size of this structure in bytes. */
    uint32_t abi;
    uint32_t size;

    /* Adds a function that programs call as `name` ("Module.name"). It takes `least` to `most` arguments;
     * calls with others fail before they get here. Returns 0, or -1 if the name is not UTF-8. */
    int (*add)(ion_registry *registry, const char *name, uint32_t least, uint32_t most,
               ion_function function, void *data);

    /* Arguments. */
    size_t (*count)(ion_call *call);
    ion_value (*argument)(ion_call *call, size_t index); /* Undefined beyond the end */

    /* Looking at values. Those of another kind give 0, NaN, or an empty text. */
    ion_kind (*kind)(ion_call *call, ion_value value);
    double (*number)(ion_call *call, ion_value value);
    int (*boolean)(ion_call *call, ion_value value);
    const char *(*text)(ion_call *call, ion_value value, size_t *length); /* String or Atom */
    size_t (*length)(ion_call *call, ion_value value);                    /* Tuple or Array */
    ion_value (*element)(ion_call *call, ion_value value, size_t index);

    /* Making values. */
    ion_value (*make_undefined)(ion_call *call);
    ion_value (*make_unit)(ion_call *call);
    ion_value (*make_boolean)(ion_call *call, int boolean);
    ion_value (*make_number)(ion_call *call, double number);
    ion_value (*make_atom)(ion_call *call, const char *text, size_t length);
    ion_value (*make_string)(ion_call *call, const char *text, size_t length);
    ion_value (*make_tuple)(ion_call *call, const ion_value *elements, size_t count);
    ion_value (*make_array)(ion_call *call, const ion_value *elements, size_t count);

    /* The result, or an error instead. The last of these counts. */
    void (*give)(ion_call *call, ion_value value);
    void (*fail)(ion_call *call, const char *text, size_t length);
} ion_api;

/* What a library exports. */
typedef int (*ion_library_function)(const ion_api *api, ion_registry *registry);

#ifdef __cplusplus
}
#endif

#endif

/* IonVM in C programs: machines, processes, messages.
 *
 * Link with the library `ion` (shared or static). Native libraries of packages need ion_native.h instead.
 *
 * Handles. An `ion_vm` is a running machine, an `ion_term` a value outside of it. Each is freed by the
 * function named after it, once; NULL is ignored. Functions that take terms only look at them, unless they
 * say that they take them over.
 *
 * Threads. Every function may be called on any thread. One term must not be used by two threads at a time.
 * Functions that wait say so.
 *
 * Errors. Functions that can fail return an `ion_status`, or NULL; `ion_error` then says why, in a text
 * that stays valid until the next call of this library on the same thread.
 *
 * Texts are UTF-8. Those that go in are given with a length, or end with 0 where there is none; those that
 * come out are not terminated.
 */
#ifndef ION_H
#define ION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface: see ion_abi. */
#define ION_ABI 1

typedef struct ion_vm ion_vm;
typedef struct ion_term ion_term;

/* A process. 0 is none. */
typedef uint64_t ion_pid;

typedef enum ion_status {
    ION_OK = 0,
    ION_TIMEOUT = 1, /* the time was over */
    ION_EXIT = 2,    /* the process ended before it answered */
    ION_STOPPED = 3, /* the machine was stopped */
    ION_FAILED = 4   /* anything else: wrong arguments, no such function, … */
} ion_status;

typedef enum ion_term_kind {
    ION_TERM_UNDEFINED = 0,
    ION_TERM_UNIT = 1,
    ION_TERM_BOOLEAN = 2,
    ION_TERM_NUMBER = 3,
    ION_TERM_ATOM = 4,
    ION_TERM_STRING = 5,
    ION_TERM_COMPLEX = 6,
    ION_TERM_TUPLE = 7,
    ION_TERM_ARRAY = 8,
    ION_TERM_OBJECT = 9,
    ION_TERM_FUNCTION = 10,
    ION_TERM_PROCESS = 11
} ion_term_kind;

/* Settings; all 0 is the default. */
typedef struct ion_options {
    uint32_t size;           /* sizeof(ion_options) */
    uint32_t interpret;      /* 1: never compile */
    uint32_t schedulers;     /* threads that run processes; 0: as many as cores */
    uint32_t capture_output; /* 1: keep what programs print, for ion_vm_output */
    uint64_t max_heap;       /* bytes that one process may keep; 0: the default */
    uint64_t max_processes;  /* 0: the default */
} ion_options;

/* No time limit. */
#define ION_FOREVER (-1.0)

/* ION_ABI of the library. */
uint32_t ion_abi(void);
/* Why the last call on this thread failed. */
const char *ion_error(size_t *length);

/* Machines. `options` may be NULL. */
ion_vm *ion_vm_load_path(const char *path, const ion_options *options);
ion_vm *ion_vm_load_bytes(const void *bytes, size_t length, const ion_options *options);
/* Stops the machine, waits for its threads, and frees it. */
void ion_vm_free(ion_vm *vm);

/* Runs the entry point without arguments, or calls a function ("CLASS:NAME" or "NAME"), in a process of
 * its own; waits for the result, at most so many seconds. */
ion_status ion_vm_run(ion_vm *vm, double seconds, ion_term **result);
ion_status ion_vm_call(ion_vm *vm, const char *function, const ion_term *const *args, size_t count,
                       double seconds, ion_term **result);
/* Starts a process; 0 if that fails. */
ion_pid ion_vm_spawn(ion_vm *vm, const char *function, const ion_term *const *args, size_t count);
/* Sends a message. A process that has ended gets nothing, which is no error. */
ion_status ion_vm_send(ion_vm *vm, ion_pid to, const ion_term *message);
/* Waits for the next message to ion_vm_pid. */
ion_status ion_vm_receive(ion_vm *vm, double seconds, ion_term **message);
/* Sends `(:ask, from, message)` and waits for the answer: the next message to `from`. */
ion_status ion_vm_ask(ion_vm *vm, ion_pid to, const ion_term *message, double seconds,
                      ion_term **answer);
/* Waits for the end of a process; gives the reason. */
ion_status ion_vm_wait(ion_vm *vm, ion_pid pid, double seconds, ion_term **reason);
void ion_vm_kill(ion_vm *vm, ion_pid pid);
/* The process by which the host sends and receives. */
ion_pid ion_vm_pid(ion_vm *vm);
/* What programs have printed so far, as a String, if output is captured. */
ion_term *ion_vm_output(ion_vm *vm);

/* Making terms. Tuples and arrays take their parts over, also if they fail. */
ion_term *ion_undefined(void);
ion_term *ion_unit(void);
ion_term *ion_boolean(int boolean);
ion_term *ion_number(double number);
ion_term *ion_atom(const char *text, size_t length);
ion_term *ion_string(const char *text, size_t length);
ion_term *ion_process(ion_pid pid);
ion_term *ion_tuple(ion_term *const *parts, size_t count);
ion_term *ion_array(ion_term *const *parts, size_t count);
void ion_term_free(ion_term *term);

/* Looking at terms. Those of another kind give 0, NaN, NULL. */
ion_term_kind ion_term_kind_of(const ion_term *term);
int ion_term_boolean(const ion_term *term);
double ion_term_number(const ion_term *term);
ion_pid ion_term_process(const ion_term *term);
/* The text of a String or Atom, or the name of a Function; valid as long as the term. */
const char *ion_term_text(const ion_term *term, size_t *length);
/* The elements of a Tuple or Array, and the properties of an Object, belong to it. */
size_t ion_term_length(const ion_term *term);
const ion_term *ion_term_element(const ion_term *term, size_t index);
const char *ion_term_key(const ion_term *term, size_t index, size_t *length);
/* A new String: the term as PrintLn writes it. */
ion_term *ion_term_show(const ion_term *term);

#ifdef __cplusplus
}
#endif

#endif

/* A host in C: see host.rs. Prints what it sees; returns 0 if all is as it should be. */
#include "ion.h"
#include <stdio.h>
#include <string.h>

static int failures;

static void check(int good, const char *what) {
    if (!good) {
        size_t length;
        const char *error = ion_error(&length);
        printf("FAILED: %s (%.*s)\n", what, (int)length, error);
        failures++;
    }
}

static int shows(ion_term *term, const char *expected) {
    size_t length = 0;
    ion_term *text = ion_term_show(term);
    const char *found = ion_term_text(text, &length);
    int same = found && length == strlen(expected) && memcmp(found, expected, length) == 0;
    if (!same) printf("%.*s instead of %s\n", (int)length, found ? found : "", expected);
    ion_term_free(text);
    ion_term_free(term);
    return same;
}

int main(int count, char **args) {
    if (count != 2) return 2;
    check(ion_abi() == ION_ABI, "abi");
    for (int interpret = 0; interpret < 2; interpret++) {
        ion_options options = {0};
        options.size = sizeof options;
        options.interpret = interpret;
        options.schedulers = 1;
        options.capture_output = 1;
        ion_vm *vm = ion_vm_load_path(args[1], &options);
        check(vm != NULL, "load");
        if (!vm) return 1;

        ion_term *result = NULL;
        check(ion_vm_run(vm, 10, &result) == ION_OK && shows(result, "42"), "run");

        ion_term *a = ion_number(1), *b = ion_number(2);
        const ion_term *list[] = {a, b};
        check(ion_vm_call(vm, "add", list, 2, 10, &result) == ION_OK, "call");
        check(ion_term_kind_of(result) == ION_TERM_NUMBER && ion_term_number(result) == 3, "sum");
        ion_term_free(result);
        check(ion_vm_call(vm, "none", NULL, 0, 10, &result) == ION_FAILED, "no function");
        check(ion_vm_call(vm, "fail", list, 1, 10, &result) == ION_EXIT, "crash");
        check(ion_vm_call(vm, "spin", NULL, 0, 0.02, &result) == ION_TIMEOUT, "timeout");

        ion_term *parts[] = {ion_atom("ok", 2), ion_string("text", 4), ion_process(ion_vm_pid(vm))};
        ion_term *tuple = ion_tuple(parts, 3);
        const ion_term *one[] = {tuple};
        check(ion_vm_call(vm, "same", one, 1, 10, &result) == ION_OK, "same");
        check(ion_term_length(result) == 3 && ion_term_process(ion_term_element(result, 2)) == ion_vm_pid(vm), "parts");
        check(shows(result, "(ok, text, [Process])"), "tuple");

        ion_pid echo = ion_vm_spawn(vm, "echo", NULL, 0);
        check(echo != 0, "spawn");
        for (int i = 0; i < 1000; i++) {
            check(ion_vm_ask(vm, echo, tuple, 10, &result) == ION_OK, "ask");
            ion_term_free(result);
        }
        ion_term *message_parts[] = {ion_undefined(), ion_process(ion_vm_pid(vm)), ion_number(7)};
        ion_term *message = ion_array(message_parts, 3);
        check(ion_vm_send(vm, echo, message) == ION_OK, "send");
        check(ion_vm_receive(vm, 10, &result) == ION_OK && shows(result, "7"), "receive");
        check(ion_vm_receive(vm, 0, &result) == ION_TIMEOUT, "nothing");
        ion_vm_kill(vm, echo);
        check(ion_vm_wait(vm, echo, 10, &result) == ION_OK, "wait");
        ion_term_free(result);
        check(ion_vm_ask(vm, echo, a, 10, &result) == ION_EXIT, "ended");

        check(ion_vm_call(vm, "say", list, 1, 10, NULL) == ION_OK, "say");
        check(shows(ion_vm_output(vm), "1\n"), "output");
        ion_term_free(message);
        ion_term_free(tuple);
        ion_term_free(a);
        ion_term_free(b);
        ion_vm_free(vm);
    }
    check(ion_vm_load_path("/does/not/exist", NULL) == NULL, "no file");
    check(ion_vm_load_bytes("nothing", 7, NULL) == NULL, "no package");
    check(ion_string("\xff", 1) == NULL, "not UTF-8");
    check(ion_vm_call(NULL, "x", NULL, 0, 1, NULL) == ION_FAILED, "no machine");
    ion_term_free(NULL);
    ion_vm_free(NULL);
    printf("done\n");
    return failures != 0;
}

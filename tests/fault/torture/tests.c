/* SPDX-License-Identifier: Apache-2.0 */
/* What is different where the program under torture is a test of cmocka, or was built with the sanitizer of addresses.
 * Read torture.h first.
 *
 * A test whose expectation does not hold once a call has failed is no finding, and what it would do from there on
 * proves nothing: cmocka jumps out of it over threads and memory that are still in use. So it ends there, by
 * CMOCKA_TEST_ABORT, which makes cmocka abort. All that the test holds is still on its stack then: what the sanitizer
 * cannot reach any more, the failed call has lost. */
#define _GNU_SOURCE
#include "torture.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void cmocka_set_test_filter(const char *pattern) __attribute__((weak));
extern void __asan_init(void) __attribute__((weak));
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

void
torture_test(const char *name)
{
    if (name && cmocka_set_test_filter) {
        cmocka_set_test_filter(name);
    }
}

bool
torture_sanitized(void)
{
    return __asan_init;
}

/* Exit code 1: an expectation does not hold. */
static void
end_test(void)
{
    if (torture_failed() && __lsan_do_recoverable_leak_check) {
        (void)__lsan_do_recoverable_leak_check();
    }
    _exit(1);
}

void
abort(void)
{
    static void (*real)(void);
    Dl_info info;
    if (dladdr(__builtin_return_address(0), &info) && info.dli_fname && strstr(info.dli_fname, "libcmocka")) {
        end_test();
    }
    real = (void (*)(void))dlsym(RTLD_NEXT, "abort");
    real();
    _exit(1);
}

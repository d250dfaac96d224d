/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with the headers it wants before it, and a text that is not there fails a test as a wrong one does. */
#ifndef SUPPORT_CM_H
#define SUPPORT_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static inline const char *
cm_text(const char *text)
{
    return text ? text : "(NULL, no text)";
}
#undef assert_string_equal
#define assert_string_equal(a, b) _assert_string_equal(cm_text(a), cm_text(b), __FILE__, __LINE__)
#undef assert_memory_equal
#define assert_memory_equal(a, b, size)                                                            \
    do {                                                                                           \
        const void *cm_a = (a), *cm_b = (b);                                                       \
        assert_true((cm_a && cm_b) || (size) == 0);                                                \
        if (size) {                                                                                \
            _assert_memory_equal(cm_a, cm_b, (size), __FILE__, __LINE__);                          \
        }                                                                                          \
    } while (0)

#endif

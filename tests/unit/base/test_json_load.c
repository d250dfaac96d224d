/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, JSON that is read while memory ends writes where it must not, or stops the host. */
#include "../../support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_load.h"
#include "base/str.h"

#define GUARD 32

static int64_t left; /* allocations until one fails; 0: none does */
static bool forever;
static int live, asked;

struct head {
    size_t size;
    size_t reserved;
};

/* With a guard behind, which nobody may write to. */
static void *
get(size_t size)
{
    asked++;
    if (left && --left == 0) {
        left = forever;
        return NULL;
    }
    struct head *head = malloc(sizeof *head + size + GUARD);
    assert_non_null(head);
    head->size = size;
    memset((char *)(head + 1) + size, 0x5a, GUARD);
    live++;
    return head + 1;
}

static void
give(void *memory)
{
    struct head *head = memory ? (struct head *)memory - 1 : NULL;
    for (size_t i = 0; head && i < GUARD; i++) {
        assert_int_equal(((unsigned char *)memory)[head->size + i], 0x5a);
    }
    live -= head != NULL;
    free(head);
}

/* All points of one text. */
static void
each_point(const char *text)
{
    json_error_t fault;
    bool memory = false;
    asked = 0;
    json_decref(vh_json_load(vh_str(text), JSON_DECODE_ANY, &fault, &memory));
    int count = asked;
    assert_false(memory);
    for (int i = 0; i < 2 * count; i++) {
        left = i / 2 + 1;
        forever = i % 2;
        json_t *root = vh_json_load(vh_str(text), JSON_DECODE_ANY, &fault, &memory);
        left = 0;
        assert_true(memory || root);
        json_decref(root);
        assert_int_equal(live, 0);
    }
}

static void
texts_of_each_length(void **state)
{
    (void)state;
    static const char *const bytes[] = { "x", "\\n", "\\u00e4", "\xc3\xa4" };
    char text[700];
    for (int i = 0; i < 4; i++) {
        for (int len = 0; len < 70; len++) {
            size_t at = (size_t)snprintf(text, sizeof text, "{\"k\":[1,\"");
            for (int n = 0; n < len; n++) {
                at += (size_t)snprintf(text + at, sizeof text - at, "%s", bytes[i]);
            }
            (void)snprintf(text + at, sizeof text - at, "\",12345678901234567,{\"a\":true}]}");
            each_point(text);
        }
    }
}

static int
set_up(void **state)
{
    (void)state;
    json_object_seed(1);
    json_set_alloc_funcs(get, give);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_each_length),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

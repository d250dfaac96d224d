/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, two texts could be one record, or a hostile document could take memory out of proportion. The seed is
 * fixed, so a failure is repeatable; VIV_FUZZ_ROUNDS makes a longer run. */
#include "../../support/cm.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

static uint64_t seed;

/* xorshift64*: enough for choosing bytes, the same on every machine. */
static uint32_t
draw(uint32_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * UINT64_C(2685821657736338717)) >> 33) % below;
}

static long
rounds(long usual)
{
    const char *text = getenv("VIV_FUZZ_ROUNDS");
    return text ? strtol(text, NULL, 10) : usual;
}

static struct viv_str
any_text(struct vh_arena *arena)
{
    static const char *const pieces[] = { "a", "key", "\"", "\\", "\n", "\t", "\x01", "\x1f", "\x7f", "/", "\xc3\xa4",
                                          "\xe2\x82\xac", "\xf0\x9f\x8c\xb1", " ", "\r", "\b", "\f", "\x0b" };
    struct vh_buf buf;
    vh_buf_init(&buf, arena, 1000);
    for (uint32_t i = draw(6); i > 0; i--) {
        vh_buf_text(&buf, pieces[draw(sizeof pieces / sizeof *pieces)]);
    }
    if (draw(20) == 0) {
        vh_buf_char(&buf, '\0');
    }
    return vh_buf_view(&buf);
}

static struct vh_json *
any_value(struct vh_arena *arena, uint32_t depth)
{
    switch (draw(depth ? 4 : 2)) {
    case 0:
        return vh_json_integer(arena, (int64_t)draw(2) * VH_JSON_INTEGER_MAX - (int64_t)draw(1000));
    case 1:
        return vh_json_string(arena, any_text(arena));
    case 2: {
        struct vh_json *array = vh_json_array(arena);
        for (uint32_t i = draw(5); i > 0; i--) {
            vh_json_push(array, any_value(arena, depth - 1));
        }
        return array;
    }
    default: {
        struct vh_json *object = vh_json_object(arena);
        for (uint32_t i = draw(5); i > 0; i--) {
            vh_json_set(object, vh_arena_text_of(arena, any_text(arena)), any_value(arena, depth - 1));
        }
        return object;
    }
    }
}

/* Without a tree the verdict is the same, but for a key with an escape, which needs memory to be compared. */
static void
looking_alone_says_the_same(struct vh_arena *arena, struct viv_str text)
{
    struct vh_buf buf;
    struct vh_json *value = NULL;
    vh_buf_init(&buf, arena, 1 << 20);
    vh_buf_text(&buf, "{\"a\":");
    vh_buf_str(&buf, text);
    vh_buf_char(&buf, '}');
    struct vh_json_reader r = { .end = buf.data + buf.len };
    bool looked = vh_json_take_object(&r, buf.data, 0, NULL) == r.end;
    bool read = vh_json_read(arena, vh_buf_view(&buf), &value, NULL) == VIV_OK;
    assert_true(read || !looked);
    assert_true(looked || !read || memchr(text.data, '\\', (size_t)text.len));
}

/* The property: what the strict reader takes is printed as the very same bytes. Returns whether it was taken. */
static bool
taken_means_the_same_bytes(struct vh_arena *arena, struct viv_str text)
{
    struct vh_json *value = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    looking_alone_says_the_same(arena, text);
    if (vh_json_read(arena, text, &value, &err)) {
        assert_null(value);
        assert_int_equal(err.status, VIV_E_CORRUPT);
        return false;
    }
    assert_true(vh_str_equal(vh_json_print(arena, value), text));
    struct vh_json *twin = vh_json_clone(arena, value);
    assert_true(vh_str_equal(vh_json_print(arena, twin), text));
    struct vh_json *imported = NULL;
    assert_int_equal(vh_json_import(arena, text, &imported, &err), VIV_OK);
    return true;
}

static void
random_bytes_are_never_taken_for_something_else(void **state)
{
    (void)state;
    static const char alphabet[] = "{}[]\":,\\0123456789-abnrtfu \n\xc3\xa4\xff";
    seed = UINT64_C(0x9e3779b97f4a7c15);
    for (long round = rounds(30000); round > 0; round--) {
        struct vh_arena *arena = vh_arena_create(NULL, 1 << 20);
        char bytes[64];
        uint32_t len = draw(sizeof bytes);
        for (uint32_t i = 0; i < len; i++) {
            bytes[i] = draw(4) ? alphabet[draw(sizeof alphabet)] : (char)draw(256);
        }
        char *exact = malloc(len ? len : 1); /* of exactly this size, so that a sanitizer sees a step too far */
        memcpy(exact, bytes, len);
        (void)taken_means_the_same_bytes(arena, (struct viv_str){ exact, len });
        free(exact);
        vh_arena_destroy(arena);
    }
}

static void
mutated_documents_are_refused_or_the_same(void **state)
{
    (void)state;
    seed = UINT64_C(0x2545f4914f6cdd1d);
    long taken = 0, refused = 0;
    for (long round = rounds(10000); round > 0; round--) {
        struct vh_arena *arena = vh_arena_create(NULL, 1 << 20);
        struct viv_str text = vh_json_print(arena, any_value(arena, 4));
        assert_non_null(text.data);
        if (!memchr(text.data, 0, (size_t)text.len) && !strstr(text.data, "\\u0000")) {
            assert_true(taken_means_the_same_bytes(arena, text));
        }
        char *bytes = malloc((size_t)text.len + 1);
        memcpy(bytes, text.data, (size_t)text.len);
        size_t len = (size_t)text.len;
        for (uint32_t i = draw(3) + 1; i > 0 && len; i--) {
            size_t at = draw((uint32_t)len);
            switch (draw(3)) {
            case 0:
                bytes[at] = (char)draw(256);
                break;
            case 1:
                memmove(bytes + at, bytes + at + 1, len - at - 1);
                len--;
                break;
            default:
                bytes[at] = bytes[draw((uint32_t)len)];
                break;
            }
        }
        struct vh_json *value = NULL;
        if (vh_json_read(arena, (struct viv_str){ bytes, len }, &value, NULL) == VIV_OK) {
            struct viv_str again = vh_json_print(arena, value);
            assert_int_equal(again.len, len);
            assert_memory_equal(again.data, bytes, len);
            taken++;
        } else {
            refused++;
        }
        free(bytes);
        vh_arena_destroy(arena);
    }
    assert_true(taken > 100 && refused > 100); /* the mutations reach both sides */
}

/* 20,000 strings with an escape each once took memory with the square of the document. */
static void
memory_is_in_proportion_to_the_document(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *array = vh_json_array(arena);
    for (size_t i = 0; i < 20000; i++) {
        vh_json_push(array, vh_json_string(arena, VH_STR("line\n")));
    }
    struct viv_str text = vh_json_print(arena, array);
    struct vh_arena *small = vh_arena_create(NULL, (size_t)text.len * 32);
    struct vh_json *value = NULL;
    assert_int_equal(vh_json_read(small, text, &value, NULL), VIV_OK);
    vh_arena_destroy(small);
    vh_arena_destroy(arena);
}

static void
what_is_not_utf8_is_never_written(void **state)
{
    (void)state;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *object = vh_json_object(arena);
    vh_json_set_int(arena, object, "\xff.txt", 1);
    assert_null(vh_json_print(arena, object).data);
    object = vh_json_object(arena);
    vh_json_set_text(arena, object, "name", "\xff.txt");
    assert_null(vh_json_print(arena, object).data);
    object = vh_json_object(arena);
    vh_json_set_int(arena, object, "n", VH_JSON_INTEGER_MAX + 1);
    assert_null(vh_json_print(arena, object).data);
    vh_arena_destroy(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_are_never_taken_for_something_else),
        cmocka_unit_test(mutated_documents_are_refused_or_the_same),
        cmocka_unit_test(memory_is_in_proportion_to_the_document),
        cmocka_unit_test(what_is_not_utf8_is_never_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

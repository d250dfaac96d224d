/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, files are found under wrong names, two names look the same, or digests are wrong. */
#include "../../support/cm.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "kit_fake.h"

static struct kit_fake fake;

static void
patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        uint32_t fits;
    } rows[] = {
        { "*", "", 1 },
        { "*", "a", 1 },
        { "", "", 1 },
        { "", "a", 0 },
        { "a", "a", 1 },
        { "a", "b", 0 },
        { "a", "ab", 0 },
        { "?", "a", 1 },
        { "?", "", 0 },
        { "*.c", "a.c", 1 },
        { "*.c", ".c", 1 },
        { "*.c", "a.cc", 0 },
        { "a*b*c", "aXbXbXc", 1 },
        { "a*b*c", "acb", 0 },
        { "[abc]", "b", 1 },
        { "[a-c]x", "bx", 1 },
        { "[!a-c]", "b", 0 },
        { "[!a-c]", "d", 1 },
        { "[^a]", "b", 1 },
        { "[]]", "]", 1 },
        { "[a", "[a", 1 },
        { "[", "[", 1 },
        { "[]", "[]", 1 },
        { "[a-]", "-", 1 },
        { "\\*", "*", 1 },
        { "\\*", "a", 0 },
        { "**a", "bca", 1 },
        { "*a*", "bab", 1 },
        { "a**", "a", 1 },
        { "\\", "\\", 1 },
        { "*[0-9]", "a1b2", 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (viv_kit_glob(viv_kit_str(rows[i].pattern), viv_kit_str(rows[i].name)) != rows[i].fits) {
            fail_msg("'%s' on '%s'", rows[i].pattern, rows[i].name);
        }
    }
    char pattern[256], name[256];
    for (int i = 0; i < 254; i += 2) {
        memcpy(pattern + i, "*a", 2);
    }
    memset(name, 'a', 255);
    name[254] = 'b';
    assert_int_equal(viv_kit_glob((struct viv_str){ pattern, 254 }, (struct viv_str){ name, 255 }), 0);
}

static void
names_are_escaped_and_had_back(void **state)
{
    (void)state;
    char bytes[512];
    for (uint32_t seed = 1; seed < 500; seed++) {
        uint32_t random = seed * 2654435761u;
        uint64_t len = seed % 40;
        for (uint64_t i = 0; i < len; i++) {
            random = random * 1664525u + 1013904223u;
            bytes[i] = (char)(random >> 24);
        }
        struct viv_kit_memory memory = viv_kit_memory_of(kit_fake_call(&fake, false));
        struct viv_kit_buf buf;
        viv_kit_buf_init(&buf, memory, 4096);
        viv_kit_path_escape(&buf, (struct viv_str){ bytes, len });
        struct viv_str escaped = { buf.data, buf.len };
        for (uint64_t i = 0; i < escaped.len;) {
            uint32_t width = viv_kit_utf8((struct viv_str){ escaped.data + i, escaped.len - i });
            assert_true(width > 0 && (unsigned char)escaped.data[i] >= 0x20 && escaped.data[i] != 0x7f);
            i += width;
        }
        struct viv_str back = viv_kit_path_unescape(memory, escaped);
        assert_int_equal(viv_kit_compare(back, (struct viv_str){ bytes, len }), 0);
    }
    static const char *const bad[] = { "%", "%4", "%4g", "a%", "%zz", "%0a" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(viv_kit_path_unescape(viv_kit_memory_of(&fake.call), viv_kit_str(bad[i])).data);
    }
}

static void
parts_of_paths(void **state)
{
    (void)state;
    assert_true(viv_kit_is(viv_kit_base_name(viv_kit_str("a/b.c")), "b.c"));
    assert_true(viv_kit_is(viv_kit_extension(viv_kit_str("a.b/c.tar.gz")), "gz"));
    assert_true(viv_kit_is(viv_kit_extension(viv_kit_str("a.b/c")), ""));
    assert_true(viv_kit_is(viv_kit_extension(viv_kit_str(".gitignore")), ""));
    assert_true(viv_kit_is(viv_kit_extension(viv_kit_str("a.")), ""));
    static const char *const unsafe[] = { "/", "/a", "..", "../a", "a/..", "a/../b", "a//../b" };
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++) {
        assert_false(viv_kit_path_safe(viv_kit_str(unsafe[i])));
    }
    static const char *const safe[] = { "", ".", "a", "...", "a..b/..c", "a//b/" };
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++) {
        assert_true(viv_kit_path_safe(viv_kit_str(safe[i])));
    }
    assert_false(viv_kit_path_safe((struct viv_str){ "a\0b", 3 }));
}

static int32_t
compare_numbers(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void
sorts(void **state)
{
    (void)state;
    static uint32_t numbers[1000];
    static const void *items[1000];
    for (uint32_t count = 0; count < 1000; count += 37) {
        for (uint32_t i = 0; i < count; i++) {
            numbers[i] = (i * 2654435761u) % 701;
            items[i] = &numbers[i];
        }
        viv_kit_sort(items, count, compare_numbers);
        for (uint32_t i = 1; i < count; i++) {
            assert_true(compare_numbers(items[i - 1], items[i]) <= 0);
        }
    }
}

static void
digests_agree_with_the_library(void **state)
{
    (void)state;
    static char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 7);
    }
    for (size_t len = 0; len < sizeof bytes; len++) {
        struct viv_kit_sha256 sum;
        char hex[65] = "";
        viv_kit_sha256_init(&sum);
        for (size_t at = 0; at < len; at += 1 + len / 3) { /* in uneven pieces */
            viv_kit_sha256_add(&sum, bytes + at, len - at < 1 + len / 3 ? len - at : 1 + len / 3);
        }
        viv_kit_sha256_hex(&sum, hex);
        char wanted[65] = "";
        struct vh_hash hash;
        vh_hash_bytes(bytes, len, &hash);
        vh_hash_hex(&hash, wanted);
        assert_string_equal(hex, wanted);
    }
}

static void
plain_text_for_people(void **state)
{
    (void)state;
    struct viv_kit_buf buf;
    viv_kit_buf_init(&buf, viv_kit_memory_of(kit_fake_call(&fake, false)), 100);
    viv_kit_plain(&buf, viv_kit_str("a\xff\xc3\xa9z"), 6);
    assert_true(viv_kit_is((struct viv_str){ buf.data, buf.len }, "a\xef\xbf\xbd\xc3\xa9"));
}

static int
set_up(void **state)
{
    (void)state;
    kit_fake_init(&fake);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    kit_fake_finish(&fake);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(names_are_escaped_and_had_back),
        cmocka_unit_test(parts_of_paths),
        cmocka_unit_test(sorts),
        cmocka_unit_test(digests_agree_with_the_library),
        cmocka_unit_test(plain_text_for_people),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

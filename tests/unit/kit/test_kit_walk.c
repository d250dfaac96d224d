/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a skill sees files it was not lent, misses files, or uses bytes that were changing under it. */
#include "../../support/cm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit_fake.h"

static struct kit_fake fake;
static struct viv_error err;
static uint32_t walk_flags = VIV_KIT_WALK_SIZES;

/* All paths of a walk, one a line, then the skipped ones with their reasons. */
static char *
walk_all(bool grant, const char *root)
{
    static char text[65536];
    struct viv_kit_walk *walk = NULL;
    struct viv_kit_file file;
    int files = kit_fake_open_files() + (grant && fake.call.root_fd < 0) - (!grant && fake.call.root_fd >= 0);
    text[0] = '\0';
    err = (struct viv_error)VIV_ERROR_INIT;
    struct viv_call *call = kit_fake_call(&fake, grant);
    if (viv_kit_walk_open(call, &fake.effects, viv_kit_str(root), walk_flags, &walk, &err) != VIV_OK) {
        assert_null(walk);
        assert_int_equal(kit_fake_open_files(), files);
        return NULL;
    }
    while (viv_kit_walk_next(walk, &file)) {
        assert_true(file.bytes >= 0);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s\n", (int)file.path.len, file.path.data);
    }
    struct viv_kit_json json;
    struct viv_str skipped;
    viv_kit_json_init(&json, viv_kit_memory_of(call), 1u << 20);
    viv_kit_json_object(&json, NULL);
    viv_kit_walk_write_skipped(walk, &json);
    viv_kit_json_end(&json);
    assert_int_equal(viv_kit_json_finish(&json, &skipped, NULL), VIV_OK);
    if (viv_kit_walk_skipped(walk) > 0) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s\n", (int)skipped.len, skipped.data);
    }
    assert_int_equal(viv_kit_walk_close(walk, &err), VIV_OK);
    assert_int_equal(kit_fake_open_files(), files);
    return text;
}

static void
both_ways_one_order(void **state)
{
    (void)state;
    kit_fake_empty(&fake);
    static const char *const paths[] = { "b",  "a.b",     "a/z",       "a/b/c",  "a-b",
                                         "a0", ".hidden", ".git/HEAD", "a/.git", "sub/.github/x" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        kit_fake_file(&fake, paths[i], "x", 1);
    }
    for (int grant = 0; grant < 2; grant++) {
        assert_string_equal(walk_all(grant, "."), ".hidden\na-b\na.b\na/b/c\na/z\na0\nb\nsub/.github/x\n");
        assert_string_equal(walk_all(grant, "a"), "a/b/c\na/z\n");
        assert_string_equal(walk_all(grant, ".//a/./b//"), "a/b/c\n");
        assert_string_equal(walk_all(grant, "a/z"), "a/z\n");
        assert_string_equal(walk_all(grant, "b"), "b\n");
        assert_null(walk_all(grant, "c"));
        assert_int_equal(err.status, VIV_E_NOT_FOUND);
        assert_string_equal(err.text, "no file or folder of the workspace that can be read: 'c'");
        assert_null(walk_all(grant, "b/c"));
        assert_int_equal(err.status, VIV_E_NOT_FOUND);
        assert_null(walk_all(grant, "a/../b"));
        assert_int_equal(err.status, VIV_E_INVALID);
    }
    kit_fake_empty(&fake);
    assert_string_equal(walk_all(true, "."), "");
    assert_string_equal(walk_all(false, ""), "");
}

/* git keeps no empty folder, so one of the person's is not there: a walk that says so has no files and notes it. */
static void
an_empty_folder_has_no_files(void **state)
{
    (void)state;
    kit_fake_empty(&fake);
    kit_fake_file(&fake, "a/b", "x", 1);
    int root = open(fake.folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdirat(root, "empty", 0755), 0);
    close(root);
    for (int grant = 0; grant < 2; grant++) {
        static const char *const missing[] = { "c", "a/c", "c/d/e" };
        assert_string_equal(walk_all(grant, "empty"), "");
        for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
            char said[160];
            snprintf(said, sizeof said,
                     "{\"skipped\":[{\"path\":\"%s\",\"reason\":\"is not there; an empty folder is not kept\"}],"
                     "\"skipped_count\":1}\n",
                     missing[i]);
            walk_flags = VIV_KIT_WALK_SIZES | VIV_KIT_WALK_EMPTY;
            assert_string_equal(walk_all(grant, missing[i]), said);
            assert_string_equal(walk_all(grant, "a/b"), "a/b\n");
            assert_null(walk_all(grant, "a/b/c")); /* a file is no folder, and none is in it */
            walk_flags = VIV_KIT_WALK_SIZES;
            assert_null(walk_all(grant, missing[i]));
        }
    }
}

static void
links_lead_nowhere(void **state)
{
    (void)state;
    kit_fake_empty(&fake);
    kit_fake_file(&fake, "d/real", "x", 1);
    int root = open(fake.folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(symlinkat("d", root, "folder"), 0);
    assert_int_equal(symlinkat("d/real", root, "file"), 0);
    assert_int_equal(symlinkat("/etc/passwd", root, "out"), 0);
    assert_int_equal(symlinkat("nowhere", root, "dangling"), 0);
    close(root);
    for (int grant = 0; grant < 2; grant++) {
        assert_string_equal(walk_all(grant, "."), "d/real\n");
        static const char *const links[] = { "folder", "folder/real", "file", "out", "dangling" };
        for (size_t i = 0; grant && i < sizeof links / sizeof *links; i++) {
            assert_null(walk_all(grant, links[i]));
            assert_int_equal(err.status, VIV_E_NOT_FOUND);
        }
    }
}

static void
no_grant_no_effects(void **state)
{
    (void)state;
    struct viv_kit_walk *walk = NULL;
    err = (struct viv_error)VIV_ERROR_INIT;
    assert_int_equal(viv_kit_walk_open(kit_fake_call(&fake, false), NULL, viv_kit_str("a"), 0, &walk, &err),
                     VIV_E_DENIED);
    assert_string_equal(err.text, "without folder grant and effects nothing can be read of 'a'");
}

/* Opens the walk's first file; what happens between its pieces is the caller's. */
static struct viv_kit_walk *
open_first(bool grant, struct viv_kit_file *file)
{
    struct viv_kit_walk *walk = NULL;
    assert_int_equal(
        viv_kit_walk_open(kit_fake_call(&fake, grant), &fake.effects, viv_kit_str("."), 0, &walk, &err), VIV_OK);
    assert_true(viv_kit_walk_next(walk, file));
    return walk;
}

static void
files_that_change_are_not_used(void **state)
{
    (void)state;
    static char bytes[3 * VIV_KIT_PIECE_BYTES];
    for (int change = 0; change < 4; change++) {
        kit_fake_empty(&fake);
        kit_fake_file(&fake, "f", bytes, sizeof bytes);
        struct viv_kit_file file;
        struct viv_kit_walk *walk = open_first(true, &file);
        assert_true(viv_kit_file_open(walk, &file));
        assert_int_equal(viv_kit_file_piece(walk).len, VIV_KIT_PIECE_BYTES);
        if (change == 1) {
            kit_fake_file(&fake, "f", bytes, sizeof bytes + 0 - 10);
        }
        if (change == 2) {
            int root = open(fake.folder, O_RDONLY | O_DIRECTORY);
            int fd = openat(root, "f", O_WRONLY | O_APPEND);
            assert_int_equal(write(fd, "more", 4), 4);
            close(fd);
            close(root);
        }
        if (change == 3) {
            kit_fake_modified(&fake, "f", KIT_FAKE_TIME_US + 1);
        }
        uint64_t len = VIV_KIT_PIECE_BYTES;
        for (struct viv_str piece = viv_kit_file_piece(walk); piece.len > 0; piece = viv_kit_file_piece(walk)) {
            len += piece.len;
        }
        assert_int_equal(viv_kit_file_close(walk), change == 0);
        assert_int_equal(viv_kit_walk_skipped(walk), change != 0);
        assert_true(len <= sizeof bytes);
        assert_int_equal(viv_kit_walk_close(walk, &err), VIV_OK);
    }
}

static void
loading_is_bounded(void **state)
{
    (void)state;
    kit_fake_empty(&fake);
    kit_fake_file(&fake, "f", "0123456789", 10);
    for (int grant = 0; grant < 2; grant++) {
        struct viv_kit_file file;
        struct viv_str found;
        struct viv_kit_walk *walk = open_first(grant, &file);
        assert_false(viv_kit_file_load(walk, &file, 9, &found));
        assert_int_equal(viv_kit_walk_skipped(walk), 1);
        assert_true(viv_kit_file_load(walk, &file, 10, &found));
        assert_true(viv_kit_is(found, "0123456789"));
        assert_int_equal(viv_kit_walk_close(walk, &err), VIV_OK);
    }
    /* A file larger than an effect reads is whole by grant and noted by effects. */
    int root = open(fake.folder, O_RDONLY | O_DIRECTORY);
    int fd = openat(root, "f", O_WRONLY);
    assert_int_equal(ftruncate(fd, (off_t)VIV_OUTPUT_MAX * 3), 0);
    close(fd);
    close(root);
    for (int grant = 0; grant < 2; grant++) {
        struct viv_kit_file file;
        struct viv_kit_walk *walk = open_first(grant, &file);
        assert_int_equal(viv_kit_file_open(walk, &file), grant);
        assert_int_equal(viv_kit_walk_skipped(walk), !grant);
        assert_int_equal(viv_kit_walk_close(walk, &err), VIV_OK);
    }
}

/* An answer in words must not look complete when it is not; a long text is cut at its end, so it comes first. */
static void
the_text_says_what_was_left_out(void **state)
{
    (void)state;
    kit_fake_empty(&fake);
    for (int i = 0; i < 7; i++) {
        kit_fake_file(&fake, (char[]){ (char)('a' + i), '\0' }, "0123456789", i == 6 ? 1 : 10);
    }
    for (int grant = 0; grant < 2; grant++) {
        struct viv_kit_file file;
        struct viv_kit_json json;
        struct viv_kit_buf text;
        struct viv_str document, words, bytes;
        struct viv_kit_walk *walk = open_first(grant, &file);
        do {
            (void)viv_kit_file_load(walk, &file, 9, &bytes);
        } while (viv_kit_walk_next(walk, &file));
        viv_kit_json_init(&json, viv_kit_memory_of(&fake.call), 1000);
        viv_kit_json_object(&json, NULL);
        viv_kit_json_end(&json);
        viv_kit_buf_init(&text, viv_kit_memory_of(&fake.call), 5);
        viv_kit_buf_text(&text, "done\n");
        assert_int_equal(viv_kit_walk_finish(walk, &json, &text, &document, &words, &err), VIV_OK);
        assert_true(viv_kit_is(words, "incomplete, 6 files left out: a (too large for this skill), "
                                      "b (too large for this skill), c (too large for this skill), "
                                      "d (too large for this skill), e (too large for this skill), ...; "
                                      "at most 9 bytes are read of a file\ndone\n"));
    }
}

static void
gone_and_swapped_files(void **state)
{
    (void)state;
    for (int swap = 0; swap < 3; swap++) {
        kit_fake_empty(&fake);
        kit_fake_file(&fake, "f", "x", 1);
        struct viv_kit_file file;
        struct viv_kit_walk *walk = open_first(true, &file);
        int root = open(fake.folder, O_RDONLY | O_DIRECTORY);
        assert_int_equal(unlinkat(root, "f", 0), 0);
        if (swap == 1) {
            assert_int_equal(symlinkat("/etc/passwd", root, "f"), 0);
        }
        if (swap == 2) {
            assert_int_equal(mkfifoat(root, "f", 0644), 0);
        }
        close(root);
        assert_false(viv_kit_file_open(walk, &file));
        assert_int_equal(viv_kit_walk_skipped(walk), 1);
        assert_int_equal(viv_kit_walk_close(walk, &err), VIV_OK);
    }
}

static void
unreadable_is_noted(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        skip(); /* root reads everything; the suite also runs as an ordinary user */
    }
    kit_fake_empty(&fake);
    kit_fake_file(&fake, "a/f", "x", 1);
    kit_fake_file(&fake, "b", "x", 1);
    char path[128];
    snprintf(path, sizeof path, "%s/a", fake.folder);
    assert_int_equal(chmod(path, 0), 0);
    assert_string_equal(walk_all(true, "."),
                        "b\n{\"skipped\":[{\"path\":\"a\",\"reason\":\"not readable\"}],\"skipped_count\":1}\n");
    assert_int_equal(chmod(path, 0755), 0);
}

static void
denied_reads_are_noted_and_asks_end(void **state)
{
    (void)state;
    kit_fake_empty(&fake);
    kit_fake_file(&fake, "f", "x", 1);
    static const viv_status statuses[] = { VIV_E_DENIED,    VIV_E_NOT_FOUND, VIV_E_IO,   VIV_E_ASK,
                                           VIV_E_CANCELLED, VIV_E_MEMORY,    VIV_E_LIMIT };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        struct viv_kit_file file;
        struct viv_kit_walk *walk = open_first(false, &file);
        fake.deny_kind = VIV_EFFECT_READ;
        fake.deny_status = statuses[i];
        assert_false(viv_kit_file_open(walk, &file));
        assert_int_equal(viv_kit_walk_skipped(walk), i < 3);
        assert_false(viv_kit_walk_next(walk, &file));
        err = (struct viv_error)VIV_ERROR_INIT;
        assert_int_equal(viv_kit_walk_close(walk, &err), i < 3 ? VIV_OK : statuses[i]);
        if (i >= 3) {
            assert_string_equal(err.text, "rule 'test' forbids it");
        }
        fake.deny_kind = 0;
    }
    fake.deny_status = VIV_E_DENIED;
}

static void
many_files(void **state)
{
    (void)state;
    kit_fake_empty(&fake);
    for (int i = 0; i < 300; i++) {
        char path[64];
        snprintf(path, sizeof path, "%d/a-rather-long-name-of-a-file-%d", i % 7, i);
        kit_fake_file(&fake, path, "", 0);
    }
    char first[65536];
    strcpy(first, walk_all(true, "."));
    assert_string_equal(walk_all(false, "."), first);
    fake.max_bytes = 100000; /* levels and pieces take most of it */
    struct viv_kit_walk *walk = NULL;
    struct viv_kit_file file;
    uint32_t count = 0;
    viv_status status =
        viv_kit_walk_open(kit_fake_call(&fake, false), &fake.effects, viv_kit_str("."), 0, &walk, &err);
    while (status == VIV_OK && viv_kit_walk_next(walk, &file)) {
        count++;
    }
    assert_true(status == VIV_E_MEMORY && count == 0);
    fake.max_bytes = VIV_CALL_ARENA_MAX;
}

/* In a runner few descriptors may be open. */
static void
few_descriptors(void **state)
{
    (void)state;
    kit_fake_empty(&fake);
    char path[300] = "";
    for (int depth = 0; depth < 100; depth++) {
        strcat(path, "d/");
    }
    strcat(path, "f");
    kit_fake_file(&fake, path, "x", 1);
    kit_fake_file(&fake, "e", "x", 1);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    const struct rlimit few = { 40, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    char *text = walk_all(true, ".");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_non_null(strstr(text, "too many open files"));
    assert_non_null(strstr(text, "e\n"));
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
        cmocka_unit_test(both_ways_one_order), cmocka_unit_test(links_lead_nowhere),
        cmocka_unit_test(an_empty_folder_has_no_files),
        cmocka_unit_test(no_grant_no_effects), cmocka_unit_test(files_that_change_are_not_used),
        cmocka_unit_test(loading_is_bounded),  cmocka_unit_test(the_text_says_what_was_left_out),
        cmocka_unit_test(gone_and_swapped_files),
        cmocka_unit_test(unreadable_is_noted), cmocka_unit_test(denied_reads_are_noted_and_asks_end),
        cmocka_unit_test(many_files),          cmocka_unit_test(few_descriptors),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

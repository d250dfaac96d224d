/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the log that people read lacks lines, has them twice, or says things the database does not; or
 * somebody's file is cut to nothing because it stood where the log goes. */
#include "../../support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../support/home.h"
#include "base/fs.h"
#include "base/str.h"
#include "keep/export.h"

#define FILE_MAX ((size_t)200 << 20)

struct exported {
    struct home home;
    struct vh_arena *arena;
    struct vh_store *reader;
    char path[128];
    struct viv_str good; /* what the file must be */
};

static viv_status
update(struct exported *e, int64_t *ret_seq, struct viv_error *err)
{
    *err = (struct viv_error)VIV_ERROR_INIT;
    return vh_export_update(vh_seam_real(), e->reader, AT_FDCWD, e->path, ret_seq, err);
}

static struct viv_str
contents(struct exported *e)
{
    struct viv_str bytes = { "", 0 };
    assert_int_equal(vh_fs_read(vh_seam_real(), e->arena, AT_FDCWD, e->path, FILE_MAX, &bytes, NULL), VIV_OK);
    return bytes;
}

static void
put(struct exported *e, struct viv_str bytes)
{
    int fd = open(e->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(vh_fs_write_all(vh_seam_real(), fd, bytes, NULL), VIV_OK);
    close(fd);
}

static void
begin(struct exported *e, int tasks)
{
    struct viv_error err;
    int64_t seq = 0;
    home_new(&e->home);
    e->arena = vh_arena_create(NULL, 0);
    snprintf(e->path, sizeof e->path, "%s/log.jsonl", e->home.folder);
    for (int i = 0; i < tasks; i++) {
        char task[16];
        snprintf(task, sizeof task, "t%d", i);
        home_must(&e->home, "task.submitted", task, "{\"goal\":\"g\",\"attempts_max\":1}");
    }
    assert_int_equal(vh_store_open_read(e->arena, e->home.path, &e->reader, NULL), VIV_OK);
    assert_int_equal(update(e, &seq, &err), VIV_OK);
    assert_int_equal(seq, 2 * tasks + 1);
    e->good = contents(e);
}

static void
end(struct exported *e)
{
    vh_store_close(e->reader);
    vh_arena_destroy(e->arena);
    home_end(&e->home);
}

/* Cut off anywhere, with zeros behind or not: written again, to the byte. */
static void
a_torn_end_is_mended(void **state)
{
    (void)state;
    struct exported e;
    struct viv_error err;
    begin(&e, 3);
    for (size_t len = 0; len <= e.good.len; len++) {
        int64_t seq = 0;
        put(&e, (struct viv_str){ e.good.data, len });
        if (update(&e, &seq, &err)) {
            fail_msg("cut at %zu: %s", len, err.text);
        }
        assert_int_equal(seq, 7);
        assert_true(vh_str_equal(contents(&e), e.good));
        if (len % 7 == 0) {
            char *zeros = vh_arena_alloc(e.arena, len + 600);
            memcpy(zeros, e.good.data, len);
            memcpy(zeros + len + 500, "tail\n", 5); /* a later page that did come to the disk */
            put(&e, (struct viv_str){ zeros, len % 2 ? len + 500 : len + 505 });
            assert_int_equal(update(&e, &seq, &err), VIV_OK);
            assert_true(vh_str_equal(contents(&e), e.good));
        }
    }
    end(&e);
}

/* A hole of zeros before lines that are whole: they are written again, too. */
static void
a_hole_is_mended(void **state)
{
    (void)state;
    struct exported e;
    struct viv_error err;
    int64_t seq = 0;
    begin(&e, 3);
    char *holed = vh_arena_text_of(e.arena, e.good);
    memset(holed + e.good.len / 2, 0, 100);
    put(&e, (struct viv_str){ holed, e.good.len });
    assert_int_equal(update(&e, &seq, &err), VIV_OK);
    assert_true(vh_str_equal(contents(&e), e.good));
    end(&e);
}

static void
refuse(struct exported *e, struct viv_str bytes, const char *says)
{
    struct viv_error err;
    int64_t seq = 0;
    put(e, bytes);
    assert_int_equal(update(e, &seq, &err), VIV_E_CORRUPT);
    if (!strstr(err.text, says)) {
        fail_msg("'%s' does not say '%s'", err.text, says);
    }
    assert_true(vh_str_equal(contents(e), bytes)); /* left as it is */
}

static void
altered_and_foreign_lines_are_refused(void **state)
{
    (void)state;
    struct exported e;
    begin(&e, 3);
    for (size_t at = 20; at < e.good.len; at += 97) {
        char *changed = vh_arena_text_of(e.arena, e.good);
        if (changed[at] != '\n') {
            changed[at] ^= 1;
            refuse(&e, (struct viv_str){ changed, e.good.len }, "is altered or foreign at event");
        }
    }
    refuse(&e, VH_STR("dear diary,\n"), "is altered or foreign at event 1");
    refuse(&e, VH_STR("dear diary"), "is altered or foreign at event 1");
    refuse(&e, vh_str(vh_arena_format(e.arena, "%.*snot of the log\n", VH_STR_ARGS(e.good))), "knows more than");
    refuse(&e, vh_str(vh_arena_format(e.arena, "%.*snot of the log", VH_STR_ARGS(e.good))), "is altered or foreign");
    const char *second = memchr(e.good.data, '\n', e.good.len);
    refuse(&e, (struct viv_str){ second + 1, e.good.len - (size_t)(second + 1 - e.good.data) }, "at event 1");
    end(&e);
}

/* The database is an old copy: the file knows what it does not. */
static void
a_file_ahead_of_the_database_is_refused(void **state)
{
    (void)state;
    struct exported e, longer;
    begin(&longer, 4);
    begin(&e, 3);
    char *ahead = vh_arena_format(e.arena, "%.*s%.*s", VH_STR_ARGS(e.good), 0, "");
    const char *last = longer.good.data + longer.good.len - 1;
    while (last > longer.good.data && last[-1] != '\n') {
        last--;
    }
    ahead = vh_arena_format(e.arena, "%s%.*s", ahead, (int)(longer.good.data + longer.good.len - last), last);
    refuse(&e, vh_str(ahead), "knows more than the database, one of them is old or altered, at event 8");
    end(&e);
    end(&longer);
}

static void
odd_files(void **state)
{
    (void)state;
    struct exported e;
    struct viv_error err;
    int64_t seq = 0;
    begin(&e, 3);
    assert_int_equal(unlink(e.path), 0);
    assert_int_equal(symlink("/etc/passwd", e.path), 0);
    assert_int_equal(update(&e, &seq, &err), VIV_E_IO);
    assert_int_equal(unlink(e.path), 0);
    assert_int_equal(mkfifo(e.path, 0600), 0);
    assert_int_equal(update(&e, &seq, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "is no regular file"));
    assert_int_equal(unlink(e.path), 0);
    put(&e, VH_STR("{"));
    assert_int_equal(truncate(e.path, (off_t)70 << 20), 0);
    assert_int_equal(update(&e, &seq, &err), VIV_OK); /* zeros: torn */
    assert_true(vh_str_equal(contents(&e), e.good));
    assert_int_equal(truncate(e.path, (off_t)1 << 40), 0); /* a line without an end, longer than any of ours */
    assert_int_equal(update(&e, &seq, &err), VIV_E_CORRUPT);
    assert_non_null(strstr(err.text, "ends in a line of more than 83886080 bytes"));
    struct stat after;
    assert_int_equal(stat(e.path, &after), 0);
    assert_true(after.st_size == (off_t)1 << 40);
    end(&e);
}

/* Longer than the window that is looked at: the end is found and mended all the same. */
static void
a_long_file_is_mended_at_its_end(void **state)
{
    (void)state;
    struct exported e;
    struct viv_error err;
    int64_t seq = 0;
    begin(&e, 1);
    char *goal = vh_arena_alloc(e.arena, 16001);
    memset(goal, 'g', 16000);
    char *json = vh_arena_format(e.arena, "{\"goal\":\"%s\",\"attempts_max\":1}", goal);
    for (int i = 0; i < 120; i++) {
        char task[16];
        snprintf(task, sizeof task, "long%d", i);
        home_must(&e.home, "task.submitted", task, json);
    }
    assert_int_equal(update(&e, &seq, &err), VIV_OK);
    assert_int_equal(seq, 243);
    e.good = contents(&e);
    assert_true(e.good.len > (size_t)3 << 19);
    put(&e, (struct viv_str){ e.good.data, e.good.len - 20 });
    assert_int_equal(update(&e, &seq, &err), VIV_OK);
    assert_true(vh_str_equal(contents(&e), e.good));
    end(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torn_end_is_mended),
        cmocka_unit_test(a_hole_is_mended),
        cmocka_unit_test(altered_and_foreign_lines_are_refused),
        cmocka_unit_test(a_file_ahead_of_the_database_is_refused),
        cmocka_unit_test(odd_files),
        cmocka_unit_test(a_long_file_is_mended_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

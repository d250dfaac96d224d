/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the checker that every test on a home ends with has gone blind for what only a home shows: answers
 * that were given (I1), keys (I15), rows (I16), the exported file (I13). */
#include "../../support/cm.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "../../support/home.h"
#include "base/fs.h"
#include "base/str.h"
#include "keep/export.h"
#include "keep/reader.h"
#include "keep/store_inside.h"
#include "../../support/scratch.h"

struct checked {
    struct home home;
    struct vh_arena *arena;
    struct invariants *all;
};

static bool
take(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    (void)seq;
    assert_string_equal(invariants_line(((struct checked *)data)->all, line, hash), "");
    return true;
}

/* A stopped home with one keyed task, its log looked at and sound. */
static void
check(struct checked *c)
{
    struct viv_str all = {NULL, 0};
    vh_arena_destroy(c->arena);
    c->arena = vh_arena_create(NULL, 0);
    c->all = invariants_create(c->arena);
    assert_int_equal(vh_reader_events(c->home.store, 0, all, take, c, NULL), VIV_OK);
}

static void
plant(struct checked *c, const char *sql)
{
    c->home.store->may_project = true;
    assert_int_equal(sqlite3_exec(c->home.store->db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(c->home.store->db), 1);
    c->home.store->may_project = false;
    check(c);
}

static void
i1_i15_i16_answers_keys_and_rows_of_a_home(void **state)
{
    (void)state;
    struct checked c = {0};
    struct vh_answer answer;
    struct viv_error err = VIV_ERROR_INIT;
    home_new(&c.home);
    static const char submit[] = "{\"goal\":\"g\",\"attempts_max\":1}";
    assert_int_equal(home_say(&c.home, "task.submitted", "t", "k", submit, &answer, &err), VIV_OK);
    assert_int_equal(vh_sequencer_stop(c.home.sequencer, &err), VIV_OK);
    check(&c);
    struct invariants_answer said = {answer.seq, "task.submitted", VH_STR("t")};
    assert_string_equal(invariants_answered(c.all, c.home.store, &said), "");
    said.seq += 9;
    assert_string_equal(
        invariants_answered(c.all, c.home.store, &said),
        "I1: event 11 was answered as 'task.submitted' of task 't', the log has 'nothing' of ''");
    check(&c);
    said.seq = 1;
    assert_string_equal(invariants_answered(c.all, c.home.store, &said),
                        "I1: event 1 was answered as 'task.submitted' of task 't', the log has "
                        "'host.started' of ''");
    check(&c);
    assert_string_equal(invariants_rows(c.all, c.home.store), "");
    assert_string_equal(invariants_keys(c.all, c.home.store), "");
    plant(&c, "UPDATE facts SET doc=CAST('9' AS BLOB) WHERE key='tasks'");
    assert_string_equal(
        invariants_rows(c.all, c.home.store),
        "I16: the store has 'facts\ttasks\t9', the log folded over arrays gives 'facts\ttasks\t1'");
    plant(&c, "UPDATE keys SET seq=1");
    assert_string_equal(invariants_keys(c.all, c.home.store),
                        "I15: key 'k' leads to event 1, its answer is event 2");
    plant(&c, "DELETE FROM keys");
    assert_string_equal(invariants_keys(c.all, c.home.store),
                        "I15: 0 keys are kept, 1 were answered");
    vh_store_close(c.home.store);
    vh_arena_destroy(c.home.arena);
    vh_arena_destroy(c.arena);
    scratch_clear(c.home.folder);
}

static void
i13_the_export_is_a_beginning_of_the_log(void **state)
{
    (void)state;
    struct checked c = {0};
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str file;
    char path[128];
    int64_t seq = 0;
    home_new(&c.home);
    home_must(&c.home, "task.submitted", "t", "{\"goal\":\"g\",\"attempts_max\":1}");
    assert_int_equal(vh_sequencer_stop(c.home.sequencer, &err), VIV_OK);
    check(&c);
    snprintf(path, sizeof path, "%s/log.jsonl", c.home.folder);
    assert_int_equal(vh_export_update(vh_seam_real(), c.home.store, AT_FDCWD, path, &seq, &err),
                     VIV_OK);
    assert_int_equal(vh_fs_read(vh_seam_real(), c.arena, AT_FDCWD, path, 1u << 20, &file, &err),
                     VIV_OK);
    char *bytes = vh_arena_text_of(c.arena, file);
    assert_string_equal(invariants_export(c.all, c.home.store, file), "");
    struct viv_str first = {bytes, (uint64_t)(strchr(bytes, '\n') + 1 - bytes)};
    assert_string_equal(invariants_export(c.all, c.home.store, first), "");
    struct viv_str more = {vh_arena_format(c.arena, "%s%s", bytes, "more\n"), file.len + 5};
    assert_string_equal(invariants_export(c.all, c.home.store, more),
                        "I13: the exported file has 5 bytes more than the log");
    struct vh_arena *kept = c.arena;
    c.arena = NULL;
    check(&c);
    bytes[first.len + 20] ^= 1;
    file.data = bytes;
    assert_string_equal(invariants_export(c.all, c.home.store, file),
                        "I13: the exported file differs from the log at event 2");
    vh_arena_destroy(kept);
    vh_arena_destroy(c.arena);
    vh_store_close(c.home.store);
    vh_arena_destroy(c.home.arena);
    scratch_clear(c.home.folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(i1_i15_i16_answers_keys_and_rows_of_a_home),
        cmocka_unit_test(i13_the_export_is_a_beginning_of_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, `log rebuild` makes other rows of a log than the host did, and says that the tables are bad. That a
 * whole log folds to the same bytes through it is in test_sequences.c. */
#include "../../support/cm.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "core/cache.h"

#define LARGE ((size_t)1 << 20)

/* A state that only counts, and knows the last row it was given. */
struct behind {
    int puts;
    int gets;
    int fail_at; /* the n-th put */
    int64_t numbers[8];
    char last[64];
};

static viv_status
count_put(void *data, const struct vh_task *task, struct viv_error *err)
{
    struct behind *behind = data;
    if (behind->puts < 8) {
        behind->numbers[behind->puts] = task->number;
    }
    snprintf(behind->last, sizeof behind->last, "%.*s is %.*s", VH_STR_ARGS(task->id),
             task->goal.len > 20 ? 20 : VH_STR_ARGS(task->goal));
    return ++behind->puts == behind->fail_at ? vh_error_set(err, VIV_E_STORE, "test", "the disk is full") : VIV_OK;
}

static viv_status
count_get(void *data, struct vh_arena *arena, struct viv_str id, struct vh_task *ret_task, struct viv_error *err)
{
    (void)arena;
    (void)id;
    (void)ret_task;
    (void)err;
    ((struct behind *)data)->gets++;
    return VIV_E_NOT_FOUND;
}

struct place {
    struct vh_arena *arena;
    struct behind behind;
    struct vh_cache *cache;
    struct vh_state_ops tasks;
};

static void
begin(struct place *place, size_t rows)
{
    *place = (struct place){ .arena = vh_arena_create(NULL, 0) };
    struct vh_state_ops behind = { .data = &place->behind, .put_task = count_put, .get_task = count_get };
    place->cache = vh_cache_create(place->arena, &behind, rows);
    place->tasks = vh_cache_tasks(place->cache);
}

static viv_status
put(struct place *place, const char *id, int64_t number, struct viv_str goal, struct viv_error *err)
{
    struct vh_task task = { .id = vh_str(id), .number = number, .goal = goal, .worker = VH_STR("w") };
    return place->tasks.put_task(place->cache, &task, err);
}

static void
must_have(struct place *place, const char *id, struct viv_str goal)
{
    struct vh_task task;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    assert_int_equal(place->tasks.get_task(place->cache, arena, vh_str(id), &task, NULL), VIV_OK);
    assert_true(vh_str_is(task.id, id));
    assert_true(vh_str_equal(task.goal, goal));
    assert_true(vh_str_is(task.worker, "w"));
    assert_null(task.route.data);
    vh_arena_destroy(arena);
}

static void
a_row_is_written_once(void **state)
{
    (void)state;
    struct place place;
    begin(&place, 8);
    char goal[] = "first";
    assert_int_equal(put(&place, "a", 1, vh_str(goal), NULL), VIV_OK);
    memset(goal, 'x', 5); /* the caller's memory is the caller's */
    must_have(&place, "a", VH_STR("first"));
    assert_int_equal(put(&place, "a", 1, VH_STR("a longer goal than before"), NULL), VIV_OK);
    assert_int_equal(put(&place, "a", 1, VH_STR("last"), NULL), VIV_OK);
    assert_int_equal(place.behind.puts, 0);
    for (int i = 0; i < 2; i++) { /* the second time there is nothing to do */
        assert_int_equal(vh_cache_flush(place.cache, NULL), VIV_OK);
        assert_int_equal(place.behind.puts, 1);
        assert_string_equal(place.behind.last, "a is last");
    }
    must_have(&place, "a", VH_STR("last"));
    assert_int_equal(place.behind.gets, 0);
    struct vh_task task;
    assert_int_equal(place.tasks.get_task(place.cache, place.arena, VH_STR("b"), &task, NULL), VIV_E_NOT_FOUND);
    assert_int_equal(place.behind.gets, 1);
    vh_arena_destroy(place.arena);
}

static void
a_place_is_given_up_to_another_task(void **state)
{
    (void)state;
    struct place place;
    begin(&place, 1);
    assert_int_equal(put(&place, "a", 1, VH_STR("one"), NULL), VIV_OK);
    assert_int_equal(put(&place, "b", 2, VH_STR("two"), NULL), VIV_OK);
    assert_int_equal(place.behind.puts, 1);
    assert_string_equal(place.behind.last, "a is one");
    must_have(&place, "b", VH_STR("two"));
    vh_arena_destroy(place.arena);
}

/* The table keeps the number that a task had first. A log that submits it again must not change that. */
static void
what_stays_of_a_first_row_is_not_left_out(void **state)
{
    (void)state;
    struct place place;
    begin(&place, 1);
    assert_int_equal(put(&place, "a", 1, VH_STR("one"), NULL), VIV_OK);
    assert_int_equal(put(&place, "a", 2, VH_STR("two"), NULL), VIV_OK);
    assert_int_equal(vh_cache_flush(place.cache, NULL), VIV_OK);
    assert_int_equal(place.behind.puts, 2);
    assert_int_equal(place.behind.numbers[0], 1);
    assert_int_equal(place.behind.numbers[1], 2);
    vh_arena_destroy(place.arena);
}

/* Rows of any size, in memory that does not grow with their number. */
static void
large_rows_do_not_stay(void **state)
{
    (void)state;
    struct place place;
    begin(&place, 4);
    char *text = vh_arena_alloc(place.arena, LARGE);
    assert_non_null(text);
    memset(text, 'g', LARGE);
    for (int i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "t%d", i);
        struct viv_str goal = { text, LARGE - (size_t)i };
        assert_int_equal(put(&place, id, i, goal, NULL), VIV_OK);
        must_have(&place, id, goal);
        assert_true(vh_arena_used(place.arena) < 6 * LARGE);
    }
    assert_int_equal(vh_cache_flush(place.cache, NULL), VIV_OK);
    assert_int_equal(place.behind.puts, 100);
    vh_arena_destroy(place.arena);
}

static void
what_fails_behind_is_said(void **state)
{
    (void)state;
    struct place place;
    struct viv_error err = VIV_ERROR_INIT;
    begin(&place, 1);
    place.behind.fail_at = 1;
    assert_int_equal(put(&place, "a", 1, VH_STR("one"), &err), VIV_OK);
    assert_int_equal(put(&place, "b", 2, VH_STR("two"), &err), VIV_E_STORE);
    assert_string_equal(err.text, "the disk is full");
    place.behind.fail_at = 3;
    assert_int_equal(vh_cache_flush(place.cache, &err), VIV_OK); /* it was not taken for written */
    assert_string_equal(place.behind.last, "a is one");
    assert_int_equal(put(&place, "b", 2, VH_STR("two"), &err), VIV_OK);
    assert_int_equal(vh_cache_flush(place.cache, &err), VIV_E_STORE);
    vh_arena_destroy(place.arena);
}

static void
memory_runs_out(void **state)
{
    (void)state;
    struct place place;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_state_ops behind = { .data = &place.behind, .put_task = count_put };
    begin(&place, 1);
    for (int64_t n = 1; n <= 2; n++) {
        vh_arena_fail_at(n);
        assert_null(vh_cache_create(place.arena, &behind, 4));
        vh_arena_fail_at(0);
    }
    for (int64_t n = 1; n <= 2; n++) {
        vh_arena_fail_at(n);
        assert_int_equal(put(&place, "a", 1, VH_STR("one"), &err), VIV_E_MEMORY);
        assert_string_equal(err.text, "no memory for a task row");
        vh_arena_fail_at(0);
    }
    assert_int_equal(put(&place, "a", 1, VH_STR("one"), NULL), VIV_OK);
    struct vh_task task;
    vh_arena_fail_at(1);
    viv_status status = place.tasks.get_task(place.cache, place.arena, VH_STR("a"), &task, &err);
    vh_arena_fail_at(0);
    assert_int_equal(status, VIV_E_MEMORY);
    must_have(&place, "a", VH_STR("one"));
    vh_arena_destroy(place.arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_written_once),
        cmocka_unit_test(a_place_is_given_up_to_another_task),
        cmocka_unit_test(what_stays_of_a_first_row_is_not_left_out),
        cmocka_unit_test(large_rows_do_not_stay),
        cmocka_unit_test(what_fails_behind_is_said),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

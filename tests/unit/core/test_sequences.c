/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, some order of events that nobody thought of breaks a promise: a task that starts too early, money
 * spent twice, a result that got ready without its gates, a task nobody will ever touch again. Thousands of commands by
 * seed, good and bad ones, with every invariant looked at after every event; then the same log in the SQL
 * store, which must hold the same rows. A failure prints the seed; `test_sequences N` runs that seed alone. */
#include "../../support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "../../support/sequence.h"
#include "base/fs.h"
#include "base/str.h"
#include "core/cache.h"
#include "core/fold.h"
#include "keep/reader.h"
#include "keep/store.h"
#include "replay/replay.h"
#include "../../support/scratch.h"
#include <viv/limits.h>

#define COMMANDS 10000
#define TASKS 120 /* ids in use at a time; older ones are left alone */
#define DUMP_MAX ((size_t)1 << 30)

static uint64_t only_seed;

static uint64_t
draw(struct sequence *run, uint64_t below)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return (run->random >> 11) % below;
}

static void
keep_line(void *data, struct viv_str line)
{
    struct sequence *run = data;
    if ((run->count & (run->count - 1)) == 0) {
        size_t room = run->count ? run->count * 2 : 1;
        struct viv_str *lines = vh_arena_array(run->arena, room, sizeof *lines);
        if (run->count) {
            memcpy(lines, run->lines, run->count * sizeof *lines);
        }
        run->lines = lines;
    }
    run->lines[run->count++] = (struct viv_str){ vh_arena_text_of(run->arena, line), line.len };
}

/* ---- commands ---- */

static void
name_of(int number, char name[32])
{
    snprintf(name, 32, "t%d", number);
}

static bool
pick(struct sequence *run, char name[32], struct vh_task *task)
{
    int first = run->submitted > TASKS ? run->submitted - TASKS : 0;
    if (run->submitted == 0) {
        return false;
    }
    char parent[24];
    snprintf(parent, sizeof parent, "t%d", first + (int)draw(run, (uint64_t)(run->submitted - first)));
    snprintf(name, 32, draw(run, 5) ? "%s" : draw(run, 2) ? "%s.s0" : "%s.s1", parent);
    return run->life.state.get_task(run->life.state.data, run->scratch, vh_str(name), task, NULL) == VIV_OK;
}

static void
submit(struct sequence *run)
{
    char name[32], json[256], depends[96] = "";
    if (run->submitted < 500) {
        int first = run->submitted > TASKS / 2 ? run->submitted - TASKS / 2 : 0;
        if (run->submitted && draw(run, 3) == 0) {
            snprintf(depends, sizeof depends, "\"t%d\",\"t%d\"",
                     first + (int)draw(run, (uint64_t)(run->submitted - first)),
                     first + (int)draw(run, (uint64_t)(run->submitted - first)));
        }
        name_of(run->submitted, name);
        snprintf(json, sizeof json, "{\"goal\":\"g\",\"attempts_max\":%d,\"depends\":[%s]}", 1 + (int)draw(run, 3),
                 depends);
        run->submitted += life_say(&run->life, "task.submitted", name, json) == VIV_OK;
    }
}

static void
answer_badly(struct sequence *run, const char *name, const struct vh_ask *ask)
{
    static const char *const classes[] = { "plugin", "infrastructure", "conflict", "moved" };
    const char *kind = NULL;
    char json[640];
    struct viv_str tree = draw(run, 4) ? ask->tree : VH_STR("T7");
    life_good_answer(ask, &kind, json, sizeof json);
    size_t len = strlen(json);
    switch (draw(run, 6)) {
    case 0:
    case 1:
        snprintf(json + len - 1, sizeof json - len, ",\"failure\":{\"class\":\"%s\",\"text\":\"x\"}}",
                 classes[draw(run, 4)]);
        break;
    case 2: /* opinions that say no, or ask */
        snprintf(json, sizeof json,
                 "{\"lease\":%lld,\"verdict\":%d,\"digest\":\"d%d\",\"reason\":\"r\",\"gate\":\"%.*s\","
                 "\"outcome\":\"%s\","
                 "\"tree\":\"%.*s\",\"score_permille\":%d,\"intent\":{},\"unclear\":%d,\"cost_micro\":%d,"
                 "\"worst_case_micro\":%d,\"scopes\":[{\"scope\":\"home\",\"limit_micro\":100000},"
                 "{\"scope\":\"small\",\"limit_micro\":2000}]}",
                 (long long)ask->task.lease, (int)draw(run, 4), (int)draw(run, 3), VH_STR_ARGS(ask->gate),
                 draw(run, 2) ? "failed" : "passed", VH_STR_ARGS(tree),
                 (int)draw(run, 1200), (int)draw(run, 2), (int)draw(run, 300), (int)draw(run, 900));
        break;
    case 3: /* a plan */
        kind = "plan.answered";
        snprintf(json, sizeof json,
                 "{\"lease\":%lld,\"steps\":[{\"id\":\"s0\",\"goal\":\"g\"},{\"id\":\"s1\",\"goal\":\"g\","
                 "\"depends\":[%s]}]}",
                 (long long)ask->task.lease, draw(run, 2) ? "\"s0\"" : "");
        break;
    case 4: /* a stale lease */
        snprintf(json, sizeof json, "{\"lease\":%lld,\"verdict\":2}", (long long)ask->task.lease - 1);
        break;
    default:
        kind = "effect.started";
        snprintf(json, sizeof json,
                 "{\"lease\":%lld,\"ordinal\":%lld,\"effect\":\"e\",\"verdict\":%d,\"digest\":\"d%d\",\"outside\":%d}",
                 (long long)ask->task.lease, (long long)ask->task.effects, (int)draw(run, 4), (int)draw(run, 3),
                 (int)draw(run, 2));
        break;
    }
    (void)life_say(&run->life, kind, name, json); /* may be refused; the invariants decide */
}

static void
answer_some(struct sequence *run)
{
    char name[32];
    struct vh_task task;
    if (!pick(run, name, &task) || !task.leased) {
        return;
    }
    struct vh_ask ask;
    assert_int_equal(vh_ask_next(&run->life.state, run->scratch, vh_str(name), &ask, NULL), VIV_OK);
    if (ask.what == VH_PHASE_IDLE) {
        return;
    }
    if (draw(run, 5) == 0) {
        answer_badly(run, name, &ask);
        return;
    }
    const char *kind = NULL;
    char json[640];
    life_good_answer(&ask, &kind, json, sizeof json);
    life_must(&run->life, kind, name, json);
}

static void
person(struct sequence *run)
{
    static const char *const kinds[] = { "cancel.requested", "retry.requested",  "approval.given",    "approval.given",
                                         "answer.given",     "approval.refused", "rollback.requested" };
    char name[32], json[128];
    struct vh_task task;
    if (pick(run, name, &task)) {
        struct viv_str digest = draw(run, 5) ? task.awaiting_digest : VH_STR("old");
        snprintf(json, sizeof json, "{\"digest\":\"%.*s\",\"answers\":{}}", VH_STR_ARGS(digest));
        (void)life_say(&run->life, kinds[draw(run, draw(run, 4) ? 7 : 1) % 7], name, json);
    }
}

static void
lose(struct sequence *run)
{
    char name[32], json[64];
    struct vh_task task;
    if (pick(run, name, &task)) {
        snprintf(json, sizeof json, "{\"lease\":%lld}", (long long)task.lease);
        (void)life_say(&run->life, "lease.expired", name, json);
    }
}

static void
policy(struct sequence *run)
{
    static const char *const policies[] = {
        "{}", "{\"gates\":{\"needs_qa\":[\"a\",\"b\"]},\"critics\":[\"k\"]}",
        "{\"gates\":{\"needs_qa\":[\"b\"],\"integration\":[\"c\"],\"e2e\":[\"d\",\"e\"]}}",
        "{\"gates\":{\"e2e\":[\"d\"]},\"critics\":[\"k\"],\"critic_threshold_permille\":700}"
    };
    life_must(&run->life, "policy.loaded", "", policies[draw(run, 4)]);
}

static void
one_command(struct sequence *run)
{
    run->life.time_us += (int64_t)draw(run, 400000);
    uint64_t which = draw(run, 1000);
    if (which < 90) {
        submit(run);
    } else if (which < 250) {
        (void)life_say(&run->life, "task.claimed", "", "{\"worker\":\"w\"}");
    } else if (which < 950) {
        for (int tries = 0; tries < 4; tries++) {
            answer_some(run);
        }
    } else if (which < 975) {
        person(run);
    } else if (which < 995) {
        lose(run);
    } else {
        policy(run);
    }
}

/* ---- the same log elsewhere ---- */

static void
same_in_sql(struct sequence *run)
{
    char folder[] = "/tmp/viv-same-XXXXXX";
    char path[64];
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_store *store = NULL;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.db", folder);
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    assert_int_equal(vh_store_open(arena, path, NULL, &store, &err), VIV_OK);
    assert_int_equal(vh_store_begin(store, 0, &err), VIV_OK);
    struct vh_state_ops state = vh_store_state(store);
    for (size_t i = 0; i < run->count; i++) {
        struct vh_event event;
        struct vh_arena *one = vh_arena_create(arena, 0);
        assert_int_equal(vh_event_decode(one, run->lines[i], &event, &err), VIV_OK);
        assert_int_equal(vh_fold(&state, one, &event, &err), VIV_OK);
        vh_arena_destroy(one);
    }
    struct vh_buf sql;
    vh_buf_init(&sql, arena, DUMP_MAX);
    assert_int_equal(vh_reader_dump(store, &sql, &err), VIV_OK);
    struct viv_str mine = life_dump(&run->life);
    assert_int_equal(sql.len, mine.len);
    assert_memory_equal(sql.data, mine.data, mine.len);
    vh_store_close(store);
    vh_arena_destroy(arena);
    scratch_clear(folder);
}

/* Few rows and many, so that each is thrown out at every moment it can be. */
static void
same_through_a_cache(struct sequence *run)
{
    static const size_t rows[] = { 1, 16 };
    struct viv_str mine = life_dump(&run->life);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct vh_event_reader reader = { .arena = vh_arena_create(arena, 0) };
        struct vh_memory *memory = vh_memory_create(arena);
        struct vh_state_ops state = vh_memory_state(memory);
        struct vh_cache *cache = vh_cache_create(arena, &state, rows[i]);
        struct vh_state_ops tasks = vh_cache_tasks(cache);
        struct viv_error err = VIV_ERROR_INIT;
        for (size_t j = 0; j < run->count; j++) {
            struct vh_event event;
            assert_int_equal(vh_event_read(&reader, run->lines[j], true, &event, &err), VIV_OK);
            assert_int_equal(vh_fold_through(&state, &tasks, reader.arena, &event, &err), VIV_OK);
        }
        assert_int_equal(vh_cache_flush(cache, &err), VIV_OK);
        struct vh_buf dump;
        vh_buf_init(&dump, arena, DUMP_MAX);
        vh_memory_dump(memory, &dump);
        assert_true(vh_str_equal(vh_buf_view(&dump), mine));
        vh_arena_destroy(arena);
    }
}

static void
same_in_replay(struct sequence *run)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_replay *replay = NULL;
    struct vh_replay_result result;
    assert_int_equal(vh_replay_begin(arena, (struct viv_str){ NULL, 0 }, &replay, NULL), VIV_OK);
    for (size_t i = 0; i < run->count; i++) {
        assert_int_equal(vh_replay_line(replay, run->lines[i], NULL, NULL), VIV_OK);
    }
    assert_int_equal(vh_replay_finish(replay, &result, NULL), VIV_OK);
    if (result.finding != VH_REPLAY_AGREES) {
        fail_msg("seed %llu: event %lld %s: %.*s against %.*s", (unsigned long long)run->seed, (long long)result.seq,
                 result.what, VH_STR_ARGS(result.recorded), VH_STR_ARGS(result.decided));
    }
    vh_arena_destroy(arena);
}

static void
run_seed(uint64_t seed, int commands)
{
    struct sequence *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->seed = seed;
    run->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    run->arena = vh_arena_create(NULL, 0);
    life_begin(&run->life);
    run->life.line = keep_line;
    run->life.broken = sequence_broken;
    run->life.line_data = run;
    /* what life_begin said is part of the log too */
    keep_line(run, VH_STR("{\"actor\":{\"name\":\"tester\",\"pid\":1,\"role\":\"person\",\"uid\":1},\"batch\":1,"
                          "\"cause\":1,"
                          "\"data\":{\"epoch\":1,\"pid\":1},\"kind\":\"host.started\",\"seq\":1,"
                          "\"time_us\":1700000000000000,\"v\":1}"));
    for (run->command = 0; run->command < commands; run->command++) {
        size_t from = run->count;
        run->scratch = vh_arena_create(run->arena, 0);
        one_command(run);
        run->accepted += run->count > from;
        if (run->command % 500 == 0) {
            assert_string_equal(invariants_rest_all(run->life.invariants), "");
        }
        vh_arena_destroy(run->scratch);
    }
    assert_true(run->accepted > commands / 4);
    int64_t ready = invariants_in_state(run->life.invariants, VH_STATE_READY);
    printf("seed %llu: %lld commands accepted, %zu events, %d tasks, %lld ready\n", (unsigned long long)seed,
           (long long)run->accepted, run->count, run->submitted, (long long)ready);
    assert_true(ready > 10);
    assert_string_equal(invariants_effects(run->life.invariants), "");
    same_in_sql(run);
    same_in_replay(run);
    same_through_a_cache(run);
    life_end(&run->life);
    vh_arena_destroy(run->arena);
    free(run);
}

static void
random_sequences(void **state)
{
    (void)state;
    if (only_seed) {
        run_seed(only_seed, COMMANDS);
        return;
    }
#ifdef VH_SANITIZED
    run_seed(1, COMMANDS / 10);
#else
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run_seed(seed, COMMANDS);
    }
#endif
}

int
main(int argc, char **argv)
{
    only_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_sequences) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

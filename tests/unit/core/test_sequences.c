/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, some order of events that nobody thought of breaks a promise: a task that starts too early, money
 * spent twice, a result that got ready without its gates, a task nobody will ever touch again. Thousands of commands by
 * seed, good and bad ones, with every invariant looked at after every accepted command; then the same log in the SQL
 * store, which must hold the same rows. A failure prints the seed; `test_sequences N` runs that seed alone. */
#include "../../support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "../../support/life.h"
#include "base/fs.h"
#include "base/str.h"
#include "core/fold.h"
#include "core/moves.h"
#include "keep/reader.h"
#include "keep/store.h"
#include "replay/replay.h"
#include <viv/limits.h>

#define COMMANDS 10000
#define TASKS 120 /* ids in use at a time; older ones are left alone */
#define SIGHTS (1u << 14)
#define DUMP_MAX ((size_t)1 << 30)

static uint64_t only_seed;

struct run {
    struct life life;
    uint64_t random;
    uint64_t seed;
    int submitted;
    int command;
    int64_t accepted;
    /* what was last seen of each task */
    struct sight {
        char id[VIV_ID_MAX + 1];
        int64_t state;
        int64_t attempt;
        int64_t lease;
    } sights[SIGHTS];
    /* the log */
    struct vh_arena *arena;
    struct vh_arena *scratch; /* of one command and its checks */
    struct viv_str *lines;
    size_t count;
};

static uint64_t
draw(struct run *run, uint64_t below)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return (run->random >> 11) % below;
}

static void
broken(const struct run *run, const char *what, struct viv_str id)
{
    for (size_t i = run->count > 50 ? run->count - 50 : 0; i < run->count; i++) {
        fprintf(stderr, "%.*s\n", VH_STR_ARGS(run->lines[i]));
    }
    struct vh_task task;
    (void)run->life.state.get_task(run->life.state.data, run->arena, id, &task, NULL); /* it was there before */
    struct viv_str row = vh_task_encode(run->arena, &task);
    fail_msg("seed %llu, command %d, task '%.*s': %s\n%.*s", (unsigned long long)run->seed, run->command,
             VH_STR_ARGS(id), what, VH_STR_ARGS(row));
}

static void
keep_line(void *data, struct viv_str line)
{
    struct run *run = data;
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

/* ---- invariants ---- */

/* I6: what got ready was judged by every gate that was bound, for exactly the tree that was published. */
static void
check_ready(struct run *run, const struct vh_task *task, struct vh_arena *arena)
{
    struct vh_json *gates = NULL;
    size_t e2e = 0;
    if (task->published.len == 0) {
        return; /* a plan has no tree of its own */
    }
    if (task->gates.len) {
        assert_int_equal(vh_json_read(arena, task->gates, &gates, NULL), VIV_OK);
    }
    for (const struct vh_json *g = gates ? gates->child : NULL; g; g = g->next) {
        bool last = vh_str_equal(vh_json_str(g, "tree"), task->merged_tree);
        e2e += last && vh_str_is(vh_json_str(g, "stage"), "e2e");
    }
    if (task->stage_gates.len > 2 && e2e == 0) {
        broken(run, "ready without an e2e verdict on the published tree", task->id);
    }
    if (task->merged_tree.len == 0) {
        broken(run, "ready without a tree", task->id);
    }
}

/* I12: somebody will move this task. */
static bool
has_next(struct run *run, const struct vh_task *task, struct vh_arena *arena)
{
    if (vh_task_ended(task) && task->phase == VH_PHASE_IDLE) {
        return true;
    }
    if (task->leased || vh_state_claimable(task)) {
        return true; /* its worker, or any worker once its time has come */
    }
    if (task->state == VH_STATE_AWAITING) {
        return task->awaiting.len > 0; /* a person, who has a question to answer */
    }
    struct vh_ids ids = { 0 };
    const struct vh_state_ops *ops = &run->life.state;
    viv_status status = task->state == VH_STATE_BLOCKED ? ops->dependencies(ops->data, arena, task->id, &ids, NULL)
                                                        : ops->children(ops->data, arena, task->id, &ids, NULL);
    assert_int_equal(status, VIV_OK);
    for (size_t i = 0; i < ids.count; i++) {
        struct vh_task other;
        assert_int_equal(ops->get_task(ops->data, arena, ids.id[i], &other, NULL), VIV_OK);
        if (!vh_task_ended(&other)) {
            return true; /* follows the one it waits for */
        }
    }
    return false;
}

/* I8: nothing that waits for another has begun. */
static void
check_started(struct run *run, const struct vh_task *task, struct vh_arena *arena)
{
    struct vh_ids ids = { 0 };
    const struct vh_state_ops *ops = &run->life.state;
    assert_int_equal(ops->dependencies(ops->data, arena, task->id, &ids, NULL), VIV_OK);
    for (size_t i = 0; i < ids.count; i++) {
        struct vh_task other;
        assert_int_equal(ops->get_task(ops->data, arena, ids.id[i], &other, NULL), VIV_OK);
        if (other.state != VH_STATE_READY && other.state != VH_STATE_ROLLED_BACK) {
            broken(run, "runs before what it depends on", task->id);
        }
    }
}

static struct sight *
sight_of(struct run *run, struct viv_str id)
{
    uint32_t at = 2166136261u;
    for (uint64_t i = 0; i < id.len; i++) {
        at = (at ^ (unsigned char)id.data[i]) * 16777619u;
    }
    while (run->sights[at % SIGHTS].id[0] && !vh_str_is(id, run->sights[at % SIGHTS].id)) {
        at++;
    }
    struct sight *sight = &run->sights[at % SIGHTS];
    snprintf(sight->id, sizeof sight->id, "%.*s", VH_STR_ARGS(id));
    return sight;
}

static void
check_task(struct run *run, struct viv_str id, struct vh_arena *arena)
{
    struct vh_task task;
    if (run->life.state.get_task(run->life.state.data, arena, id, &task, NULL)) {
        return;
    }
    struct sight *sight = sight_of(run, id);
    int64_t before = sight->state;
    bool first = task.state == VH_STATE_RUNNING && before == VH_STATE_PENDING;
    if (task.attempt > task.attempts_max || task.attempt < sight->attempt || task.lease < sight->lease) {
        broken(run, "attempt or lease out of order", id); /* I4, I11 */
    }
    if (task.lease - sight->lease > 1) {
        broken(run, "two leases in one command", id);
    }
    if (task.recoveries > VIV_RECOVERIES_MAX + 1) {
        broken(run, "too many recoveries", id);
    }
    if (task.held_micro && task.phase == VH_PHASE_IDLE && task.state != VH_STATE_AWAITING && !task.leased) {
        broken(run, "money set aside and nobody to settle it", id);
    }
    if (task.state == VH_STATE_READY && before != VH_STATE_READY) {
        check_ready(run, &task, arena);
    }
    if (first) {
        check_started(run, &task, arena);
    }
    if (!has_next(run, &task, arena)) {
        broken(run, "nobody will ever touch it again", id);
    }
    sight->state = task.state;
    sight->attempt = task.attempt;
    sight->lease = task.lease;
}

/* I5: each move of the last command is in the table, told from its events alone. */
static void
check_moves(struct run *run, size_t from_line)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    for (size_t i = from_line; i < run->count; i++) {
        struct vh_event event;
        assert_int_equal(vh_event_decode(arena, run->lines[i], &event, NULL), VIV_OK);
        struct viv_str from = vh_json_str(event.data, "from");
        if (from.len && vh_str_starts(event.kind, "task.")) {
            struct viv_str to = { event.kind.data + 5, event.kind.len - 5 };
            if (!vh_moves_allowed(vh_task_state_of(from), vh_task_state_of(to))) {
                broken(run, "a move outside of the table", event.task);
            }
        }
    }
    vh_arena_destroy(arena);
}

static void
name_of(int number, char name[32])
{
    snprintf(name, 32, "t%d", number);
}

static void
check_accounts(struct run *run)
{
    static const char *const scopes[] = { "home", "small" };
    for (size_t i = 0; i < 2; i++) {
        struct vh_scope scope = { 0 };
        (void)run->life.state.get_scope(run->life.state.data, run->scratch, vh_str(scopes[i]), &scope, NULL);
        if (scope.settled_micro + scope.reserved_micro > scope.limit_micro || scope.reserved_micro < 0 ||
            scope.settled_micro < 0) {
            broken(run, "an account beyond its limit", vh_str(scopes[i])); /* I9 */
        }
    }
}

/* Tasks that the new events name, and those that follow from them. */
static void
check_touched(struct run *run, size_t from_line)
{
    check_moves(run, from_line);
    for (size_t i = from_line; i < run->count; i++) {
        struct vh_event event;
        assert_int_equal(vh_event_decode(run->scratch, run->lines[i], &event, NULL), VIV_OK);
        if (event.task.len) {
            check_task(run, event.task, run->scratch);
        }
    }
    check_accounts(run);
}

static void
check_all(struct run *run)
{
    for (int i = 0; i < run->submitted; i++) {
        char name[40];
        for (int c = -1; c < 4; c++) {
            snprintf(name, sizeof name, c < 0 ? "t%d" : c % 2 ? "t%d.s1%s" : "t%d.s0%s", i, c < 2 ? "" : "-2");
            check_task(run, vh_str(name), run->scratch);
        }
    }
}

/* ---- commands ---- */

static bool
pick(struct run *run, char name[32], struct vh_task *task)
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
submit(struct run *run)
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
        snprintf(json, sizeof json, "{\"goal\":\"g\",\"attempts_max\":%d,\"depends\":[%s]}", 1 + (int)draw(run, 3), depends);
        run->submitted += life_say(&run->life, "task.submitted", name, json) == VIV_OK;
    }
}

static void
answer_badly(struct run *run, const char *name, const struct vh_ask *ask)
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
                 "{\"lease\":%lld,\"verdict\":%d,\"digest\":\"d%d\",\"reason\":\"r\",\"gate\":\"%.*s\",\"outcome\":\"%s\","
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
                 "{\"lease\":%lld,\"steps\":[{\"id\":\"s0\",\"goal\":\"g\"},{\"id\":\"s1\",\"goal\":\"g\",\"depends\":[%s]}]}",
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
answer_some(struct run *run)
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
person(struct run *run)
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
lose(struct run *run)
{
    char name[32], json[64];
    struct vh_task task;
    if (pick(run, name, &task)) {
        snprintf(json, sizeof json, "{\"lease\":%lld}", (long long)task.lease);
        (void)life_say(&run->life, "lease.expired", name, json);
    }
}

static void
policy(struct run *run)
{
    static const char *const policies[] = {
        "{}", "{\"gates\":{\"needs_qa\":[\"a\",\"b\"]},\"critics\":[\"k\"]}",
        "{\"gates\":{\"needs_qa\":[\"b\"],\"integration\":[\"c\"],\"e2e\":[\"d\",\"e\"]}}",
        "{\"gates\":{\"e2e\":[\"d\"]},\"critics\":[\"k\"],\"critic_threshold_permille\":700}"
    };
    life_must(&run->life, "policy.loaded", "", policies[draw(run, 4)]);
}

static void
one_command(struct run *run)
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
same_in_sql(struct run *run)
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
    assert_int_equal(vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, folder, NULL), VIV_OK);
}

static void
same_in_replay(struct run *run)
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
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->seed = seed;
    run->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    run->arena = vh_arena_create(NULL, 0);
    life_begin(&run->life);
    run->life.line = keep_line;
    run->life.line_data = run;
    /* what life_begin said is part of the log too */
    keep_line(run, VH_STR("{\"actor\":{\"name\":\"tester\",\"pid\":1,\"role\":\"person\",\"uid\":1},\"batch\":1,\"cause\":1,"
                          "\"data\":{\"epoch\":1,\"pid\":1},\"kind\":\"host.started\",\"seq\":1,"
                          "\"time_us\":1700000000000000,\"v\":1}"));
    for (run->command = 0; run->command < commands; run->command++) {
        size_t from = run->count;
        run->scratch = vh_arena_create(run->arena, 0);
        one_command(run);
        run->accepted += run->count > from;
        check_touched(run, from);
        if (run->command % 500 == 0) {
            check_all(run);
        }
        vh_arena_destroy(run->scratch);
    }
    assert_true(run->accepted > commands / 4);
    int64_t ready = 0;
    for (size_t i = 0; i < SIGHTS; i++) {
        ready += run->sights[i].state == VH_STATE_READY;
    }
    printf("seed %llu: %lld commands accepted, %zu events, %d tasks, %lld ready\n", (unsigned long long)seed,
           (long long)run->accepted, run->count, run->submitted, (long long)ready);
    assert_true(ready > 10);
    same_in_sql(run);
    same_in_replay(run);
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

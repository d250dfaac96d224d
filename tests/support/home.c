/* SPDX-License-Identifier: Apache-2.0 */
#include "cm.h"

#include "home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fs.h"
#include "life.h"
#include "base/str.h"
#include "keep/reader.h"
#include "keep/verify.h"
#include "replay/replay.h"
#include "scratch.h"

void
home_open(struct home *home)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_sequencer_options options = { .pid = getpid(), .uid = (int64_t)getuid() };
    home->arena = vh_arena_create(NULL, 0);
    home->answered = 0;
    pthread_mutex_init(&home->lock, NULL);
    viv_status status = vh_store_open(home->arena, home->path, NULL, &home->store, &err);
    if (status == VIV_OK) {
        status = vh_sequencer_start(vh_seam_real(), home->store, home->arena, &options, &home->sequencer, &err);
    }
    assert_string_equal(err.text, "");
    assert_int_equal(status, VIV_OK);
}

void
home_new(struct home *home)
{
    const char *below = getenv("TMPDIR");
    int len = snprintf(home->folder, sizeof home->folder, "%s/viv-home-XXXXXX", below && *below ? below : "/tmp");
    assert_true(len > 0 && (size_t)len < sizeof home->folder);
    assert_non_null(mkdtemp(home->folder));
    snprintf(home->path, sizeof home->path, "%s/vivarium.db", home->folder);
    home_open(home);
}

struct checking {
    struct vh_arena *arena;
    struct invariants *invariants;
    struct vh_replay *replay;
};

static bool
look_and_replay(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct checking *checking = data;
    struct viv_error err = VIV_ERROR_INIT;
    assert_string_equal(invariants_line(checking->invariants, line, hash), "");
    if (vh_replay_line(checking->replay, line, hash, &err)) {
        fail_msg("event %lld: %s", (long long)seq, err.text);
    }
    return true;
}

struct found {
    struct vh_store *store;
    struct viv_str task; /* whose events are read; empty: every event */
    int64_t events;
};

static bool
count_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct found *found = data;
    struct vh_event event;
    (void)hash;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    assert_int_equal(vh_event_decode(arena, line, &event, NULL), VIV_OK);
    if (found->task.len && !vh_str_equal(found->task, event.task)) {
        fail_msg("event %lld is found for task '%.*s' and is about '%.*s'", (long long)seq, VH_STR_ARGS(found->task),
                 VH_STR_ARGS(event.task));
    }
    found->events += event.task.len != 0;
    vh_arena_destroy(arena);
    return true;
}

static bool
count_of_task(void *data, const struct vh_task *task)
{
    struct found *found = data;
    found->task = task->id;
    return vh_reader_events(found->store, 0, task->id, count_event, found, NULL) == VIV_OK;
}

/* Read by tasks, the log has the same events. */
static void
check_by_tasks(struct vh_store *store, struct vh_arena *arena)
{
    struct found all = { .store = store }, by_task = { .store = store };
    struct viv_str every = { NULL, 0 };
    assert_int_equal(vh_reader_events(store, 0, every, count_event, &all, NULL), VIV_OK);
    assert_int_equal(vh_reader_tasks(store, arena, every, 0, count_of_task, &by_task, NULL), VIV_OK);
    assert_int_equal(by_task.events, all.events);
}

/* `home` is NULL for a log alone. */
static void
check(struct vh_store *store, struct home *home)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_verify_result verified;
    assert_int_equal(vh_verify_log(store, &verified, &err), VIV_OK);
    assert_string_equal(verified.problem, "");
    struct vh_rebuild_result rebuilt;
    viv_status status = vh_verify_rebuild(store, false, &rebuilt, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(status, VIV_OK);
    assert_string_equal(rebuilt.found, rebuilt.rebuilt);
    assert_true(rebuilt.same);

    struct checking checking = { .arena = vh_arena_create(NULL, 0) };
    struct invariants *invariants = checking.invariants = invariants_create(checking.arena);
    struct viv_str all = { NULL, 0 };
    assert_int_equal(vh_replay_begin(checking.arena, all, &checking.replay, &err), VIV_OK);
    assert_int_equal(vh_reader_events(store, 0, all, look_and_replay, &checking, &err), VIV_OK);
    assert_string_equal(invariants_rest_all(invariants), "");
    assert_string_equal(invariants_effects(invariants), "");
    assert_string_equal(invariants_rows(invariants, store), "");
    assert_string_equal(invariants_keys(invariants, store), "");
    for (size_t i = 0; home && i < home->answered; i++) {
        const struct home_answer *noted = &home->answers[i];
        struct invariants_answer answer = { noted->seq, noted->kind, vh_str(noted->task) };
        assert_string_equal(invariants_answered(invariants, store, &answer), "");
    }
    struct vh_replay_result replayed = { 0 };
    assert_int_equal(vh_replay_finish(checking.replay, &replayed, &err), VIV_OK);
    if (replayed.finding != VH_REPLAY_AGREES) {
        fail_msg("replay: event %lld differs in %s\nrecorded %.*s\ndecided  %.*s", (long long)replayed.seq,
                 replayed.what, VH_STR_ARGS(replayed.recorded), VH_STR_ARGS(replayed.decided));
    }
    assert_int_equal(replayed.events, verified.events);
    check_by_tasks(store, checking.arena);
    vh_arena_destroy(checking.arena);
}

void
home_check(struct vh_store *store)
{
    check(store, NULL);
}

void
home_stop(struct home *home)
{
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = vh_sequencer_stop(home->sequencer, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(status, VIV_OK);
    check(home->store, home);
    vh_store_close(home->store);
    vh_arena_destroy(home->arena);
}

void
home_end(struct home *home)
{
    home_stop(home);
    scratch_clear(home->folder);
}

static void
note_answer(struct home *home, const struct vh_answer *answer)
{
    pthread_mutex_lock(&home->lock);
    if (home->answered < HOME_ANSWERS) {
        struct home_answer *noted = &home->answers[home->answered++];
        *noted = (struct home_answer){ .seq = answer->seq, .kind = answer->kind };
        snprintf(noted->task, sizeof noted->task, "%.*s", VH_STR_ARGS(answer->task));
    }
    pthread_mutex_unlock(&home->lock);
}

viv_status
home_say_in(struct home *home, struct vh_arena *arena, const struct home_words *words, struct vh_answer *ret_answer,
            struct viv_error *err)
{
    struct vh_json *data = NULL;
    assert_int_equal(vh_json_import(arena, vh_str(words->json), &data, NULL), VIV_OK);
    struct vh_command command = {
        .kind = vh_str(words->kind),
        .task = vh_str(words->task),
        .key = vh_str(words->key),
        .actor = { VH_STR("person"), VH_STR("tester"), 1, 1 },
        .data = data,
    };
    viv_status status = vh_sequencer_call(home->sequencer, &command, true, arena, ret_answer, err);
    if (status == VIV_OK) {
        note_answer(home, ret_answer);
    }
    return status;
}

viv_status
home_say(struct home *home, const char *kind, const char *task, const char *key, const char *json,
         struct vh_answer *ret_answer, struct viv_error *err)
{
    const struct home_words words = { kind, task, key, json };
    return home_say_in(home, home->arena, &words, ret_answer, err);
}

struct vh_answer
home_must(struct home *home, const char *kind, const char *task, const char *json)
{
    struct vh_answer answer = { 0 };
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = home_say(home, kind, task, "", json, &answer, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(status, VIV_OK);
    return answer;
}

int64_t
home_walk(struct home *home, const char *task, enum vh_phase phase)
{
    struct vh_answer answer = home_must(home, "task.claimed", task, "{\"worker\":\"w\"}");
    struct vh_ask ask = answer.ask;
    int64_t lease = ask.task.lease;
    while (ask.what != phase && ask.what != VH_PHASE_IDLE) {
        const char *kind = NULL;
        char json[512];
        life_good_answer(&ask, &kind, json, sizeof json);
        ask = home_must(home, kind, task, json).ask;
    }
    assert_int_equal(ask.what, phase);
    return lease;
}

static viv_status
say_and_note(struct home *home, const char *kind, const char *task, const char *json, struct vh_answer *answer,
             int64_t *ret_synced, struct viv_error *err)
{
    bool is_new = strcmp(kind, "task.submitted") == 0;
    viv_status status = home_say(home, kind, task, is_new ? task : "", json, answer, err);
    if (status == VIV_OK && answer->synced) {
        *ret_synced = answer->seq;
    }
    return status;
}

viv_status
home_live(struct home *home, const char *id, int64_t *ret_synced, struct viv_error *err)
{
    static const char policy[] =
        "{\"gates\":{\"needs_qa\":[\"q\"],\"integration\":[\"i\"],\"e2e\":[\"e\"]},\"critics\":[\"c\"]}";
    static const char submit[] = "{\"goal\":\"g\",\"attempts_max\":2}";
    struct vh_answer answer = { 0 };
    viv_status status = say_and_note(home, "policy.loaded", "", policy, &answer, ret_synced, err);
    status = status ? status : say_and_note(home, "task.submitted", id, submit, &answer, ret_synced, err);
    status = status ? status
                    : say_and_note(home, "task.claimed", id, "{\"worker\":\"w\"}", &answer, ret_synced, err);
    while (status == VIV_OK && answer.ask.what != VH_PHASE_IDLE) {
        const char *kind = NULL;
        char json[512];
        life_good_answer(&answer.ask, &kind, json, sizeof json);
        status = say_and_note(home, kind, id, json, &answer, ret_synced, err);
    }
    return status;
}

void
home_again(struct home *home)
{
    (void)vh_sequencer_stop(home->sequencer, NULL); /* dead, or not: what is on disk counts */
    vh_store_close(home->store);
    vh_arena_destroy(home->arena);
    home_open(home);
}

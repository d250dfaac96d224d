/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a log that was altered, or a program that would decide otherwise today, goes unnoticed: replay
 * compares the log with itself. A life through the real store, exported; honest it agrees; one changed answer, one
 * changed time, each changed member of an effect, one changed row of the table of moves are each told at exactly
 * that event, with and without a repaired chain. */
#include "../../support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/home.h"
#include "base/fs.h"
#include "base/str.h"
#include "core/chain.h"
#include "keep/export.h"
#include "replay/replay.h"

#define FILE_MAX ((size_t)1 << 24)

struct logged {
    struct vh_arena *arena;
    struct viv_str event[512];
    struct vh_hash hash[512];
    size_t count;
    char folder[64];
    char path[96];
};

static void
split(struct logged *log, struct viv_str bytes)
{
    static const char before[] = "{\"event\":";
    const char *at = bytes.data;
    const char *end = bytes.data + bytes.len;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        assert_non_null(stop);
        size_t len = (size_t)(stop - at) - (sizeof before - 1) - (sizeof ",\"hash\":\"" - 1) - 64 - 2;
        assert_true(log->count < 512);
        log->event[log->count] = (struct viv_str){ at + sizeof before - 1, len };
        assert_true(vh_hash_parse((struct viv_str){ stop - 66, 64 }, &log->hash[log->count]));
        log->count++;
        at = stop + 1;
    }
}

/* As the executor records them, member for member. */
static const char effect_started[] =
    "{\"by\":\"tests.skill\",\"digest\":\"d0d0\",\"effect\":\"exec\",\"lease\":1,\"ordinal\":0,\"reason\":\"r\","
    "\"reasons\":[],\"stage\":\"execute\",\"verdict\":2,\"what\":{\"argv\":[\"make\"]}}";
static const char effect_finished[] =
    "{\"digest\":\"d0d0\",\"duration_us\":5,\"effect\":\"exec\",\"errors\":\"\",\"exit_code\":0,\"lease\":1,"
    "\"ordinal\":0,\"output\":\"all well\",\"output_bytes\":8,\"output_digest\":\"e0e0\",\"output_kept\":\"k\","
    "\"status\":0}";

/* Two tasks, every stage with a gate, one rejection, one question, one refusal under a key; a third with an effect. */
static void
make(struct logged *log)
{
    struct home home;
    struct vh_answer answer;
    struct viv_error err = VIV_ERROR_INIT;
    memset(log, 0, sizeof *log);
    log->arena = vh_arena_create(NULL, 0);
    home_new(&home);
    home_must(&home, "policy.loaded", "",
              "{\"gates\":{\"needs_qa\":[\"q\"],\"integration\":[\"i\"],\"e2e\":[\"e\"]},\"critics\":[\"k\"]}");
    home_must(&home, "task.submitted", "t1", "{\"goal\":\"g\",\"attempts_max\":2}");
    home_must(&home, "task.submitted", "t2", "{\"goal\":\"g\",\"attempts_max\":2,\"depends\":[\"t1\"]}");
    assert_int_equal(home_say(&home, "task.submitted", "t2", "key", "{\"goal\":\"g\",\"attempts_max\":2}", &answer,
                              &err),
                     VIV_E_EXISTS);
    (void)home_walk(&home, "t1", VH_PHASE_GATE_QA);
    home_must(&home, "gate.answered", "t1", "{\"lease\":1,\"gate\":\"q\",\"tree\":\"T1\",\"outcome\":\"failed\"}");
    home_must(&home, "settle.priced", "t1", "{\"lease\":1,\"cost_micro\":3}");
    (void)home_walk(&home, "t1", VH_PHASE_IDLE);
    (void)home_walk(&home, "t2", VH_PHASE_IDLE);
    home_must(&home, "task.submitted", "t3", "{\"goal\":\"g\",\"attempts_max\":2}");
    (void)home_walk(&home, "t3", VH_PHASE_EXECUTE);
    home_must(&home, "effect.started", "t3", effect_started);
    home_must(&home, "effect.finished", "t3", effect_finished);
    int64_t seq = 0;
    strcpy(log->folder, "/tmp/viv-replay-XXXXXX");
    assert_non_null(mkdtemp(log->folder));
    snprintf(log->path, sizeof log->path, "%s/log.jsonl", log->folder);
    assert_int_equal(vh_sequencer_flush(home.sequencer, NULL), VIV_OK);
    struct vh_store *reader = NULL;
    assert_int_equal(vh_store_open_read(home.arena, home.path, &reader, &err), VIV_OK);
    assert_int_equal(vh_export_update(vh_seam_real(), reader, AT_FDCWD, log->path, &seq, &err), VIV_OK);
    vh_store_close(reader);
    struct viv_str bytes;
    assert_int_equal(vh_fs_read(vh_seam_real(), log->arena, AT_FDCWD, log->path, FILE_MAX, &bytes, &err), VIV_OK);
    split(log, bytes);
    assert_int_equal(log->count, seq);
    home_end(&home);
}

static void
end(struct logged *log)
{
    assert_int_equal(vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, log->folder, NULL), VIV_OK);
    vh_arena_destroy(log->arena);
}

static void
save(const struct logged *log)
{
    FILE *file = fopen(log->path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < log->count; i++) {
        char hex[VH_HASH_HEX];
        vh_hash_hex(&log->hash[i], hex);
        fprintf(file, "{\"event\":%.*s,\"hash\":\"%s\"}\n", VH_STR_ARGS(log->event[i]), hex);
    }
    assert_int_equal(fclose(file), 0);
}

/* Run a replay program; its exit code, and what it printed. */
static int
run(const char *program, const char *arguments, char *ret_text, size_t size)
{
    char command[512];
    snprintf(command, sizeof command, "%s %s 2>&1", program, arguments);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    size_t len = fread(ret_text, 1, size - 1, out);
    ret_text[len] = '\0';
    int status = pclose(out);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The first event of that kind about that task from `from` on; its place in the list. */
static size_t
find(const struct logged *log, const char *kind, const char *task, size_t from)
{
    char words[128];
    for (size_t i = from; i < log->count; i++) {
        char *text = vh_arena_text_of(log->arena, log->event[i]);
        snprintf(words, sizeof words, "\"kind\":\"%s\"", kind);
        bool is_kind = strstr(text, words) != NULL;
        snprintf(words, sizeof words, "\"task\":\"%s\"", task);
        if (is_kind && (!*task || strstr(text, words))) {
            return i;
        }
    }
    fail_msg("no %s of '%s'", kind, task);
    return 0;
}

static void
alter(struct logged *log, size_t at, const char *from, const char *to)
{
    char *text = vh_arena_text_of(log->arena, log->event[at]);
    char *place = strstr(text, from);
    assert_non_null(place);
    char *changed = vh_arena_format(log->arena, "%.*s%s%s", (int)(place - text), text, to, place + strlen(from));
    log->event[at] = vh_str(changed);
}

/* As somebody would who alters a log and knows how it is made. */
static void
repair_chain(struct logged *log, size_t from)
{
    struct vh_hash head = { { 0 } };
    for (size_t i = 0; i < log->count; i++) {
        if (i < from) {
            head = log->hash[i];
            continue;
        }
        assert_true(vh_chain_add(&head, log->event[i]));
        log->hash[i] = head;
    }
}

static void
replay(const struct logged *log, const char *task, struct vh_replay_result *ret_result)
{
    struct vh_replay *replay = NULL;
    struct vh_arena *arena = log->arena;
    assert_int_equal(vh_replay_begin(arena, vh_str(task), &replay, NULL), VIV_OK);
    for (size_t i = 0; i < log->count; i++) {
        assert_int_equal(vh_replay_line(replay, log->event[i], &log->hash[i], NULL), VIV_OK);
    }
    assert_int_equal(vh_replay_finish(replay, ret_result, NULL), VIV_OK);
}

static void
check(const struct logged *log, enum vh_replay_finding finding, size_t at, size_t cause, const char *what)
{
    struct vh_replay_result result;
    replay(log, "", &result);
    if (result.finding != finding || result.seq != (int64_t)at + 1 || result.cause != (int64_t)cause + 1 ||
        strcmp(result.what, what) != 0) {
        fail_msg("finding %d at %lld from %lld in '%s', wanted %d at %zu from %zu in '%s'\n%.*s\n%.*s", result.finding,
                 (long long)result.seq, (long long)result.cause, result.what, finding, at + 1, cause + 1, what,
                 VH_STR_ARGS(result.recorded), VH_STR_ARGS(result.decided));
    }
}

static void
an_honest_log_agrees(void **state)
{
    (void)state;
    struct logged log;
    char text[4096];
    make(&log);
    assert_int_equal(run(VIVREPLAY, log.path, text, sizeof text), 0);
    assert_non_null(strstr(text, "agrees: "));
    struct vh_replay_result result;
    replay(&log, "", &result);
    assert_int_equal(result.finding, VH_REPLAY_AGREES);
    assert_int_equal(result.events, log.count);
    assert_true(result.commands > 30 && result.commands < result.events);
    end(&log);
}

static void
an_altered_answer_is_told(void **state)
{
    (void)state;
    struct logged log;
    char text[4096];
    make(&log);
    size_t at = find(&log, "gate.answered", "t1", 0);
    alter(&log, at, "\"outcome\":\"failed\"", "\"outcome\":\"passed\"");
    check(&log, VH_REPLAY_ALTERED, at, at, "hash");
    save(&log);
    assert_int_equal(run(VIVREPLAY, log.path, text, sizeof text), 1);
    char words[64];
    snprintf(words, sizeof words, "event %zu was altered in 'hash'", at + 1);
    assert_non_null(strstr(text, words));
    repair_chain(&log, at);
    check(&log, VH_REPLAY_DIVERGES, at + 1, at, "kind"); /* what follows from it, and it is named as the cause */
    save(&log);
    assert_int_equal(run(VIVREPLAY, log.path, text, sizeof text), 1);
    snprintf(words, sizeof words, "event %zu is decided otherwise in 'kind', it follows from event %zu", at + 2,
             at + 1);
    assert_non_null(strstr(text, words));
    assert_non_null(strstr(text, "recorded: {"));
    end(&log);
}

/* What a command was, and what came of it: each member changed alone is told at that event and at no other. */
static void
an_altered_effect_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        const char *from;
        const char *to;
    } changes[] = {
        {"effect.finished", "\"exit_code\":0", "\"exit_code\":1"},
        {"effect.finished", "\"output\":\"all well\"", "\"output\":\"all bad\""},
        {"effect.finished", "\"output_bytes\":8", "\"output_bytes\":9"},
        {"effect.finished", "\"output_digest\":\"e0e0\"", "\"output_digest\":\"e0e1\""},
        {"effect.finished", "\"output_kept\":\"k\"", "\"output_kept\":\"l\""},
        {"effect.finished", "\"errors\":\"\"", "\"errors\":\"none\""},
        {"effect.finished", "\"duration_us\":5", "\"duration_us\":4"},
        {"effect.finished", "\"status\":0", "\"status\":-1"},
        {"effect.finished", "\"digest\":\"d0d0\"", "\"digest\":\"d0d1\""},
        {"effect.finished", "\"time_us\":1", "\"time_us\":2"},
        {"effect.started", "\"digest\":\"d0d0\"", "\"digest\":\"d0d1\""},
        {"effect.started", "\"argv\":[\"make\"]", "\"argv\":[\"rm\"]"},
        {"effect.started", "\"verdict\":2", "\"verdict\":1"},
        {"effect.started", "\"reason\":\"r\"", "\"reason\":\"s\""},
        {"effect.started", "\"by\":\"tests.skill\"", "\"by\":\"tests.other\""},
        {"effect.started", "\"time_us\":1", "\"time_us\":2"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct logged log;
        char text[4096], words[64];
        make(&log);
        size_t at = find(&log, changes[i].kind, "t3", 0);
        alter(&log, at, changes[i].from, changes[i].to);
        check(&log, VH_REPLAY_ALTERED, at, at, "hash");
        save(&log);
        assert_int_equal(run(VIVREPLAY, log.path, text, sizeof text), 1);
        snprintf(words, sizeof words, "event %zu was altered in 'hash'", at + 1);
        assert_non_null(strstr(text, words));
        end(&log);
    }
}

static void
an_altered_time_is_told(void **state)
{
    (void)state;
    struct logged log;
    make(&log);
    size_t at = find(&log, "task.claimed", "t2", 0);
    alter(&log, at, "\"time_us\":1", "\"time_us\":2");
    check(&log, VH_REPLAY_ALTERED, at, at, "hash");
    repair_chain(&log, at);
    check(&log, VH_REPLAY_DIVERGES, at, at, "data"); /* the lease would end at another time */
    end(&log);
    make(&log);
    at = find(&log, "task.ready", "t1", 0);
    alter(&log, at, "\"time_us\":1", "\"time_us\":2");
    repair_chain(&log, at);
    check(&log, VH_REPLAY_DIVERGES, at, at - 1, "time_us");
    end(&log);
}

static void
an_altered_move_is_told(void **state)
{
    (void)state;
    struct logged log;
    char text[4096], words[128];
    make(&log);
    size_t at = find(&log, "task.e2e", "t1", 0);
    assert_int_equal(run(VIVREPLAY_ALTERED, log.path, text, sizeof text), 1);
    snprintf(words, sizeof words, "event %zu is decided otherwise in 'one more'", at + 1);
    if (!strstr(text, words)) {
        fail_msg("'%s' does not say '%s'", text, words);
    }
    assert_non_null(strstr(text, "decided:  task 't1' is integration and cannot become e2e"));
    end(&log);
}

/* Only one task's differences are told, though all is replayed: the other's are there, too. */
static void
one_task_is_enough(void **state)
{
    (void)state;
    struct logged log;
    char text[4096], arguments[160];
    struct vh_replay_result result;
    make(&log);
    size_t at = find(&log, "review.made", "t2", 0);
    alter(&log, at, "\"score_permille\":900", "\"score_permille\":1");
    repair_chain(&log, at);
    replay(&log, "t2", &result);
    assert_int_equal(result.finding, VH_REPLAY_DIVERGES);
    assert_int_equal(result.cause, at + 1);
    replay(&log, "t1", &result);
    assert_int_equal(result.finding, VH_REPLAY_AGREES);
    assert_int_equal(result.events, log.count);
    save(&log);
    snprintf(arguments, sizeof arguments, "--task t1 %s", log.path);
    assert_int_equal(run(VIVREPLAY, arguments, text, sizeof text), 0);
    snprintf(arguments, sizeof arguments, "--task t2 %s", log.path);
    assert_int_equal(run(VIVREPLAY, arguments, text, sizeof text), 1);
    end(&log);
}

static void
missing_and_foreign_lines_are_told(void **state)
{
    (void)state;
    struct logged log;
    char text[4096];
    make(&log);
    size_t at = find(&log, "task.e2e", "t1", 0);
    struct logged cut = log;
    memmove(&cut.event[at], &cut.event[at + 1], (cut.count - at - 1) * sizeof cut.event[0]);
    memmove(&cut.hash[at], &cut.hash[at + 1], (cut.count - at - 1) * sizeof cut.hash[0]);
    cut.count--;
    check(&cut, VH_REPLAY_ALTERED, at, at + 1, "seq");
    cut = log;
    cut.count = at; /* the end is gone: what follows from the last command is missed */
    check(&cut, VH_REPLAY_DIVERGES, at, at - 2, "one less");
    cut = log;
    cut.event[at] = VH_STR("not a record");
    check(&cut, VH_REPLAY_ALTERED, at, at, "unreadable");
    FILE *file = fopen(log.path, "w");
    fprintf(file, "hello\n");
    fclose(file);
    assert_int_equal(run(VIVREPLAY, log.path, text, sizeof text), 1);
    assert_non_null(strstr(text, "event 1 was altered in 'unreadable'"));
    assert_int_equal(run(VIVREPLAY, "/nowhere/at/all", text, sizeof text), 2);
    assert_non_null(strstr(text, "cannot open '/nowhere/at/all'"));
    assert_int_equal(run(VIVREPLAY, "--colour", text, sizeof text), 2);
    end(&log);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_log_agrees),
        cmocka_unit_test(an_altered_answer_is_told),
        cmocka_unit_test(an_altered_effect_is_told),
        cmocka_unit_test(an_altered_time_is_told),
        cmocka_unit_test(an_altered_move_is_told),
        cmocka_unit_test(one_task_is_enough),
        cmocka_unit_test(missing_and_foreign_lines_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

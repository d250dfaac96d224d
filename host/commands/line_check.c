/* SPDX-License-Identifier: Apache-2.0 */
#include "line_check.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "keep/reader.h"
#include "run/line.h"

#define LINES_MAX 256 /* the first ones; who has more sees those */

struct published {
    const char *target;
    const char *line;
    struct vh_git_id commit;
};

struct looking {
    struct vh_cli *cli;
    struct vh_store *store;
    struct published line[LINES_MAX];
    int count;
    struct viv_error err;
    viv_status status;
};

/* The last word of each line stands in the end. */
static void
note(struct looking *l, const char *target, const char *line, struct viv_str commit)
{
    int i = 0;
    while (i < l->count && (strcmp(l->line[i].target, target) != 0 || strcmp(l->line[i].line, line) != 0)) {
        i++;
    }
    if (i == LINES_MAX) {
        return;
    }
    if (i == l->count) {
        l->line[i].target = vh_arena_text(l->cli->arena, target);
        l->line[i].line = vh_arena_text(l->cli->arena, line);
        l->count += l->line[i].target && l->line[i].line;
    }
    l->line[i].commit = vh_run_id(commit);
}

static viv_status
note_event(struct looking *l, struct vh_arena *arena, struct viv_str text)
{
    struct vh_event event;
    struct vh_task task;
    struct vh_json *base = NULL;
    struct vh_state_ops state = vh_store_state(l->store);
    viv_status status = vh_event_decode(arena, text, &event, &l->err);
    if (status) {
        return status;
    }
    struct viv_str commit = vh_json_str(event.data, vh_str_is(event.kind, "publish.finished") ? "published" : "commit");
    if (commit.len == 0) {
        return VIV_OK; /* nothing to publish or to undo, or it failed */
    }
    status = state.get_task(state.data, arena, event.task, &task, &l->err);
    status = status ? status : vh_json_read(arena, task.base, &base, &l->err);
    if (status == VIV_OK) {
        struct viv_str said = vh_json_str(event.data, "line");
        const char *line = vh_arena_text_of(arena, said.len ? said : vh_json_str(base, "line_ref"));
        const char *target = vh_run_place(&l->cli->app.run, arena, task.target);
        if (line && target && *line) {
            note(l, target, line, commit);
        }
    }
    return status;
}

static bool
each(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    static const char publish[] = "\"kind\":\"publish.finished\"", rollback[] = "\"kind\":\"rollback.finished\"";
    struct looking *l = data;
    (void)seq;
    (void)hash;
    if (memmem(line.data, (size_t)line.len, publish, sizeof publish - 1) ||
        memmem(line.data, (size_t)line.len, rollback, sizeof rollback - 1)) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        l->status = arena ? note_event(l, arena, line) : vh_error_set(&l->err, VIV_E_MEMORY, "line", "no memory");
        vh_arena_destroy(arena);
    }
    return l->status == VIV_OK;
}

/* NULL: where the log left it. */
static const char *
compare(struct looking *l, struct vh_arena *arena, const struct published *published)
{
    struct vh_target target;
    struct vh_git_id tip = { { 0 } };
    bool ahead = false, behind = false;
    struct vh_arena *words = l->cli->arena;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = vh_target_open(&l->cli->app.run.tools, arena, published->target, &target, &err);
    status = status ? status : vh_target_ref(&target, arena, published->line, &tip, &err);
    if (status == VIV_OK && vh_git_same(&tip, &published->commit)) {
        return NULL;
    }
    if (status == VIV_OK && tip.hex[0]) {
        ahead = vh_line_contains(&target, arena, &tip, &published->commit, &ahead, NULL) == VIV_OK && ahead;
        behind = vh_line_contains(&target, arena, &published->commit, &tip, &behind, NULL) == VIV_OK && behind;
    }
    if (status) {
        return vh_arena_format(words, "line '%s' cannot be looked at: %s", published->line, err.text);
    }
    return vh_arena_format(words, "line '%s' of '%s' %s: the log published %.12s last, %s%.12s is there; nothing was "
                           "moved, new work begins where the line stands", published->line, published->target,
                           !tip.hex[0] ? "is missing"
                           : ahead     ? "is ahead of the log"
                           : behind    ? "is behind the log"
                                       : "went another way than the log",
                           published->commit.hex, tip.hex[0] ? "" : "nothing", tip.hex);
}

int
vh_line_check(struct vh_cli *cli, void (*say)(void *data, const char *text), void *data, int *ret_bad)
{
    struct looking *l = vh_arena_alloc(cli->arena, sizeof *l);
    const char *path = vh_arena_format(cli->arena, "%s/vivarium.db", cli->app.home_path);
    *ret_bad = 0;
    if (!l || !path) {
        return 0;
    }
    *l = (struct looking){ .cli = cli, .err = VIV_ERROR_INIT };
    viv_status status = vh_store_open_read(cli->arena, path, &l->store, &l->err);
    status = status ? status : vh_reader_events(l->store, 0, (struct viv_str){ NULL, 0 }, each, l, &l->err);
    vh_store_close(l->store);
    if (status || l->status) {
        *ret_bad = 1;
        say(data, l->err.text);
        return 0;
    }
    for (int i = 0; i < l->count; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        const char *words = arena ? compare(l, arena, &l->line[i]) : "no memory to look at a line";
        if (words) {
            ++*ret_bad;
            say(data, words);
        }
        vh_arena_destroy(arena);
    }
    return l->count;
}

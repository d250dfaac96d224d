/* SPDX-License-Identifier: Apache-2.0 */
/* Events in words, for people: what happened, not how the machine calls it. */
#include "follow.h"

#include <string.h>

#include "base/str.h"

#define WORDS(...) vh_arena_format(cli->arena, __VA_ARGS__)
#define LINE_MAX_BYTES 200
#define REASON_MAX_BYTES 400
#define TAIL_LINES 5
#define NAMES_MAX 5

static struct viv_str
data_str(const struct vh_json *event, const char *key)
{
    return vh_json_str(vh_json_get(event, "data"), key);
}

static int64_t
data_int(const struct vh_json *event, const char *key)
{
    return vh_json_int(vh_json_get(event, "data"), key, 0);
}

static const struct vh_json *
data_get(const struct vh_json *event, const char *key)
{
    return vh_json_get(vh_json_get(event, "data"), key);
}

static const char *
line_of(struct vh_cli *cli, struct viv_str text)
{
    return vh_cli_line(cli, text, LINE_MAX_BYTES);
}

/* Why something was not done; it may have several lines. */
static const char *
reason_of(struct vh_cli *cli, struct viv_str text)
{
    return vh_cli_lines(cli, text, REASON_MAX_BYTES, 6);
}

static const char *
failure_of(struct vh_cli *cli, const struct vh_json *event)
{
    return reason_of(cli, vh_json_str(data_get(event, "failure"), "text"));
}

/* The last lines of a text, each on a line of its own, indented. */
static const char *
tail_of(struct vh_cli *cli, struct viv_str text)
{
    struct vh_buf buf;
    uint64_t from = text.len;
    while (text.len && text.data[text.len - 1] == '\n') {
        text.len--;
    }
    from = text.len;
    for (int lines = 0; from > 0 && lines < TAIL_LINES; from--) {
        lines += text.data[from - 1] == '\n';
        if (lines == TAIL_LINES) {
            break;
        }
    }
    vh_buf_init(&buf, cli->arena, 8192);
    while (from < text.len) {
        const char *end = memchr(text.data + from, '\n', (size_t)(text.len - from));
        uint64_t len = end ? (uint64_t)(end - text.data) - from : text.len - from;
        vh_buf_text(&buf, "\n      ");
        vh_buf_text(&buf, line_of(cli, (struct viv_str){ text.data + from, len }));
        from += len + 1;
    }
    return buf.len && !buf.failed ? buf.data : "";
}

/* What an effect is about: its program, or its path. */
static const char *
effect_words(struct vh_cli *cli, const struct vh_json *event)
{
    const struct vh_json *what = data_get(event, "what");
    const struct vh_json *stages = vh_json_get(vh_json_get(what, "spec"), "stages");
    struct vh_buf buf;
    if (!stages) {
        return line_of(cli, vh_json_str(what, "path"));
    }
    vh_buf_init(&buf, cli->arena, 4096);
    for (const struct vh_json *stage = stages->child; stage && !buf.failed; stage = stage->next) {
        const struct vh_json *argv = vh_json_get(stage, "argv");
        vh_buf_text(&buf, stage == stages->child ? "" : " | ");
        for (const struct vh_json *word = argv ? argv->child : NULL; word && !buf.failed; word = word->next) {
            vh_buf_text(&buf, word == argv->child ? "" : " ");
            vh_buf_str(&buf, word->text);
        }
    }
    return buf.len ? line_of(cli, (struct viv_str){ buf.data, buf.len }) : "...";
}

static const char *
words_of_effect(struct vh_cli *cli, const struct vh_json *event, struct viv_str kind)
{
    struct viv_str effect = data_str(event, "effect");
    bool command = vh_str_is(effect, "exec");
    const char *name = command ? "command" : line_of(cli, effect);
    if (vh_str_is(kind, "effect.started")) {
        const char *about = effect_words(cli, event);
        return *about ? WORDS("%s: %s", command ? "runs" : name, about) : NULL;
    }
    if (vh_str_is(kind, "effect.refused")) {
        return WORDS("%s denied: %s (%s)", name, effect_words(cli, event), reason_of(cli, data_str(event, "reason")));
    }
    if (vh_str_is(kind, "effect.asked")) {
        return WORDS("%s needs a person's word: %s (%s)", name, effect_words(cli, event),
                     reason_of(cli, data_str(event, "reason")));
    }
    struct viv_str text = data_str(event, "text");
    struct viv_str errors = data_str(event, "errors");
    int64_t code = data_int(event, "exit_code");
    if (code) {
        return WORDS("%s ended with exit code %lld%s%s%s", name, (long long)code, text.len ? ", " : "",
                     reason_of(cli, text), tail_of(cli, errors.len ? errors : data_str(event, "output")));
    }
    return text.len ? WORDS("%s: %s", name, reason_of(cli, text)) : NULL;
}

static const char *
words_of_reasons(struct vh_cli *cli, const struct vh_json *event)
{
    const struct vh_json *reasons = data_get(event, "reasons");
    struct vh_buf buf;
    vh_buf_init(&buf, cli->arena, 8192);
    vh_buf_text(&buf, "attempt rejected; the next one is told why:");
    int count = 0;
    for (const struct vh_json *r = reasons ? reasons->child : NULL; r && count < TAIL_LINES; r = r->next, count++) {
        vh_buf_text(&buf, "\n      ");
        struct viv_str text = r->type == VH_JSON_STRING ? r->text : vh_json_str(r, "text");
        vh_buf_text(&buf, vh_cli_lines(cli, text.len ? text : vh_json_print(cli->arena, r), REASON_MAX_BYTES, 8));
    }
    return buf.failed ? "attempt rejected" : buf.data;
}

/* States with a word for people; the others show by what follows. */
static const char *
words_of_state(struct vh_cli *cli, struct viv_str state, struct viv_str reason)
{
    static const struct {
        const char *state;
        const char *words;
        bool always;
    } rows[] = {
        { "blocked", "waits for other tasks", true },    { "pending", "waits for a worker", false },
        { "ready", "done", true },                       { "failed", "failed", true },
        { "awaiting_approval", "waits for a person", false }, { "expanded", "split into steps", true },
        { "cancelled", "cancelled", true },              { "rolled_back", "rolled back", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (vh_str_is(state, rows[i].state) && (rows[i].always || reason.len)) {
            return WORDS("%s%s%s", rows[i].words, reason.len ? ": " : "", reason_of(cli, reason));
        }
    }
    return NULL;
}

static const char *
words_of_task(struct vh_cli *cli, const struct vh_json *event, struct viv_str kind)
{
    if (vh_str_is(kind, "task.rejected")) {
        return words_of_reasons(cli, event);
    }
    if (vh_str_is(kind, "task.asked")) {
        return WORDS("a person must decide: %s", reason_of(cli, data_str(event, "text")));
    }
    if (vh_str_is(kind, "task.delayed")) {
        return WORDS("tried again later: %s", reason_of(cli, data_str(event, "reason")));
    }
    if (vh_str_is(kind, "task.submitted")) {
        return "queued";
    }
    if (vh_str_is(kind, "task.child")) {
        return WORDS("a step of %s", line_of(cli, data_str(event, "parent")));
    }
    if (vh_str_is(kind, "task.claimed")) {
        return WORDS("taken by worker %s", line_of(cli, data_str(event, "worker")));
    }
    return words_of_state(cli, (struct viv_str){ kind.data + 5, kind.len - 5 }, data_str(event, "reason"));
}

static const char *
words_of_gate(struct vh_cli *cli, const struct vh_json *event)
{
    static const char *const stages[][2] = { { "needs_qa", "quality check" },
                                             { "integration", "check of the merged result" },
                                             { "e2e", "end-to-end check" } };
    struct viv_str outcome = data_str(event, "outcome"), stage = data_str(event, "stage");
    const struct vh_json *findings = data_get(event, "findings");
    const char *name = line_of(cli, stage);
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        name = vh_str_is(stage, stages[i][0]) ? stages[i][1] : name;
    }
    if (vh_str_is(outcome, "not_configured")) {
        return WORDS("%s: none is configured", name);
    }
    struct viv_str text = vh_json_str(findings ? findings->child : NULL, "text");
    const char *failure = failure_of(cli, event);
    return WORDS("%s: %s%s%s%s", name, line_of(cli, outcome), *failure ? ", " : "", failure, tail_of(cli, text));
}

static const char *
words_of_publish(struct vh_cli *cli, const struct vh_json *event)
{
    struct viv_str commit = data_str(event, "published");
    struct viv_str left = data_str(event, "branch_left");
    if (commit.len >= 12) {
        static const char *const ways = "a later task brings it, or vivhost rollback takes it back";
        return !left.len ? WORDS("published as %.12s", commit.data)
                         : WORDS("published as %.12s; your branch and files were left alone: %s; %s", commit.data,
                                 line_of(cli, left), ways);
    }
    const char *failure = failure_of(cli, event);
    return *failure ? WORDS("not published: %s", failure) : "nothing to publish";
}

/* Results on the line that the branch has not, or has not any more: the task's result will bring them along. */
static const char *
ahead_of_branch(struct vh_cli *cli, const struct vh_json *base)
{
    struct viv_str branch = vh_json_str(base, "branch");
    struct viv_str tip = vh_json_str(base, "tip");
    if (!branch.len || !tip.len || vh_str_equal(tip, vh_json_str(base, "commit"))) {
        return NULL;
    }
    uint64_t skip = vh_str_starts(branch, "refs/heads/") ? strlen("refs/heads/") : 0;
    branch = (struct viv_str){ branch.data + skip, branch.len - skip };
    return WORDS("stands on ready work that branch '%s' does not have", line_of(cli, branch));
}

/* Uncommitted work is no news to whoever asked for the task; what the task cannot see is. */
static const char *
words_of_base(struct vh_cli *cli, const struct vh_json *event)
{
    const struct vh_json *base = data_get(event, "base");
    const struct vh_json *paths = vh_json_get(base, "paths");
    const char *names = NULL;
    int count = 0;
    for (const struct vh_json *p = paths ? paths->child : NULL; p; p = p->next) {
        if (vh_str_is(vh_json_str(p, "what"), "unreadable") && count++ < NAMES_MAX) {
            names = WORDS("%s%s'%s'", names ? names : "", names ? ", " : "", line_of(cli, vh_json_str(p, "path")));
        }
    }
    return names ? WORDS("started without %d that cannot be read: %s%s", count, names, count > NAMES_MAX ? ", ..." : "")
                 : ahead_of_branch(cli, base);
}

/* Texts of a list, quoted; NULL when there is none. */
static const char *
names_of(struct vh_cli *cli, const struct vh_json *list)
{
    const char *names = NULL;
    for (const struct vh_json *name = list ? list->child : NULL; name; name = name->next) {
        names = WORDS("%s%s'%s'", names ? names : "", names ? ", " : "", line_of(cli, name->text));
    }
    return names;
}

static const char *
words_of_change(struct vh_cli *cli, const struct vh_json *event)
{
    struct viv_str tree = data_str(event, "tree");
    int64_t paths = data_int(event, "paths_all");
    const struct vh_json *list = data_get(event, "uncommitted");
    const char *names = names_of(cli, list);
    bool more = list && data_int(event, "uncommitted_all") > list->count;
    return WORDS("result frozen: %lld path%s changed%s%.*s%s%s%s", (long long)paths, paths == 1 ? "" : "s",
                 tree.len >= 12 ? ", tree " : "", tree.len >= 12 ? 12 : 0, tree.len >= 12 ? tree.data : "",
                 names ? "; its commit takes along what you had not committed in " : "", names ? names : "",
                 more ? ", ..." : "");
}

static const char *
words_of_rollback(struct vh_cli *cli, const struct vh_json *event)
{
    const char *failure = failure_of(cli, event);
    const char *kept = names_of(cli, data_get(event, "kept_on"));
    struct viv_str commit = data_str(event, "commit");
    int64_t given = data_int(event, "given_back");
    if (*failure) {
        return WORDS("not rolled back: %s", failure);
    }
    if (kept) {
        return WORDS("still on %s; to undo it there too: git cherry-pick %.*s", kept,
                     commit.len > 12 ? 12 : (int)commit.len, commit.len ? commit.data : "");
    }
    return given ? WORDS("what you had not committed is back in %lld file%s", (long long)given, given == 1 ? "" : "s")
                 : NULL;
}

static const char *
words_of_decision(struct vh_cli *cli, const struct vh_json *event, struct viv_str kind)
{
    static const char *const verdicts[] = { "denied", "a person must decide", "allowed" };
    int64_t verdict = data_int(event, "verdict");
    if (vh_str_is(kind, "intent.captured")) {
        return WORDS("intent captured, confidence %lld of 1000", (long long)data_int(event, "confidence_permille"));
    }
    if (vh_str_is(kind, "safety.report")) {
        const struct vh_json *checks = vh_json_get(data_get(event, "report"), "checks");
        bool reduced = vh_str_is(vh_json_str(data_get(event, "capability"), "profile"), "reduced");
        return WORDS("safety: %s, %u checks%s", verdicts[verdict >= 0 && verdict <= 2 ? verdict : 0],
                     checks ? checks->count : 0,
                     reduced ? "; the sandbox is reduced, some programs cannot work in it ('vivhost doctor')" : "");
    }
    if (vh_str_is(kind, "route.chosen")) {
        struct viv_str route = data_str(event, "route");
        const char *at = route.len ? memchr(route.data, '@', (size_t)route.len) : NULL;
        route.len = at ? (uint64_t)(at - route.data) : route.len;
        struct viv_str reason = data_str(event, "reason");
        bool command = vh_str_is(reason, "the command that came with the task");
        return route.len == 0                  ? "nobody can do it"
               : !vh_str_is(route, "executor") ? WORDS("done by skill %s", line_of(cli, route))
               : command                       ? "done by the command given"
                                               : "a model works on it: no skill matches";
    }
    if (vh_str_is(kind, "base.captured")) {
        const char *failure = failure_of(cli, event);
        return *failure ? WORDS("%s", failure) : words_of_base(cli, event);
    }
    if (vh_str_is(kind, "change.frozen")) {
        return words_of_change(cli, event);
    }
    if (vh_str_is(kind, "integration.made")) {
        const char *failure = failure_of(cli, event);
        return *failure ? WORDS("merge: %s", failure) : NULL;
    }
    if (vh_str_is(kind, "review.made")) {
        const struct vh_json *findings = data_get(event, "findings");
        return WORDS("review: %lld of 1000%s%s", (long long)data_int(event, "score_permille"),
                     findings && findings->child ? ", " : "",
                     reason_of(cli, vh_json_str(findings ? findings->child : NULL, "text")));
    }
    return NULL;
}

static const char *
words_of_people(struct vh_cli *cli, const struct vh_json *event, struct viv_str kind)
{
    static const char *const rows[][2] = {
        { "cancel.requested", "cancel asked for" },     { "retry.requested", "another try asked for" },
        { "approval.given", "approved" },               { "approval.refused", "rejected" },
        { "answer.given", "answered" },                 { "rollback.requested", "rollback asked for" },
        { "queue.imported", "queue file brought in" },  { "plugin.installed", "plugin installed" },
        { "plugin.removed", "plugin removed" },         { "trust.changed", "trust changed" },
        { "policy.loaded", "policy in force" },         { "host.started", "host started" },
        { "host.stopped", "host stopped" },             { "lease.expired", "the worker that had it is gone" },
        { "calls.made", "skill called" },               { "clock.stepped", "the clock went back" },
        { "home.created", "home made" },                { "home.moved", "project moved" },
        { "home.restored", "home restored" },           { "backup.made", "backup made" },
        { "log.archived", "old events archived" },      { "switch.set", "all work held, or let go on" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (vh_str_is(kind, rows[i][0])) {
            struct viv_str what = data_str(event, "note");
            what = what.len ? what : data_str(event, "id");
            what = what.len ? what : data_str(event, "skill");
            return WORDS("%s%s%s", rows[i][1], what.len ? ": " : "", line_of(cli, what));
        }
    }
    return NULL;
}

const char *
vh_follow_words(struct vh_cli *cli, const struct vh_json *event)
{
    struct viv_str kind = vh_json_str(event, "kind");
    if (vh_str_starts(kind, "task.")) {
        return words_of_task(cli, event, kind);
    }
    if (vh_str_starts(kind, "effect.")) {
        return words_of_effect(cli, event, kind);
    }
    if (vh_str_is(kind, "gate.answered")) {
        return words_of_gate(cli, event);
    }
    if (vh_str_is(kind, "publish.finished")) {
        return words_of_publish(cli, event);
    }
    if (vh_str_is(kind, "budget.held") || vh_str_is(kind, "budget.settled")) {
        return WORDS("budget: %s %s", vh_cli_money(cli, data_int(event, "micro")),
                     vh_str_is(kind, "budget.held") ? "held" : "spent");
    }
    if (vh_str_is(kind, "budget.refused")) {
        return WORDS("over budget: %s", line_of(cli, data_str(event, "reason")));
    }
    if (vh_str_is(kind, "rollback.finished")) {
        return words_of_rollback(cli, event);
    }
    if (vh_str_is(kind, "plugin.blamed") || vh_str_is(kind, "command.refused")) {
        return WORDS("%s: %s", vh_str_is(kind, "plugin.blamed") ? "plugin at fault" : "refused",
                     reason_of(cli, data_str(event, "text")));
    }
    const char *words = words_of_decision(cli, event, kind);
    return words ? words : words_of_people(cli, event, kind);
}

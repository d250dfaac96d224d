/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"

#define EVENT_VERSION 1

const struct vh_event_kind vh_event_kinds[] = {
    /* home and host */
    { "home.created", true, true, "the home begins: genesis seed and home id" },
    { "home.moved", true, true, "the project lies in another folder than before: from, empty when not known, and to" },
    { "home.restored", true, true, "the home was built again from a backup: its folder, last event and head" },
    { "backup.made", true, true, "a whole backup lies in a folder: last event in it, head, files and bytes" },
    { "host.started", true, true, "a host took the home: epoch, pid, version" },
    { "host.stopped", true, true, "the host ended in order" },
    { "policy.loaded", true, true, "the policy in force: digests, bound plugins, thresholds" },
    { "trust.changed", true, true, "a person pinned or withdrew a project policy by digest" },
    { "queue.imported", true, true, "a person brought in a whole queue file: its digest and how many tasks" },
    { "plugin.installed", true, true, "a person installed a plugin: id, version, digest, trust" },
    { "plugin.removed", true, true, "a person removed a plugin: id, version, digest" },
    { "content.pruned", true, true, "outputs of ended tasks that are not kept any more: their digests" },
    { "log.archived", true, true, "old events left the database for a file: its size and SHA-256, head and root" },
    { "switch.set", true, true, "a person holds all work, or lets it go on: state, note, by whom" },
    { "budget.capped", true, true, "a person limits an account further than the policy does, or not any more" },
    { "model.learned", true, false, "a kind of goal that needed a stronger tier of models" },
    { "plugin.blamed", true, false, "a plugin crashed, hung, lied or refused to start" },
    { "calls.made", true, false, "a batch of read-only calls with what they cost" },
    { "command.refused", true, true, "a client's command was refused: status and reason" },
    { "clock.stepped", true, false, "the wall clock went back; recorded time goes on from where it was" },
    /* a task's life: what was said to the core */
    { "task.submitted", true, true, "somebody wants something done" },
    { "task.claimed", true, false, "a worker holds the task: lease number, worker, epoch" },
    { "lease.expired", true, false, "the holder is gone or too late" },
    { "intent.captured", true, false, "what was meant, read out of the request" },
    { "plan.answered", true, false, "the task stays whole or becomes a plan" },
    { "safety.report", true, false, "all checks of the task, with the capability set" },
    { "budget.estimated", true, false, "worst case and the accounts it is held in" },
    { "route.chosen", true, false, "a skill or an executor, with every candidate and why not" },
    { "base.captured", true, false, "the immutable tree the task starts from" },
    { "effect.started", true, false, "intent record: judged, allowed, about to happen" },
    { "effect.refused", true, false, "judged and denied; nothing happened" },
    { "effect.asked", true, false, "judged; a person must decide first" },
    { "effect.finished", true, false, "outcome of an effect" },
    { "execute.finished", true, false, "what the executor or skill says" },
    { "change.frozen", true, false, "the change set as a commit and a tree" },
    { "gate.answered", true, false, "what a gate found, for which tree" },
    { "integration.made", true, false, "the result merged with the line's tip, or a conflict" },
    { "review.made", true, false, "the critic's score and findings" },
    { "publish.finished", true, true, "the line moved, or the compare-and-set was lost" },
    { "settle.priced", true, false, "what the work used and cost" },
    { "followers.counted", true, false, "the next of very many dependents of a task that ended" },
    { "rollback.finished", true, true, "the task's change was reversed, or why not" },
    /* people */
    { "cancel.requested", true, true, "a person cancels the task" },
    { "retry.requested", true, true, "a person wants one more attempt" },
    { "approval.given", true, true, "a person allows what was asked, bound to its digest" },
    { "approval.refused", true, true, "a person refuses what was asked" },
    { "answer.given", true, true, "a person answers the open questions" },
    { "rollback.requested", true, true, "a person wants the task undone" },
    /* derived */
    { "intent.unclear", false, false, "questions are open" },
    { "gate.passed", false, false, "the stage's gate passed on this tree" },
    { "gate.failed", false, false, "the stage's gate failed, or was inconclusive" },
    { "budget.held", false, false, "money set aside" },
    { "budget.refused", false, false, "a limit forbids the hold" },
    { "budget.settled", false, false, "hold turned into spend" },
    { "ledger.posted", false, false, "one entry of the ledger" },
    { "task.rejected", false, false, "the attempt is thrown away; its reasons stay" },
    { "task.asked", false, false, "a question for a person, bound to a digest" },
    { "task.delayed", false, false, "infrastructure failed; tried again later" },
    { "task.blocked", false, false, "state" },
    { "task.pending", false, false, "state" },
    { "task.running", false, false, "state" },
    { "task.needs_qa", false, false, "state" },
    { "task.integration", false, false, "state" },
    { "task.e2e", false, false, "state" },
    { "task.ready", false, false, "state" },
    { "task.failed", false, false, "state" },
    { "task.awaiting_approval", false, false, "state" },
    { "task.expanded", false, false, "state" },
    { "task.cancelled", false, false, "state" },
    { "task.rolled_back", false, false, "state" },
    { "task.child", false, false, "one step of a plan became a task" },
    { "task.phase", false, false, "the next answer that is wanted" },
    { "followers.left", false, false, "an ended task has more dependents than one command frees: where to go on" },
    { "followers.done", false, false, "every dependent of an ended task was freed or failed" },
};

const size_t vh_event_kinds_count = sizeof vh_event_kinds / sizeof *vh_event_kinds;

const struct vh_event_kind *
vh_event_kind_of(struct viv_str name)
{
    for (size_t i = 0; i < vh_event_kinds_count; i++) {
        if (vh_str_is(name, vh_event_kinds[i].name)) {
            return &vh_event_kinds[i];
        }
    }
    return NULL;
}

struct viv_str
vh_event_encode(struct vh_arena *arena, const struct vh_event *event)
{
    struct vh_json *actor = vh_json_object(arena);
    vh_json_set_str(arena, actor, "name", event->actor.name);
    vh_json_set_int(arena, actor, "pid", event->actor.pid);
    vh_json_set_str(arena, actor, "role", event->actor.role);
    vh_json_set_int(arena, actor, "uid", event->actor.uid);
    struct vh_json *line = vh_json_object(arena);
    vh_json_set(line, "actor", actor);
    if (event->attempt) {
        vh_json_set_int(arena, line, "attempt", event->attempt);
    }
    vh_json_set_int(arena, line, "batch", event->batch);
    vh_json_set_int(arena, line, "cause", event->cause);
    /* The data keep their own place in the tree they were built in; a shallow twin is written here. */
    struct vh_json *data = vh_arena_alloc(arena, sizeof *data);
    if (data) {
        *data = *event->data;
        data->next = NULL;
    }
    vh_json_set(line, "data", data);
    if (event->key.len) {
        vh_json_set_str(arena, line, "key", event->key);
    }
    vh_json_set_str(arena, line, "kind", event->kind);
    vh_json_set_int(arena, line, "seq", event->seq);
    if (event->task.len) {
        vh_json_set_str(arena, line, "task", event->task);
    }
    vh_json_set_int(arena, line, "time_us", event->time_us);
    vh_json_set_int(arena, line, "v", EVENT_VERSION);
    return vh_json_print(arena, line);
}

/* ---- reading ---- */

/* Where the word that is to stand at `at` ends; NULL when it does not stand there, or `at` is NULL. */
static inline __attribute__((always_inline)) const char *
word(const struct vh_json_reader *r, const char *at, const char *literal)
{
    size_t len = strlen(literal);
    return at && (size_t)(r->end - at) >= len && memcmp(at, literal, len) == 0 ? at + len : NULL;
}

/* A kind has one place among those that were met. `met` may be NULL. */
static bool
is_known(struct viv_str kind, struct viv_str met[VH_EVENT_MET])
{
    if (!met || kind.len == 0) {
        return vh_event_kind_of(kind) != NULL;
    }
    const unsigned char *name = (const unsigned char *)kind.data;
    struct viv_str *place = &met[(kind.len + name[0] * 3u + name[kind.len / 2] * 5u + name[kind.len - 1] * 7u) %
                                 VH_EVENT_MET];
    if (vh_str_equal(kind, *place)) {
        return true;
    }
    const struct vh_event_kind *found = vh_event_kind_of(kind);
    *place = found ? vh_str(found->name) : *place;
    return found != NULL;
}

static bool
is_ours(const struct vh_event *event, struct viv_str met[VH_EVENT_MET])
{
    return event->seq >= 1 && event->cause >= 1 && event->cause <= event->seq && is_known(event->kind, met);
}

_Static_assert(EVENT_VERSION == 1, "read_written takes version 1");

/* An event just as vh_event_encode writes it: nearly all are, and need no tree but that of their data. */
static bool
read_written(struct vh_arena *arena, struct viv_str text, struct vh_event *event, struct vh_json **ret_data)
{
    const char *at = text.len ? text.data : NULL;
    struct vh_json_reader reader = { .arena = arena, .end = at ? at + text.len : NULL }, *r = &reader;
    at = vh_json_take_string(r, word(r, at, "{\"actor\":{\"name\":"), &event->actor.name);
    at = vh_json_take_integer(r, word(r, at, ",\"pid\":"), &event->actor.pid);
    at = vh_json_take_string(r, word(r, at, ",\"role\":"), &event->actor.role);
    at = vh_json_take_integer(r, word(r, at, ",\"uid\":"), &event->actor.uid);
    at = word(r, at, "}");
    const char *more = word(r, at, ",\"attempt\":");
    at = more ? vh_json_take_integer(r, more, &event->attempt) : at;
    at = vh_json_take_integer(r, word(r, at, ",\"batch\":"), &event->batch);
    at = vh_json_take_integer(r, word(r, at, ",\"cause\":"), &event->cause);
    at = vh_json_take_object(r, word(r, at, ",\"data\":"), 1, ret_data);
    more = word(r, at, ",\"key\":");
    at = more ? vh_json_take_string(r, more, &event->key) : at;
    at = vh_json_take_string(r, word(r, at, ",\"kind\":"), &event->kind);
    at = vh_json_take_integer(r, word(r, at, ",\"seq\":"), &event->seq);
    more = word(r, at, ",\"task\":");
    at = more ? vh_json_take_string(r, more, &event->task) : at;
    at = vh_json_take_integer(r, word(r, at, ",\"time_us\":"), &event->time_us);
    return word(r, at, ",\"v\":1}") == r->end && at;
}

/* Any form an event may have had, or the reason why it is none. */
static viv_status
read_any(struct vh_arena *arena, struct viv_str text, struct vh_event *ret_event, struct viv_error *err)
{
    struct vh_json *line = NULL;
    viv_status status = vh_json_read(arena, text, &line, err);
    if (status) {
        return vh_error_extend(err, status, "event");
    }
    int64_t version = vh_json_int(line, "v", 0);
    if (version > EVENT_VERSION) {
        return vh_error_set(err, VIV_E_VERSION, "event", "event version is %lld, this program reads up to %d",
                            (long long)version, EVENT_VERSION);
    }
    struct vh_json *data = NULL;
    for (struct vh_json *member = line->child; member; member = member->next) {
        if (vh_str_is(member->key, "data") && member->type == VH_JSON_OBJECT) {
            data = member;
        }
    }
    const struct vh_json *actor = vh_json_get(line, "actor");
    struct vh_event event = {
        .seq = vh_json_int(line, "seq", 0),
        .batch = vh_json_int(line, "batch", 0),
        .time_us = vh_json_int(line, "time_us", 0),
        .cause = vh_json_int(line, "cause", 0),
        .actor = { vh_json_str(actor, "role"), vh_json_str(actor, "name"), vh_json_int(actor, "uid", 0),
                   vh_json_int(actor, "pid", 0) },
        .kind = vh_json_str(line, "kind"),
        .task = vh_json_str(line, "task"),
        .attempt = vh_json_int(line, "attempt", 0),
        .key = vh_json_str(line, "key"),
        .data = data,
    };
    if (!data || !is_ours(&event, NULL)) {
        return vh_error_set(err, VIV_E_CORRUPT, "event", "event %lld of kind '%.*s' is not one this program wrote",
                            (long long)event.seq, VH_STR_ARGS(event.kind));
    }
    *ret_event = event;
    return VIV_OK;
}

static viv_status
decode(struct vh_arena *arena, struct viv_str text, struct viv_str met[VH_EVENT_MET], bool data,
       struct vh_event *ret_event, struct viv_error *err)
{
    struct vh_event event = { 0 };
    if (!read_written(data ? arena : NULL, text, &event, data ? &event.data : NULL) || !is_ours(&event, met)) {
        return read_any(arena, text, ret_event, err);
    }
    *ret_event = event;
    return VIV_OK;
}

viv_status
vh_event_decode(struct vh_arena *arena, struct viv_str text, struct vh_event *ret_event, struct viv_error *err)
{
    return decode(arena, text, NULL, true, ret_event, err);
}

viv_status
vh_event_read(struct vh_event_reader *reader, struct viv_str text, bool data, struct vh_event *ret_event,
              struct viv_error *err)
{
    vh_arena_reset(reader->arena);
    return decode(reader->arena, text, reader->met, data, ret_event, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "task.h"

#include "base/error.h"
#include "base/str.h"

#define NAME_ROW(name, text) text,
static const char *const state_names[] = { VH_STATE_TABLE(NAME_ROW) };
static const char *const phase_names[] = { VH_PHASE_TABLE(NAME_ROW) };

enum kind { TEXT, NUMBER, STATE, PHASE };

/* Every member once, by name: the row's JSON is this table, and its keys are sorted. */
static const struct field {
    const char *name;
    enum kind kind;
    size_t offset;
} fields[] = {
#define ROW(member, kind) { #member, kind, offsetof(struct vh_task, member) }
    ROW(answers, TEXT),
    ROW(approved, TEXT),
    ROW(attempt, NUMBER),
    ROW(attempts_max, NUMBER),
    ROW(awaiting, TEXT),
    ROW(awaiting_digest, TEXT),
    ROW(base, TEXT),
    ROW(base_commit, TEXT),
    ROW(base_tree, TEXT),
    ROW(capability, TEXT),
    ROW(change, TEXT),
    ROW(children_left, NUMBER),
    ROW(command, TEXT),
    ROW(commit, TEXT),
    ROW(cost_micro, NUMBER),
    ROW(effects, NUMBER),
    ROW(epoch, NUMBER),
    ROW(expires_us, NUMBER),
    ROW(failure, TEXT),
    ROW(feedback, TEXT),
    ROW(following, NUMBER),
    ROW(gate_index, NUMBER),
    ROW(gates, TEXT),
    ROW(goal, TEXT),
    ROW(held_micro, NUMBER),
    ROW(holds, TEXT),
    ROW(id, TEXT),
    ROW(input, TEXT),
    ROW(intent, TEXT),
    ROW(lease, NUMBER),
    ROW(leased, NUMBER),
    ROW(line_tip, TEXT),
    ROW(merged_commit, TEXT),
    ROW(merged_tree, TEXT),
    ROW(missed, TEXT),
    ROW(number, NUMBER),
    ROW(outside, NUMBER),
    ROW(parent, TEXT),
    ROW(phase, PHASE),
    ROW(published, TEXT),
    ROW(recoveries, NUMBER),
    ROW(result, TEXT),
    ROW(resume_phase, PHASE),
    ROW(resume_state, STATE),
    ROW(retry_at_us, NUMBER),
    ROW(rollback_commit, TEXT),
    ROW(round, NUMBER),
    ROW(route, TEXT),
    ROW(route_input, TEXT),
    ROW(scope, TEXT),
    ROW(score_permille, NUMBER),
    ROW(skill, TEXT),
    ROW(spec, TEXT),
    ROW(stage_gates, TEXT),
    ROW(state, STATE),
    ROW(target, TEXT),
    ROW(tree, TEXT),
    ROW(used_micro, NUMBER),
    ROW(worker, TEXT),
#undef ROW
};

#define FIELD_COUNT (sizeof fields / sizeof *fields)

const char *
vh_task_state_name(int64_t state)
{
    return state >= 0 && state < VH_STATE_COUNT ? state_names[state] : "none";
}

const char *
vh_task_phase_name(int64_t phase)
{
    return phase >= 0 && phase < VH_PHASE_COUNT ? phase_names[phase] : "idle";
}

static bool
known(const char *const *names, int count, struct viv_str name)
{
    for (int i = 0; i < count; i++) {
        if (vh_str_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

enum vh_state
vh_task_state_of(struct viv_str name)
{
    for (int i = 0; i < VH_STATE_COUNT; i++) {
        if (vh_str_is(name, state_names[i])) {
            return (enum vh_state)i;
        }
    }
    return VH_STATE_NONE;
}

enum vh_phase
vh_task_phase_of(struct viv_str name)
{
    for (int i = 0; i < VH_PHASE_COUNT; i++) {
        if (vh_str_is(name, phase_names[i])) {
            return (enum vh_phase)i;
        }
    }
    return VH_PHASE_IDLE;
}

bool
vh_task_ended(const struct vh_task *task)
{
    return task->state == VH_STATE_READY || task->state == VH_STATE_FAILED || task->state == VH_STATE_CANCELLED ||
           task->state == VH_STATE_ROLLED_BACK;
}

struct viv_str
vh_task_encode(struct vh_arena *arena, const struct vh_task *task)
{
    struct vh_json *row = vh_json_object(arena);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const void *member = (const char *)task + fields[i].offset;
        if (fields[i].kind == TEXT) {
            struct viv_str text = *(const struct viv_str *)member;
            if (text.len) {
                vh_json_set_str(arena, row, fields[i].name, text);
            }
            continue;
        }
        int64_t number = *(const int64_t *)member;
        if (number == 0) {
            continue;
        }
        if (fields[i].kind == NUMBER) {
            vh_json_set_int(arena, row, fields[i].name, number);
        } else {
            vh_json_set_text(arena, row, fields[i].name,
                             fields[i].kind == STATE ? vh_task_state_name(number) : vh_task_phase_name(number));
        }
    }
    return vh_json_print(arena, row);
}

bool
vh_task_fits(const struct vh_task *task, const struct vh_task *had)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const void *member = (const char *)task + fields[i].offset;
        if (fields[i].kind == TEXT) {
            struct viv_str text = *(const struct viv_str *)member;
            struct viv_str old = *(const struct viv_str *)(const void *)((const char *)had + fields[i].offset);
            if ((text.data != old.data || text.len != old.len) && !vh_str_utf8(text)) {
                return false;
            }
            continue;
        }
        int64_t number = *(const int64_t *)member;
        if (number > VH_JSON_INTEGER_MAX || number < -VH_JSON_INTEGER_MAX) {
            return false;
        }
    }
    return true;
}

viv_status
vh_task_copy(struct vh_arena *arena, const struct vh_task *task, struct vh_task *ret_task, struct viv_error *err)
{
    size_t texts[FIELD_COUNT], count = 0, len = 0;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const void *member = (const char *)task + fields[i].offset;
        if (fields[i].kind == TEXT && ((const struct viv_str *)member)->len) {
            texts[count++] = fields[i].offset;
            len += (size_t)((const struct viv_str *)member)->len;
        }
    }
    char *bytes = vh_arena_alloc(arena, len);
    if (!bytes) {
        return vh_error_set(err, VIV_E_MEMORY, "task", "no memory for a task row");
    }
    *ret_task = *task;
    for (size_t i = 0; i < count; i++) {
        struct viv_str *text = (struct viv_str *)(void *)((char *)ret_task + texts[i]);
        memcpy(bytes, text->data, (size_t)text->len);
        text->data = bytes;
        bytes += text->len;
    }
    return VIV_OK;
}

static void
take_member(struct vh_task *task, const struct field *field, const struct vh_json *value)
{
    void *member = (char *)task + field->offset;
    switch (field->kind) {
    case TEXT:
        *(struct viv_str *)member = value->text;
        return;
    case NUMBER:
        *(int64_t *)member = value->integer;
        return;
    case STATE:
        *(int64_t *)member = vh_task_state_of(value->text);
        return;
    case PHASE:
        *(int64_t *)member = vh_task_phase_of(value->text);
        return;
    }
}

viv_status
vh_task_decode(struct vh_arena *arena, struct viv_str text, struct vh_task *ret_task, struct viv_error *err)
{
    struct vh_json *row = NULL;
    char *copy = vh_arena_text_of(arena, text);
    if (!copy) {
        return vh_error_set(err, VIV_E_MEMORY, "task", "no memory for a task row");
    }
    viv_status status = vh_json_read(arena, (struct viv_str){ copy, text.len }, &row, err);
    if (status) {
        return vh_error_extend(err, status, "task row");
    }
    if (row->type != VH_JSON_OBJECT) {
        return vh_error_set(err, VIV_E_CORRUPT, "task", "task row is no object");
    }
    struct vh_task task = { 0 };
    size_t i = 0; /* goes on from one member to the next: both are sorted */
    for (const struct vh_json *member = row->child; member; member = member->next) {
        while (i < FIELD_COUNT && !vh_str_is(member->key, fields[i].name)) {
            i++;
        }
        bool is_number = member->type == VH_JSON_INTEGER;
        if (i == FIELD_COUNT || (fields[i].kind == NUMBER) != is_number ||
            (!is_number && member->type != VH_JSON_STRING)) {
            return vh_error_set(err, VIV_E_CORRUPT, "task", "task row has an unknown or mistyped member '%.*s'",
                                VH_STR_ARGS(member->key));
        }
        if ((fields[i].kind == STATE && !known(state_names, VH_STATE_COUNT, member->text)) ||
            (fields[i].kind == PHASE && !known(phase_names, VH_PHASE_COUNT, member->text))) {
            return vh_error_set(err, VIV_E_CORRUPT, "task", "task row has '%.*s' as its %s, which is none of ours",
                                VH_STR_ARGS(member->text), fields[i].name);
        }
        take_member(&task, &fields[i], member);
    }
    *ret_task = task;
    return VIV_OK;
}

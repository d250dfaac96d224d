/* SPDX-License-Identifier: Apache-2.0 */
#include "queue_write.h"

#include <string.h>

#include "base/str.h"
#include "core/task.h"
#include "queue_scan.h"

/* Our states and the mirror of contract 1.1. The event log is the authority; the word only tells a
 * reader of the file. */
static const struct row {
    enum vh_state state;
    const char *status;
    enum vh_queue_list list;
} rows[] = {
    {VH_STATE_BLOCKED, "pending", VH_QUEUE_TASKS},
    {VH_STATE_PENDING, "pending", VH_QUEUE_TASKS},
    {VH_STATE_RUNNING, "in_progress", VH_QUEUE_TASKS},
    {VH_STATE_NEEDS_QA, "needs_qa", VH_QUEUE_TASKS},
    {VH_STATE_INTEGRATION, "needs_integration", VH_QUEUE_TASKS},
    {VH_STATE_E2E, "needs_e2e", VH_QUEUE_TASKS},
    {VH_STATE_AWAITING, "pending_review", VH_QUEUE_TASKS},
    {VH_STATE_EXPANDED, "subtask_started", VH_QUEUE_TASKS},
    {VH_STATE_READY, "completed", VH_QUEUE_COMPLETED},
    {VH_STATE_FAILED, "failed", VH_QUEUE_FAILED},
    {VH_STATE_CANCELLED, "failed", VH_QUEUE_FAILED},
    {VH_STATE_ROLLED_BACK, "failed", VH_QUEUE_FAILED},
};

const char *
vh_queue_write_status(const struct vh_json *task, enum vh_queue_list *ret_list)
{
    enum vh_state state = vh_task_state_of(vh_json_str(task, "state"));
    *ret_list = VH_QUEUE_TASKS;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].state == state) {
            *ret_list = rows[i].list;
            bool safety =
                state == VH_STATE_FAILED && vh_str_starts(vh_json_str(task, "failure"), "safety:");
            bool again = state == VH_STATE_PENDING && vh_json_int(task, "attempt", 0) > 1;
            return safety ? "safety_blocked" : again ? "requeue" : rows[i].status;
        }
    }
    return "pending";
}

void
vh_queue_write_text(struct vh_buf *buf, struct vh_arena *arena, struct viv_str text)
{
    vh_json_write(vh_json_string(arena, text), buf);
}

void
vh_queue_write_kept(struct vh_buf *buf, struct viv_str entry, const char *status)
{
    struct viv_str old;
    if (vh_scan_find(entry, "status", &old)) {
        vh_buf_add(buf, entry.data, (size_t)(old.data - entry.data));
        vh_buf_format(buf, "\"%s\"", status);
        vh_buf_add(buf, old.data + old.len, (size_t)(entry.data + entry.len - old.data - old.len));
        return;
    }
    vh_buf_add(buf, entry.data, (size_t)entry.len - 1);
    vh_buf_format(buf, ", \"status\": \"%s\"}", status);
}

/* ---- a command as shell text ---- */

static void
add_word(struct vh_buf *buf, struct viv_str word)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,-./:@_";
    bool safe = word.len > 0;
    for (uint64_t i = 0; i < word.len && safe; i++) {
        safe = word.data[i] && strchr(plain, word.data[i]);
    }
    if (safe) {
        vh_buf_str(buf, word);
        return;
    }
    vh_buf_char(buf, '\'');
    for (uint64_t i = 0; i < word.len; i++) {
        if (word.data[i] == '\'') {
            vh_buf_text(buf, "'\\''");
        } else {
            vh_buf_char(buf, word.data[i]);
        }
    }
    vh_buf_char(buf, '\'');
}

static void
add_redirection(struct vh_buf *buf, const struct vh_json *stage, const char *member,
                const char *sign)
{
    struct viv_str path = vh_json_str(stage, member);
    if (path.len) {
        vh_buf_format(buf, " %s", sign);
        add_word(buf, path);
    }
}

static void
add_stage(struct vh_buf *buf, const struct vh_json *stage)
{
    const struct vh_json *env = vh_json_get(stage, "env");
    const struct vh_json *argv = vh_json_get(stage, "argv");
    for (const struct vh_json *e = env ? env->child : NULL; e; e = e->next) {
        vh_buf_str(buf, e->key);
        vh_buf_char(buf, '=');
        add_word(buf, e->text);
        vh_buf_char(buf, ' ');
    }
    for (const struct vh_json *word = argv ? argv->child : NULL; word; word = word->next) {
        if (word != argv->child) {
            vh_buf_char(buf, ' ');
        }
        add_word(buf, word->text);
    }
    add_redirection(buf, stage, "input_path", "<");
    add_redirection(buf, stage, "output_path", vh_json_int(stage, "output_append", 0) ? ">>" : ">");
    add_redirection(buf, stage, "error_path", vh_json_int(stage, "error_append", 0) ? "2>>" : "2>");
    if (vh_json_int(stage, "error_to_output", 0)) {
        vh_buf_text(buf, " 2>&1");
    }
}

/* `sh -c TEXT` is its text; pipelines are written out. */
static void
add_command(struct vh_buf *buf, const struct vh_json *command)
{
    const struct vh_json *stages = vh_json_get(command, "stages");
    const struct vh_json *argv =
        stages && stages->count == 1 ? vh_json_get(stages->child, "argv") : NULL;
    bool shell = argv && argv->count == 3 && vh_str_is(argv->child->text, "sh") &&
                 vh_str_is(argv->child->next->text, "-c") && stages->child->count == 1 &&
                 command->count == 1;
    if (shell) {
        vh_buf_str(buf, argv->child->next->next->text);
        return;
    }
    struct viv_str cwd = vh_json_str(command, "cwd");
    if (cwd.len) {
        vh_buf_text(buf, "cd ");
        add_word(buf, cwd);
        vh_buf_text(buf, " && ");
    }
    for (const struct vh_json *stage = stages ? stages->child : NULL; stage; stage = stage->next) {
        if (stage != stages->child) {
            vh_buf_text(buf, " | ");
        }
        add_stage(buf, stage);
    }
}

void
vh_queue_write_task(struct vh_buf *buf, struct vh_arena *arena, const struct vh_json *task,
                    const char *status)
{
    const struct vh_json *command = vh_json_get(task, "command");
    const struct vh_json *depends = vh_json_get(task, "depends");
    vh_buf_text(buf, "{\"id\": ");
    vh_queue_write_text(buf, arena, vh_json_str(task, "id"));
    vh_buf_text(buf, ", \"type\": \"cycle\", \"prompt\": ");
    vh_queue_write_text(buf, arena, vh_json_str(task, "goal"));
    if (command) {
        struct vh_buf text;
        vh_buf_init(&text, arena, 4u << 20);
        add_command(&text, command);
        vh_buf_text(buf, ", \"mode\": \"local\", \"command\": ");
        vh_queue_write_text(buf, arena, vh_buf_view(&text));
        buf->failed = buf->failed || text.failed;
    }
    struct viv_str scope = vh_json_str(task, "scope");
    if (scope.len) {
        vh_buf_text(buf, ", \"scope\": ");
        vh_queue_write_text(buf, arena, scope);
    }
    const struct vh_json *hosts = vh_json_get(vh_json_get(task, "spec"), "hosts");
    if (hosts) {
        vh_buf_text(buf, ", \"hosts\": ");
        vh_json_write(hosts, buf);
    }
    vh_buf_text(buf, ", \"depends_on\": ");
    if (depends) {
        vh_json_write(depends, buf);
    } else {
        vh_buf_text(buf, "[]");
    }
    vh_buf_format(buf, ", \"parallel_safe\": true, \"status\": \"%s\"}", status);
}

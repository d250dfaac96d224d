/* SPDX-License-Identifier: Apache-2.0 */
/* submit --queue FILE: the whole file is judged first, against itself and against the home; then
 * its bytes go into the content store, then one event names them, then the tasks are submitted
 * behind their dependencies, each under a key made of file and id. A repeat, also after a crash in
 * the middle, submits what is missing and nothing twice. */
#include "cmd_import.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "keep/blob.h"
#include "queue_file.h"
#include <viv/limits.h>

#define LOOKUP_IDS 500
#define PROGRESS_EVERY 64

struct import {
    struct vh_cli *cli;
    struct vh_queue queue;
    uint32_t submitted;
    uint32_t repeated;
    /* Dependencies outside the file that the home has; sorted. */
    struct vh_queue_ids outside;
};

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "queue", "no memory for the queue file");
}

static viv_status
refuse(const struct vh_queue_entry *entry, viv_status status, struct viv_error *err)
{
    return vh_error_extend(err, status, "tasks[%u] ('%.*s')", entry->index, VH_STR_ARGS(entry->id));
}

/* ---- against the home ---- */

/* What came of a task with the entry's id that is there already. */
static viv_status
judge_there(struct import *in, const struct vh_json *row, struct viv_error *err)
{
    struct vh_json *spec = NULL;
    struct vh_queue_entry *entry = vh_queue_file_find(&in->queue, vh_json_str(row, "id"));
    struct viv_str text = vh_json_str(row, "spec");
    if (!entry) {
        return VIV_OK;
    }
    if (text.len && vh_json_read(in->cli->arena, text, &spec, NULL) == VIV_OK &&
        vh_str_is(vh_json_str(vh_json_get(spec, "queue"), "file"), in->queue.digest)) {
        entry->there = true;
        return VIV_OK;
    }
    (void)vh_error_set(err, VIV_E_EXISTS, "queue",
                       "this home has a task '%.*s' already, it is %.*s; ids are never used "
                       "twice, give the entry another",
                       VH_STR_ARGS(entry->id), VH_STR_ARGS(vh_json_str(row, "state")));
    return refuse(entry, VIV_E_EXISTS, err);
}

static bool
usable(struct viv_str state)
{
    return !vh_str_is(state, "failed") && !vh_str_is(state, "cancelled") &&
           !vh_str_is(state, "rolled_back");
}

/* One page of ids; rows of the home come back through `each`. */
static viv_status
ask_ids(struct import *in, struct vh_json *ids,
        viv_status (*each)(struct import *in, const struct vh_json *row, struct viv_error *err),
        struct viv_error *err)
{
    struct vh_json *response = NULL;
    struct vh_json *request = vh_cli_request(in->cli, "lookup");
    vh_json_set(request, "ids", ids);
    viv_status status = vh_app_ask(&in->cli->app, request, in->cli->arena, &response, err);
    const struct vh_json *rows = vh_json_get(response, "tasks");
    for (const struct vh_json *row = rows ? rows->child : NULL; row && status == VIV_OK;
         row = row->next) {
        status = each(in, row, err);
    }
    return status;
}

static viv_status
check_ids(struct import *in, struct viv_error *err)
{
    viv_status status = VIV_OK;
    for (uint32_t from = 0; from < in->queue.count && status == VIV_OK; from += LOOKUP_IDS) {
        struct vh_json *ids = vh_json_array(in->cli->arena);
        for (uint32_t i = from; i < from + LOOKUP_IDS && i < in->queue.count; i++) {
            vh_json_push(ids, vh_json_string(in->cli->arena, in->queue.entry[i].id));
        }
        status = ask_ids(in, ids, judge_there, err);
    }
    return status;
}

static viv_status
note_outside(struct import *in, const struct vh_json *row, struct viv_error *err)
{
    struct viv_str state = vh_json_str(row, "state");
    if (!usable(state)) {
        return vh_error_set(err, VIV_E_INVALID, "queue",
                            "'depends_on' names '%.*s', which is %.*s in this home",
                            VH_STR_ARGS(vh_json_str(row, "id")), VH_STR_ARGS(state));
    }
    struct viv_str id = vh_json_str(row, "id");
    uint32_t at = in->outside.count++;
    for (; at > 0 && vh_str_compare(in->outside.id[at - 1], id) > 0; at--) {
        in->outside.id[at] = in->outside.id[at - 1];
    }
    in->outside.id[at] = id;
    return VIV_OK;
}

static viv_status
refuse_unknown(struct import *in, struct viv_str id, struct viv_error *err)
{
    if (vh_queue_file_lists(&in->queue.failed, id)) {
        return vh_error_set(err, VIV_E_INVALID, "queue",
                            "'depends_on' names '%.*s', which stands under 'failed'; move it "
                            "to 'tasks' to try again",
                            VH_STR_ARGS(id));
    }
    return vh_error_set(err, VIV_E_INVALID, "queue",
                        "'depends_on' names '%.*s', which is neither in the file nor in this "
                        "home",
                        VH_STR_ARGS(id));
}

static bool
is_outside(const struct import *in, struct viv_str id)
{
    return vh_queue_file_lists(&in->outside, id);
}

/* Dependencies of one entry that are not in the file: in the home, or done before the file was
 * written. */
static viv_status
check_depends(struct import *in, const struct vh_queue_entry *entry, struct viv_error *err)
{
    struct vh_json *ids = vh_json_array(in->cli->arena);
    for (uint32_t d = 0; d < entry->depends_count; d++) {
        if (!vh_queue_file_find(&in->queue, entry->depends[d]) &&
            !is_outside(in, entry->depends[d])) {
            vh_json_push(ids, vh_json_string(in->cli->arena, entry->depends[d]));
        }
    }
    if (!ids || ids->count == 0) {
        return ids ? VIV_OK : no_memory(err);
    }
    if (in->outside.count + ids->count > VIV_QUEUE_TASKS_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "queue",
                            "the file depends on more than %d tasks outside of it",
                            VIV_QUEUE_TASKS_MAX);
    }
    viv_status status = ask_ids(in, ids, note_outside, err);
    for (uint32_t d = 0; d < entry->depends_count && status == VIV_OK; d++) {
        struct viv_str id = entry->depends[d];
        if (!vh_queue_file_find(&in->queue, id) && !is_outside(in, id) &&
            !vh_queue_file_lists(&in->queue.completed, id)) {
            status = refuse_unknown(in, id, err);
        }
    }
    return status;
}

/* Whether the folder is there, unless what the entry has to wait for may make it. */
static viv_status
check_scope(struct import *in, const struct vh_queue_entry *entry, struct viv_error *err)
{
    struct vh_json *response = NULL;
    if (!entry->scope.len || entry->depends_count || entry->there) {
        return VIV_OK;
    }
    struct vh_json *request = vh_cli_request(in->cli, "lookup");
    vh_json_set(request, "ids", vh_json_array(in->cli->arena));
    vh_json_set_str(in->cli->arena, request, "scope", entry->scope);
    return vh_app_ask(&in->cli->app, request, in->cli->arena, &response, err);
}

static viv_status
check_home(struct import *in, struct viv_error *err)
{
    in->outside.id = vh_arena_array(in->cli->arena, VIV_QUEUE_TASKS_MAX, sizeof *in->outside.id);
    viv_status status = in->outside.id ? check_ids(in, err) : no_memory(err);
    for (uint32_t i = 0; i < in->queue.count && status == VIV_OK; i++) {
        status = check_depends(in, &in->queue.entry[i], err);
        status = status ? status : check_scope(in, &in->queue.entry[i], err);
        if (status) {
            return refuse(&in->queue.entry[i], status, err);
        }
    }
    return status;
}

/* ---- submitting ---- */

static struct vh_json *
command_of(struct vh_cli *cli, struct viv_str text)
{
    struct vh_json *argv = vh_json_array(cli->arena);
    vh_json_push(argv, vh_json_string(cli->arena, VH_STR("sh")));
    vh_json_push(argv, vh_json_string(cli->arena, VH_STR("-c")));
    vh_json_push(argv, vh_json_string(cli->arena, text));
    struct vh_json *stage = vh_json_object(cli->arena);
    vh_json_set(stage, "argv", argv);
    struct vh_json *stages = vh_json_array(cli->arena);
    vh_json_push(stages, stage);
    struct vh_json *command = vh_json_object(cli->arena);
    vh_json_set(command, "stages", stages);
    return command;
}

static struct vh_json *
spec_of(const struct import *in, const struct vh_queue_entry *entry)
{
    struct vh_arena *arena = in->cli->arena;
    struct vh_json *place = vh_json_object(arena);
    vh_json_set_int(arena, place, "at", entry->bytes.data - in->queue.bytes.data);
    vh_json_set_int(arena, place, "bytes", (int64_t)entry->bytes.len);
    vh_json_set_text(arena, place, "file", in->queue.digest);
    struct vh_json *spec = vh_json_object(arena);
    vh_json_set_int(arena, spec, "budget_max_micro", entry->max_micro);
    vh_json_set_int(arena, spec, "budget_min_micro", entry->min_micro);
    if (entry->hosts) {
        vh_json_set(spec, "hosts", vh_json_clone(arena, entry->hosts));
    }
    if (entry->intensity.len) {
        vh_json_set_str(arena, spec, "intensity", entry->intensity);
    }
    if (entry->model.len) {
        vh_json_set_str(arena, spec, "model", entry->model);
    }
    vh_json_set(spec, "queue", place);
    return spec;
}

static struct vh_json *
task_of(const struct import *in, const struct vh_queue_entry *entry)
{
    struct vh_arena *arena = in->cli->arena;
    struct vh_json *task = vh_json_object(arena);
    struct vh_json *depends = vh_json_array(arena);
    for (uint32_t d = 0; d < entry->depends_count; d++) {
        bool again = false;
        for (uint32_t e = 0; e < d; e++) {
            again = again || vh_str_equal(entry->depends[e], entry->depends[d]);
        }
        if (!again && (vh_queue_file_find(&in->queue, entry->depends[d]) ||
                       is_outside(in, entry->depends[d]))) {
            vh_json_push(depends, vh_json_string(arena, entry->depends[d]));
        }
    }
    if (entry->command.len) {
        vh_json_set(task, "command", command_of(in->cli, entry->command));
    }
    vh_json_set(task, "depends", depends);
    vh_json_set_str(arena, task, "goal", entry->prompt);
    vh_json_set_str(arena, task, "id", entry->id);
    if (entry->scope.len) {
        vh_json_set_str(arena, task, "scope", entry->scope);
    }
    vh_json_set(task, "spec", spec_of(in, entry));
    return task;
}

static viv_status
submit_entry(struct import *in, const struct vh_queue_entry *entry, bool lazy, struct viv_error *err)
{
    char key[VH_HASH_HEX];
    struct vh_json *response = NULL;
    struct vh_cli *cli = in->cli;
    char *text =
        vh_arena_format(cli->arena, "queue %s %.*s", in->queue.digest, VH_STR_ARGS(entry->id));
    if (!text) {
        return no_memory(err);
    }
    vh_hash_text(vh_str(text), key);
    struct vh_json *request = vh_cli_request(cli, "submit");
    vh_json_set_text(cli->arena, request, "key", key);
    vh_json_set_int(cli->arena, request, "lazy", lazy);
    vh_json_set(request, "task", task_of(in, entry));
    viv_status status = vh_app_ask(&cli->app, request, cli->arena, &response, err);
    if (status) {
        return refuse(entry, status, err);
    }
    if (vh_json_int(response, "repeated", 0)) {
        in->repeated++;
    } else {
        in->submitted++;
    }
    return VIV_OK;
}

/* Its submission is on disk before it is answered, and so are those before it. */
static const struct vh_queue_entry *
last_new(const struct import *in)
{
    uint32_t i = in->queue.count;
    while (i > 0 && in->queue.order[i - 1]->there) {
        i--;
    }
    return i ? in->queue.order[i - 1] : NULL;
}

static viv_status
submit_all(struct import *in, struct viv_error *err)
{
    viv_status status = VIV_OK;
    const struct vh_queue_entry *last = last_new(in);
    struct vh_cli *cli = in->cli;
    struct vh_arena *kept = cli->arena;
    for (uint32_t i = 0; i < in->queue.count && status == VIV_OK; i++) {
        if (atomic_load(&vh_cli_stop)) {
            status = vh_error_set(err, VIV_E_CANCELLED, "queue",
                                  "stopped after %u of %u tasks; the same command goes on "
                                  "from there",
                                  i, in->queue.count);
            break;
        }
        if (in->queue.order[i]->there) {
            in->repeated++;
            continue;
        }
        if (i % PROGRESS_EVERY == 0) {
            vh_cli_progress(cli, "%u of %u tasks queued", i, in->queue.count);
        }
        cli->arena = vh_arena_create(NULL, 0);
        bool lazy = in->queue.order[i] != last;
        status = cli->arena ? submit_entry(in, in->queue.order[i], lazy, err) : no_memory(err);
        vh_arena_destroy(cli->arena);
        cli->arena = kept;
    }
    vh_cli_progress(cli, NULL);
    return status;
}

/* Bytes first, then the event that names them. */
static viv_status
record_file(struct import *in, struct viv_error *err)
{
    char hex[VH_HASH_HEX];
    struct vh_cli *cli = in->cli;
    struct vh_json *response = NULL;
    char *key = vh_arena_format(cli->arena, "queue %s", in->queue.digest);
    viv_status status = vh_blob_put(cli->app.seam, cli->app.home, in->queue.bytes, hex, err);
    if (status || !key) {
        return status ? status : no_memory(err);
    }
    struct vh_json *request = vh_cli_request(cli, "import");
    vh_json_set_int(cli->arena, request, "bytes", (int64_t)in->queue.bytes.len);
    vh_json_set_text(cli->arena, request, "file", in->queue.digest);
    vh_json_set_text(cli->arena, request, "key", key);
    vh_json_set_int(cli->arena, request, "tasks", in->queue.count);
    return vh_app_ask(&cli->app, request, cli->arena, &response, err);
}

static void
tell(struct import *in, bool check)
{
    struct vh_cli *cli = in->cli;
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_text(cli->arena, value, "file", in->queue.digest);
        vh_json_set_int(cli->arena, value, "repeated", in->repeated);
        vh_json_set_int(cli->arena, value, "submitted", in->submitted);
        vh_json_set_int(cli->arena, value, "tasks", in->queue.count);
        vh_cli_print_json(cli, value);
    } else if (check) {
        printf("%u tasks, nothing wrong with them\n", in->queue.count);
    } else {
        printf("%u tasks queued, %u were there already; 'vivhost work --drain' does them\n",
               in->submitted, in->repeated);
    }
}

int
vh_import_queue(struct vh_cli *cli, const char *path, bool check)
{
    int code = VH_EXIT_SYSTEM;
    struct viv_str bytes;
    struct viv_error err = VIV_ERROR_INIT;
    struct import in = {.cli = cli};
    viv_status status =
        vh_fs_read(cli->app.seam, cli->arena, AT_FDCWD, path, VIV_QUEUE_BYTES_MAX, &bytes, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    status = vh_queue_file_read(cli->arena, bytes, &in.queue, &err);
    if (status) {
        (void)vh_error_extend(&err, status, "'%s'", path);
        return vh_cli_fail(cli, status, &err);
    }
    if (!vh_cli_open(cli, check ? VH_APP_READ : VH_APP_WRITE, 0, &code)) {
        return code;
    }
    status = check_home(&in, &err);
    if (status == VIV_OK && !check) {
        status = record_file(&in, &err);
        status = status ? status : submit_all(&in, &err);
    }
    code = VH_EXIT_OK;
    if (status) {
        (void)vh_error_extend(&err, status, "'%s'", path);
        code = vh_cli_fail(cli, status, &err);
    } else {
        tell(&in, check);
    }
    vh_cli_close(cli);
    return status == VIV_E_CANCELLED ? VH_EXIT_INTERRUPTED : code;
}

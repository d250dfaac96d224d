/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd_export.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "keep/blob.h"
#include "queue_file.h"
#include "queue_scan.h"
#include "queue_write.h"
#include <viv/limits.h>

#define OUT_MAX ((size_t)1 << 30)

static const char *const known_members[] = {"version", "api_endpoint", "tasks", "completed",
                                            "failed"};

/* A file that was brought in once. */
struct source {
    struct viv_str digest;
    struct viv_str bytes;
};

struct writing {
    struct vh_cli *cli;
    struct vh_buf list[3]; /* by enum vh_queue_list */
    struct source *source;
    uint32_t source_count;
    uint32_t tasks;
};

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "queue", "no memory for the queue file");
}

static void
add_entry_head(struct writing *w, enum vh_queue_list list)
{
    vh_buf_text(&w->list[list], w->list[list].len ? ",\n    " : "\n    ");
}

/* ---- what is kept of earlier files ---- */

static viv_status
read_sources(struct writing *w, const struct vh_json *files, struct viv_error *err)
{
    w->source = vh_arena_array(w->cli->arena, files ? files->count + 1u : 1, sizeof *w->source);
    if (!w->source) {
        return no_memory(err);
    }
    for (const struct vh_json *f = files ? files->child : NULL; f; f = f->next) {
        struct source *source = &w->source[w->source_count++];
        source->digest = f->text;
        viv_status status = vh_blob_get(w->cli->app.seam, w->cli->arena, w->cli->app.home, f->text,
                                        &source->bytes, err);
        if (status) {
            return vh_error_extend(err, status, "queue file %.*s", VH_STR_ARGS(f->text));
        }
    }
    return VIV_OK;
}

/* Entries that were finished before the file came. */
static void
keep_list(struct writing *w, const struct source *source, const char *name, enum vh_queue_list list)
{
    struct viv_str raw, value;
    if (!vh_scan_find(source->bytes, name, &raw)) {
        return;
    }
    struct vh_scan scan = vh_scan_begin(raw);
    while (vh_scan_element(&scan, &value)) {
        add_entry_head(w, list);
        vh_buf_str(&w->list[list], value);
    }
}

static bool
is_known(struct viv_str key)
{
    for (size_t i = 0; i < sizeof known_members / sizeof *known_members; i++) {
        if (vh_str_is(key, known_members[i])) {
            return true;
        }
    }
    return false;
}

/* Members of the top level that nobody here knows; the newest file's word counts. */
static void
keep_members(struct writing *w, struct vh_buf *out)
{
    for (uint32_t i = w->source_count; i > 0; i--) {
        struct vh_scan scan = vh_scan_begin(w->source[i - 1].bytes);
        struct viv_str key, value, newer;
        while (vh_scan_member(&scan, &key, &value)) {
            char *name = vh_arena_text_of(w->cli->arena, key);
            bool seen = !name;
            for (uint32_t j = i; j < w->source_count && !seen; j++) {
                seen = vh_scan_find(w->source[j].bytes, name, &newer);
            }
            if (seen || is_known(key)) {
                continue;
            }
            vh_buf_text(out, ",\n  \"");
            vh_buf_str(out, key);
            vh_buf_text(out, "\": ");
            vh_buf_str(out, value);
        }
    }
}

/* ---- tasks ---- */

/* The entry's bytes in the file it came from; empty when it came from none. */
static struct viv_str
kept_entry(const struct writing *w, const struct vh_json *task)
{
    const struct vh_json *place = vh_json_get(vh_json_get(task, "spec"), "queue");
    struct viv_str file = vh_json_str(place, "file");
    int64_t at = vh_json_int(place, "at", -1), bytes = vh_json_int(place, "bytes", -1);
    for (uint32_t i = 0; i < w->source_count && place; i++) {
        const struct source *s = &w->source[i];
        if (vh_str_equal(s->digest, file) && at >= 0 && bytes > 1 && (uint64_t)at < s->bytes.len &&
            (uint64_t)bytes <= s->bytes.len - (uint64_t)at && s->bytes.data[at] == '{') {
            return (struct viv_str){s->bytes.data + at, (uint64_t)bytes};
        }
    }
    return (struct viv_str){NULL, 0};
}

static void
add_task(struct writing *w, struct vh_arena *arena, const struct vh_json *task)
{
    enum vh_queue_list list;
    if (vh_json_str(task, "parent").len) {
        return; /* a step of a plan: its parent stands for it */
    }
    const char *status = vh_queue_write_status(task, &list);
    struct viv_str kept = kept_entry(w, task);
    add_entry_head(w, list);
    if (kept.len) {
        vh_queue_write_kept(&w->list[list], kept, status);
    } else {
        vh_queue_write_task(&w->list[list], arena, task, status);
    }
    w->tasks++;
}

static viv_status
add_tasks(struct writing *w, struct viv_error *err)
{
    struct vh_cli *cli = w->cli;
    viv_status status = VIV_OK;
    int64_t after = 0;
    bool more = true;
    while (more && status == VIV_OK) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        struct vh_json *response = NULL;
        struct vh_json *request = arena ? vh_json_object(arena) : NULL;
        vh_json_set_int(arena, request, "after", after);
        vh_json_set_text(arena, request, "op", "tasks");
        vh_json_set_int(arena, request, "whole", 1);
        status = request ? vh_app_ask(&cli->app, request, arena, &response, err) : no_memory(err);
        const struct vh_json *tasks = vh_json_get(response, "tasks");
        for (const struct vh_json *t = tasks ? tasks->child : NULL; t && status == VIV_OK;
             t = t->next) {
            add_task(w, arena, t);
        }
        more = vh_json_int(response, "more", 0) != 0;
        after = vh_json_int(response, "last", after);
        vh_arena_destroy(arena);
    }
    return status;
}

static void
write_list(struct vh_buf *out, const char *name, const struct vh_buf *list)
{
    vh_buf_format(out, ",\n  \"%s\": [", name);
    vh_buf_str(out, vh_buf_view(list));
    vh_buf_text(out, list->len ? "\n  ]" : "]");
    out->failed = out->failed || list->failed;
}

static viv_status
write_all(struct writing *w, struct vh_buf *out, struct viv_error *err)
{
    struct viv_str endpoint = VH_STR("\"http://127.0.0.1:8420\"");
    struct vh_json *response = NULL;
    struct vh_cli *cli = w->cli;
    viv_status status =
        vh_app_ask(&cli->app, vh_cli_request(cli, "status"), cli->arena, &response, err);
    status = status ? status : read_sources(w, vh_json_get(response, "queue_files"), err);
    if (status) {
        return status;
    }
    for (uint32_t i = 0; i < w->source_count; i++) {
        (void)vh_scan_find(w->source[i].bytes, "api_endpoint", &endpoint); /* else the one before */
        keep_list(w, &w->source[i], "completed", VH_QUEUE_COMPLETED);
        keep_list(w, &w->source[i], "failed", VH_QUEUE_FAILED);
    }
    status = add_tasks(w, err);
    if (status) {
        return status;
    }
    vh_buf_text(out, "{\n  \"version\": \"1.1\",\n  \"api_endpoint\": ");
    vh_buf_str(out, endpoint);
    keep_members(w, out);
    write_list(out, "tasks", &w->list[VH_QUEUE_TASKS]);
    write_list(out, "completed", &w->list[VH_QUEUE_COMPLETED]);
    write_list(out, "failed", &w->list[VH_QUEUE_FAILED]);
    vh_buf_text(out, "\n}\n");
    return out->failed ? no_memory(err) : VIV_OK;
}

static int
deliver(struct writing *w, const struct vh_buf *out, const char *path)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_cli *cli = w->cli;
    if (!path || strcmp(path, "-") == 0) {
        fwrite(out->data, 1, out->len, stdout);
        return VH_EXIT_OK;
    }
    viv_status status = vh_fs_replace(cli->app.seam, AT_FDCWD, path, vh_buf_view(out), 0644, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_text(cli->arena, value, "file", path);
        vh_json_set_int(cli->arena, value, "tasks", w->tasks);
        vh_cli_print_json(cli, value);
    } else {
        printf("%u tasks of this home written to %s\n", w->tasks, path);
    }
    return VH_EXIT_OK;
}

int
vh_export_queue(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    struct viv_error err = VIV_ERROR_INIT;
    struct writing w = {.cli = cli};
    struct vh_buf out;
    if (!vh_cli_no_more_options(cli, 0, 1)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    vh_buf_init(&out, cli->arena, OUT_MAX);
    for (size_t i = 0; i < sizeof w.list / sizeof *w.list; i++) {
        vh_buf_init(&w.list[i], cli->arena, OUT_MAX);
    }
    viv_status status = write_all(&w, &out, &err);
    vh_cli_close(cli);
    return status ? vh_cli_fail(cli, status, &err)
                  : deliver(&w, &out, cli->argc ? cli->argv[0] : NULL);
}

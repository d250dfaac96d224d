/* SPDX-License-Identifier: Apache-2.0 */
/* What both ways of walking share. Read walk.h first, then walk_grant.c. */
#include "walk_inside.h"

#include <string.h>

#include "text.h"

#define SAID_MAX 5 /* names in the text; the list of the answer has more */

void
viv_walk_end(struct viv_kit_walk *walk, viv_status status, const char *problem, struct viv_str about)
{
    if (walk->status != VIV_OK)
        return;
    char name[160] = ".";
    struct viv_kit_buf shown;
    viv_kit_buf_init(&shown, (struct viv_kit_memory){ NULL, NULL }, sizeof name - 1);
    shown.data = name;
    shown.size = sizeof name - 1;
    if (about.len > (sizeof name - 1) / 3) {
        about.len = (sizeof name - 1) / 3; /* every byte may take three when escaped */
    }
    viv_kit_path_escape(&shown, about);
    if (about.data) {
        walk->status = viv_kit_fail(&walk->error, status, "walk", "%s '%s'", problem, name);
    } else {
        walk->status = viv_kit_fail(&walk->error, status, "walk", "%s", problem);
    }
}

uint32_t
viv_walk_fatal(viv_status status)
{
    return status != VIV_OK && status != VIV_E_NOT_FOUND && status != VIV_E_DENIED && status != VIV_E_IO &&
           status != VIV_E_INVALID;
}

uint32_t
viv_walk_missing(struct viv_kit_walk *walk, struct viv_str root)
{
    if (!(walk->flags & VIV_KIT_WALK_EMPTY) || root.len == 0)
        return 0;
    viv_kit_walk_skip(walk, root, "is not there; an empty folder is not kept");
    return 1;
}

/* "./host//x/" becomes "host/x", "." becomes "". */
static struct viv_str
normal(struct viv_kit_walk *walk, struct viv_str root)
{
    uint64_t len = 0;
    for (uint64_t at = 0; at < root.len;) {
        uint64_t end = at;
        while (end < root.len && root.data[end] != '/') {
            end++;
        }
        if (end > at && !(end - at == 1 && root.data[at] == '.')) {
            if (len > 0) {
                walk->path[len++] = '/';
            }
            memcpy(walk->path + len, root.data + at, (size_t)(end - at));
            len += end - at;
        }
        at = end + 1;
    }
    return (struct viv_str){ walk->path, len };
}

viv_status
viv_kit_walk_open(struct viv_call *call, const struct viv_effects *effects, struct viv_str root, uint32_t flags,
                  struct viv_kit_walk **ret_walk, struct viv_error *err)
{
    if (!viv_kit_path_safe(root)) {
        return viv_kit_fail(err, VIV_E_INVALID, "walk",
                            "the folder is not a path inside the workspace, allowed: relative, without '..'");
    }
    struct viv_kit_walk *walk = call->alloc(call, sizeof *walk);
    char *piece = walk ? call->alloc(call, VIV_KIT_PIECE_BYTES) : NULL;
    if (!piece)
        return viv_kit_fail(err, VIV_E_MEMORY, "walk", "no memory to walk a folder");
    walk->call = call;
    walk->effects = effects;
    walk->memory = viv_kit_memory_of(call);
    walk->error = (struct viv_error)VIV_ERROR_INIT;
    walk->flags = flags;
    walk->file_fd = -1;
    walk->piece = piece;
    viv_kit_buf_init(&walk->load, walk->memory, VIV_CALL_ARENA_MAX);
    root = normal(walk, root);
    if (call->root_fd >= 0) {
        viv_walk_grant_open(walk, root);
    } else if (effects) {
        viv_walk_effects_open(walk, root);
    } else {
        viv_walk_end(walk, VIV_E_DENIED, "without folder grant and effects nothing can be read of", root);
    }
    if (walk->status != VIV_OK)
        return viv_kit_walk_close(walk, err);
    *ret_walk = walk;
    return VIV_OK;
}

uint32_t
viv_kit_walk_next(struct viv_kit_walk *walk, struct viv_kit_file *ret_file)
{
    const struct viv_str nothing = { NULL, 0 };
    if (walk->status != VIV_OK)
        return 0;
    if (walk->call->cancelled(walk->call)) {
        viv_walk_end(walk, VIV_E_CANCELLED, "cancelled while walking", nothing);
        return 0;
    }
    if (!(walk->levels ? viv_walk_grant_next(walk, ret_file) : viv_walk_effects_next(walk, ret_file)))
        return 0;
    if (++walk->files > VIV_KIT_WALK_FILES_MAX) {
        viv_walk_end(walk, VIV_E_LIMIT, "over 1000000 files, allowed 1000000; name a smaller folder", nothing);
        return 0;
    }
    return 1;
}

viv_status
viv_kit_walk_close(struct viv_kit_walk *walk, struct viv_error *err)
{
    if (!walk)
        return err ? err->status : VIV_E_INTERNAL;
    viv_walk_grant_close(walk);
    if (walk->status != VIV_OK && err) {
        viv_kit_fail(err, walk->status, walk->error.where, "%s", walk->error.text);
    }
    return walk->status;
}

/* First, since a long text is cut at its end. */
static void
say_skipped(const struct viv_kit_walk *walk, struct viv_kit_buf *text)
{
    viv_kit_buf_text(text, "incomplete, ");
    viv_kit_buf_integer(text, (int64_t)walk->skipped_count);
    viv_kit_buf_text(text, walk->skipped_count == 1 ? " file left out: " : " files left out: ");
    for (uint64_t i = 0; i < walk->skipped_count && i < SAID_MAX; i++) {
        viv_kit_buf_text(text, i ? ", " : "");
        viv_kit_path_escape(text, walk->skipped[i].path);
        viv_kit_buf_text(text, " (");
        viv_kit_buf_text(text, walk->skipped[i].reason);
        viv_kit_buf_text(text, ")");
    }
    viv_kit_buf_text(text, walk->skipped_count > SAID_MAX ? ", ..." : "");
    if (walk->limit > 0) {
        viv_kit_buf_text(text, "; at most ");
        viv_kit_buf_integer(text, (int64_t)walk->limit);
        viv_kit_buf_text(text, " bytes are read of a file");
    }
    viv_kit_buf_text(text, "\n");
}

viv_status
viv_kit_walk_finish(struct viv_kit_walk *walk, struct viv_kit_json *json, const struct viv_kit_buf *text,
                    struct viv_str *ret_json, struct viv_str *ret_text, struct viv_error *err)
{
    struct viv_str document;
    struct viv_str words;
    struct viv_kit_buf said;
    if (walk && walk->skipped_count > 0) {
        viv_kit_buf_init(&said, walk->memory, text->len + SAID_MAX * (3 * VIV_PATH_MAX + 64) + 128);
        say_skipped(walk, &said);
        viv_kit_buf_add(&said, text->data, text->len);
        said.failed |= text->failed;
        text = &said;
    }
    viv_status status = viv_kit_walk_close(walk, err);
    if (status == VIV_OK) {
        status = viv_kit_json_finish(json, &document, err);
    }
    if (status == VIV_OK) {
        status = viv_kit_buf_finish(text, &words, err);
    }
    if (status == VIV_OK) {
        *ret_json = document;
        *ret_text = words;
    }
    return status;
}

void
viv_kit_walk_skip(struct viv_kit_walk *walk, struct viv_str path, const char *reason)
{
    uint64_t at = walk->skipped_count++;
    if (at >= VIV_KIT_SKIPPED_MAX)
        return;
    char *copy = walk->memory.alloc(walk->memory.data, path.len + 1);
    if (!copy) {
        viv_walk_end(walk, VIV_E_MEMORY, "no memory to note", path);
        walk->skipped_count--;
        return;
    }
    memcpy(copy, path.data, (size_t)path.len);
    walk->skipped[at] = (struct viv_walk_skipped){ { copy, path.len }, reason };
}

uint64_t
viv_kit_walk_skipped(const struct viv_kit_walk *walk)
{
    return walk->skipped_count;
}

void
viv_kit_walk_write_skipped(const struct viv_kit_walk *walk, struct viv_kit_json *json)
{
    viv_kit_json_list(json, "skipped");
    for (uint64_t i = 0; i < walk->skipped_count && i < VIV_KIT_SKIPPED_MAX; i++) {
        viv_kit_json_object(json, NULL);
        viv_kit_json_path(json, "path", walk->skipped[i].path);
        viv_kit_json_text(json, "reason", viv_kit_str(walk->skipped[i].reason));
        viv_kit_json_end(json);
    }
    viv_kit_json_end(json);
    viv_kit_json_integer(json, "skipped_count", (int64_t)walk->skipped_count);
}

uint32_t
viv_kit_file_open(struct viv_kit_walk *walk, const struct viv_kit_file *file)
{
    if (walk->status != VIV_OK)
        return 0;
    walk->file_path = file->path;
    walk->file_problem = NULL;
    walk->file_output = (struct viv_str){ NULL, 0 };
    walk->file_read = 0;
    walk->file_done = 0;
    uint32_t opened = walk->levels ? viv_walk_grant_file_open(walk) : viv_walk_effects_file_open(walk);
    if (!opened && walk->file_problem) {
        viv_kit_walk_skip(walk, file->path, walk->file_problem);
    }
    return opened && walk->status == VIV_OK;
}

struct viv_str
viv_kit_file_piece(struct viv_kit_walk *walk)
{
    struct viv_str piece = { NULL, 0 };
    if (walk->file_done || walk->file_problem || walk->status != VIV_OK)
        return piece;
    if (walk->file_fd < 0) {
        walk->file_done = 1;
        return walk->file_output;
    }
    if (walk->call->cancelled(walk->call)) {
        viv_walk_end(walk, VIV_E_CANCELLED, "cancelled while reading", walk->file_path);
        return piece;
    }
    piece.len = viv_walk_grant_read(walk, walk->piece, VIV_KIT_PIECE_BYTES);
    piece.data = walk->piece;
    return piece;
}

uint32_t
viv_kit_file_close(struct viv_kit_walk *walk)
{
    if (walk->file_fd >= 0) {
        viv_walk_grant_file_close(walk);
    }
    if (walk->status == VIV_OK && walk->file_problem) {
        viv_kit_walk_skip(walk, walk->file_path, walk->file_problem);
    }
    return walk->status == VIV_OK && !walk->file_problem;
}

/* The whole file into the load buffer, one byte of room more than it is long so that its end shows. */
static struct viv_str
load_open_file(struct viv_kit_walk *walk, uint64_t max)
{
    if (walk->file_fd < 0) {
        if (walk->file_output.len > max) {
            walk->file_problem = "too large for this skill";
            walk->limit = max;
        }
        return walk->file_output;
    }
    walk->load.len = 0;
    if (walk->file_bytes < 0 || (uint64_t)walk->file_bytes > max) {
        walk->file_problem = "too large for this skill";
        walk->limit = max;
        return walk->file_output;
    }
    char *room = viv_kit_buf_room(&walk->load, (uint64_t)walk->file_bytes + 1);
    if (!room) {
        viv_walk_end(walk, VIV_E_MEMORY, "no memory to read", walk->file_path);
        return walk->file_output;
    }
    while (!walk->file_done && !walk->file_problem && walk->load.len <= (uint64_t)walk->file_bytes) {
        walk->load.len +=
            viv_walk_grant_read(walk, room + walk->load.len, (uint64_t)walk->file_bytes + 1 - walk->load.len);
    }
    return (struct viv_str){ room, walk->load.len };
}

uint32_t
viv_kit_file_load(struct viv_kit_walk *walk, const struct viv_kit_file *file, uint64_t max,
                  struct viv_str *ret_bytes)
{
    if (!viv_kit_file_open(walk, file))
        return 0;
    struct viv_str bytes = load_open_file(walk, max);
    if (!viv_kit_file_close(walk))
        return 0;
    *ret_bytes = bytes;
    return 1;
}

uint32_t
viv_kit_binary(struct viv_str bytes)
{
    uint64_t len = bytes.len < 8000 ? bytes.len : 8000;
    return len > 0 && memchr(bytes.data, '\0', (size_t)len) != NULL;
}

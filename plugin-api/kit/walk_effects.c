/* SPDX-License-Identifier: Apache-2.0 */
/* Walking by effects: one recursive list, then one read per file that is opened.
 *
 * What a list answers in `detail_json`: {"entries":[{"kind":"file|folder|link|other","mtime_us":N,"path":"...",
 * "size":N}]}, paths from the workspace's root, escaped as text.h says; links are not followed. A list of a path that
 * is not a folder fails; we then look for the one file in a list of its folder. */
#include "walk_inside.h"

#include <string.h>

#include "read.h"
#include "text.h"

static viv_status
perform(struct viv_kit_walk *walk, uint32_t kind, struct viv_str path, const char *spec,
        struct viv_effect_outcome *ret_outcome, struct viv_error *err)
{
    struct viv_effect_request request = { .size = sizeof request, .rev = 1, .kind = kind, .path = path };
    request.spec_json = viv_kit_str(spec);
    memset(ret_outcome, 0, sizeof *ret_outcome);
    ret_outcome->size = sizeof *ret_outcome;
    ret_outcome->rev = 1;
    return walk->effects->perform(walk->effects, walk->call, &request, ret_outcome, err);
}

static uint32_t
under(struct viv_str path, struct viv_str root)
{
    if (root.len == 0 || (path.len == root.len && memcmp(path.data, root.data, (size_t)root.len) == 0))
        return 1;
    return path.len > root.len && path.data[root.len] == '/' && memcmp(path.data, root.data, (size_t)root.len) == 0;
}

/* Folders between the root and the entry; -1 when one of its names is ".git". */
static int32_t
depth_of(struct viv_str path, struct viv_str root)
{
    int32_t depth = 0;
    uint64_t start = root.len > 0 && path.len > root.len ? root.len + 1 : root.len;
    for (uint64_t i = start; i <= path.len; i++) {
        if (i < path.len && path.data[i] != '/')
            continue;
        if (i - start == 4 && memcmp(path.data + start, ".git", 4) == 0)
            return -1;
        depth += i < path.len;
        start = i + 1;
    }
    return depth;
}

/* One entry of the list; 1 when it is a file of the walk. */
static uint32_t
read_entry(struct viv_kit_walk *walk, struct viv_kit_read *in, struct viv_str root, struct viv_walk_entry *entry)
{
    struct viv_str key;
    struct viv_str kind = { NULL, 0 };
    *entry = (struct viv_walk_entry){ { NULL, 0 }, -1, 0 };
    viv_kit_read_object(in);
    while (viv_kit_read_key(in, &key)) {
        if (viv_kit_is(key, "kind")) {
            kind = viv_kit_read_text(in);
        } else if (viv_kit_is(key, "path")) {
            entry->path = viv_kit_read_text(in);
        } else if (viv_kit_is(key, "size")) {
            entry->bytes = viv_kit_read_integer(in);
        } else if (viv_kit_is(key, "mtime_us")) {
            entry->modified_us = viv_kit_read_integer(in);
        } else {
            viv_kit_read_skip(in);
        }
    }
    entry->path = viv_kit_path_unescape(walk->memory, entry->path);
    if (in->failed || entry->path.len == 0 || !viv_kit_path_safe(entry->path) || !under(entry->path, root))
        return 0;
    int32_t depth = depth_of(entry->path, root);
    if (depth == VIV_KIT_WALK_DEPTH_MAX - 1 && viv_kit_is(kind, "folder")) {
        viv_kit_walk_skip(walk, entry->path, "nested too deeply");
    }
    return viv_kit_is(kind, "file") && depth >= 0 && depth < VIV_KIT_WALK_DEPTH_MAX;
}

static int32_t
compare_entries(const void *a, const void *b)
{
    return viv_kit_compare(((const struct viv_walk_entry *)a)->path, ((const struct viv_walk_entry *)b)->path);
}

/* Steps into {"entries":[...]}; 0 when there is no such member. */
static uint32_t
find_entries(struct viv_kit_read *in)
{
    struct viv_str key;
    viv_kit_read_object(in);
    while (viv_kit_read_key(in, &key)) {
        if (viv_kit_is(key, "entries")) {
            viv_kit_read_list(in);
            return !in->failed;
        }
        viv_kit_read_skip(in);
    }
    return 0;
}

static void
read_entries(struct viv_kit_walk *walk, struct viv_str detail, struct viv_str root)
{
    struct viv_kit_read in;
    uint64_t count = 0;
    viv_kit_read_init(&in, walk->memory, detail);
    if (find_entries(&in)) {
        for (; viv_kit_read_item(&in); count++) {
            viv_kit_read_skip(&in);
        }
    }
    struct viv_walk_entry *entries = NULL;
    if (!in.failed) {
        entries = walk->memory.alloc(walk->memory.data, (count + 1) * sizeof *entries);
        walk->entries = walk->memory.alloc(walk->memory.data, (count + 1) * sizeof *walk->entries);
        if (!entries || !walk->entries) {
            viv_walk_end(walk, VIV_E_MEMORY, "no memory to list", root);
            return;
        }
    }
    viv_kit_read_init(&in, walk->memory, detail);
    if (!entries || !find_entries(&in)) {
        viv_walk_end(walk, VIV_E_CORRUPT, "the host gave a malformed list of", root);
        return;
    }
    while (viv_kit_read_item(&in)) {
        if (read_entry(walk, &in, root, &entries[walk->entry_count])) {
            walk->entries[walk->entry_count] = &entries[walk->entry_count];
            walk->entry_count++;
        }
    }
    if (in.failed) {
        viv_walk_end(walk, VIV_E_CORRUPT, "the host gave a malformed list of", root);
    }
    viv_kit_sort(walk->entries, walk->entry_count, compare_entries);
}

void
viv_walk_effects_open(struct viv_kit_walk *walk, struct viv_str root)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_effect_outcome outcome;
    struct viv_str name = viv_kit_base_name(root);
    struct viv_str folder = { root.data, root.len > name.len ? root.len - name.len - 1 : 0 };
    uint32_t one_file = 0;
    viv_status status =
        perform(walk, VIV_EFFECT_LIST, root.len > 0 ? root : viv_kit_str("."), "{\"recursive\":1}", &outcome, &err);
    if (status == VIV_E_NOT_FOUND && viv_walk_missing(walk, root))
        return;
    if (status != VIV_OK && status != VIV_E_DENIED && !viv_walk_fatal(status) && root.len > 0) {
        one_file = 1;
        status = perform(walk, VIV_EFFECT_LIST, folder.len > 0 ? folder : viv_kit_str("."), "{}", &outcome, &err);
        if (status != VIV_OK && status != VIV_E_DENIED && !viv_walk_fatal(status)) {
            viv_walk_end(walk, VIV_E_NOT_FOUND, "no file or folder of the workspace that can be read:", root);
        }
    }
    if (status != VIV_OK && walk->status == VIV_OK) {
        walk->status = viv_kit_fail(&walk->error, status, err.where, "%s", err.text);
    }
    if (walk->status == VIV_OK && (outcome.flags & VIV_EFFECT_OUTPUT_CUT)) {
        viv_walk_end(walk, VIV_E_LIMIT, "the list was cut, name a smaller folder than", root);
    }
    if (walk->status == VIV_OK) {
        read_entries(walk, outcome.detail_json, root);
    }
    if (walk->status == VIV_OK && one_file && walk->entry_count == 0) {
        viv_walk_end(walk, VIV_E_NOT_FOUND, "no file or folder of the workspace that can be read:", root);
    }
}

uint32_t
viv_walk_effects_next(struct viv_kit_walk *walk, struct viv_kit_file *ret_file)
{
    if (walk->entry_at == walk->entry_count)
        return 0;
    const struct viv_walk_entry *entry = walk->entries[walk->entry_at++];
    *ret_file = (struct viv_kit_file){ entry->path, -1, 0 };
    if (walk->flags & VIV_KIT_WALK_SIZES) {
        ret_file->bytes = entry->bytes;
        ret_file->modified_us = entry->modified_us;
    }
    return 1;
}

uint32_t
viv_walk_effects_file_open(struct viv_kit_walk *walk)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_effect_outcome outcome;
    viv_status status = perform(walk, VIV_EFFECT_READ, walk->file_path, "{}", &outcome, &err);
    if (viv_walk_fatal(status)) {
        walk->status = viv_kit_fail(&walk->error, status, err.where, "%s", err.text);
        return 0;
    }
    if (status == VIV_E_NOT_FOUND) {
        walk->file_problem = "changed while being read";
    } else if (status != VIV_OK) {
        walk->file_problem = status == VIV_E_IO || status == VIV_E_INVALID ? "could not be read" : "not readable";
    } else if (outcome.flags & VIV_EFFECT_OUTPUT_CUT) {
        walk->file_problem = "too large to read by an effect";
        walk->limit = VIV_OUTPUT_MAX;
    }
    walk->file_output = outcome.output;
    return !walk->file_problem;
}

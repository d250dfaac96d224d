/* SPDX-License-Identifier: Apache-2.0 */
/* The person's version of each path may be nowhere but in the checkout; it is kept as an object of the private git
 * directory before the question is asked: what the question names can be looked at until it is decided. */
#include "conflict.h"

#include <fcntl.h>

#include "base/log.h"
#include "base/str.h"
#include "run/import.h"
#include "run/tree.h"

/* The file at the conflict's path, if it is the version the conflict names. */
static bool
keep_one(struct vh_work *work, struct vh_import *import, int root, const struct vh_conflict *conflict)
{
    int dir = -1;
    const char *name = NULL;
    struct vh_tree_content content = { 0 };
    const struct vh_seam *seam = work->run->seam;
    if (!conflict->ours.hex[0] ||
        vh_tree_parent(&work->target, root, conflict->path, false, &dir, &name, NULL)) {
        return false;
    }
    bool is = vh_tree_look(&work->target, work->arena, dir, name, -1, &content, NULL) == VIV_OK &&
              vh_git_same(&content.id, &conflict->ours);
    if (is) {
        vh_import_file(import, conflict->path, dir, name, &content);
    }
    seam->close(seam->data, dir);
    return is;
}

/* Where the kept versions are, relative to the home's folder; NULL when none had to be kept. A failure leaves the
 * person's file where it is, so it is only logged. */
static const char *
keep(struct vh_work *work, const struct vh_conflicts *conflicts)
{
    struct vh_import import;
    struct vh_git_id commit, tree;
    struct viv_error fault = VIV_ERROR_INIT;
    const struct vh_seam *seam = work->run->seam;
    const char *ref = vh_arena_format(work->arena, "refs/viv/conflict/%.*s", VH_STR_ARGS(work->ask.task.id));
    int root = seam->open(seam->data, AT_FDCWD, work->target.root, O_RDONLY | O_DIRECTORY, 0);
    if (!ref || root < 0) {
        return NULL;
    }
    struct vh_import_head head = { .ref = ref, .time_s = vh_run_time_s(work), .message = VH_STR("A conflict\n") };
    vh_import_begin(&import, &work->target, work->arena, VH_GIT_KEEP, &head, &fault);
    size_t count = 0;
    for (size_t i = 0; i < conflicts->count; i++) {
        count += keep_one(work, &import, root, &conflicts->conflict[i]);
    }
    seam->close(seam->data, root);
    if (vh_import_finish(&import, &commit, &tree)) {
        vh_log(VH_LOG_WARNING, "conflict", "the person's versions are kept in the checkout only: %s", fault.text);
        return NULL;
    }
    size_t len = strlen(work->run->home_path);
    bool below = count && strncmp(work->target.private_dir, work->run->home_path, len) == 0 &&
                 work->target.private_dir[len] == '/';
    return below ? work->target.private_dir + len + 1 : NULL;
}

static struct vh_json *
list_of(struct vh_work *work, const struct vh_conflicts *conflicts)
{
    struct vh_json *list = vh_json_array(work->arena);
    for (size_t i = 0; i < conflicts->count; i++) {
        const struct vh_conflict *c = &conflicts->conflict[i];
        struct vh_json *item = vh_json_object(work->arena);
        vh_json_set_text(work->arena, item, "base", c->base.hex);
        vh_json_set_text(work->arena, item, "ours", c->ours.hex);
        vh_json_set_str(work->arena, item, "path", vh_tree_escape(work->arena, c->path));
        vh_json_set_text(work->arena, item, "reason", c->reason ? c->reason : "");
        vh_json_set_text(work->arena, item, "theirs", c->theirs.hex);
        vh_json_push(list, item);
    }
    return list;
}

void
vh_conflict_set(struct vh_work *work, struct vh_json *data, const struct vh_conflicts *conflicts, const char *text)
{
    struct vh_json *list = list_of(work, conflicts);
    struct viv_str printed = vh_json_print(work->arena, list);
    char *hex = vh_arena_alloc(work->arena, VH_HASH_HEX);
    if (hex) {
        vh_hash_text(printed, hex);
        vh_json_set_text(work->arena, data, "digest", hex);
    }
    vh_json_set(data, "conflicts", list);
    const char *kept = work->target_open ? keep(work, conflicts) : NULL;
    if (kept) {
        vh_json_set_text(work->arena, data, "kept_in", kept);
    }
    vh_run_failure(work, data, "conflict", text);
}

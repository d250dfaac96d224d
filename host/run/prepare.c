/* SPDX-License-Identifier: Apache-2.0 */
#include "prepare.h"

#include <errno.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "run/effect.h"
#include "run/workspace.h"

#define FOLDER "trees/prepared"
#define LAST_WORDS 400

/* Command and digests of the inputs; an input that is missing counts as missing. Trailing globs are prefixes. */
static viv_status
key_of(struct vh_work *work, const struct vh_json *prepare, const struct vh_git_id *tree, char ret_hex[VH_HASH_HEX],
       struct viv_error *err)
{
    struct vh_tree list;
    struct vh_hasher hasher;
    struct vh_hash hash;
    struct viv_str run = vh_json_print(work->arena, vh_json_get(prepare, "run"));
    const struct vh_json *inputs = vh_json_get(prepare, "inputs");
    viv_status status = vh_layer_list(&work->target, work->arena, tree, &list, err);
    if (status) {
        return status;
    }
    if (!run.data) {
        return vh_error_set(err, VIV_E_MEMORY, "prepare", "no memory for the command's text");
    }
    /* A layer of changes fits every tree with the same inputs; a whole copy fits only the one it was made of. */
    bool copy = work->run->profile.variant == VH_SANDBOX_REDUCED_COPY;
    vh_hasher_init(&hasher);
    vh_hasher_add(&hasher, copy ? "copy" : "over", 5);
    vh_hasher_add(&hasher, run.data, (size_t)run.len + 1);
    for (const struct vh_json *input = inputs ? inputs->child : NULL; input; input = input->next) {
        struct viv_str name = input->text;
        bool prefix = name.len && name.data[name.len - 1] == '*';
        name.len -= prefix;
        vh_hasher_add(&hasher, input->text.data, (size_t)input->text.len + 1);
        for (size_t i = 0; i < list.count; i++) {
            const struct vh_tree_entry *entry = &list.entry[i];
            bool same = prefix ? entry->path.len >= name.len && memcmp(entry->path.data, name.data, name.len) == 0
                               : vh_str_equal(entry->path, name);
            if (same) {
                vh_hasher_add(&hasher, entry->path.data, (size_t)entry->path.len + 1);
                vh_hasher_add(&hasher, entry->id.hex, strlen(entry->id.hex) + 1);
            }
        }
    }
    if (!inputs || copy) {
        vh_hasher_add(&hasher, tree->hex, strlen(tree->hex)); /* without inputs every tree is its own */
    }
    if (!vh_hasher_finish(&hasher, &hash)) {
        return vh_error_set(err, VIV_E_INTERNAL, "prepare", "SHA-256 failed");
    }
    vh_hash_hex(&hash, ret_hex);
    return VIV_OK;
}

static viv_status
run_command(struct vh_work *work, const struct vh_json *prepare, struct viv_error *err)
{
    struct vh_json *stage = vh_json_object(work->arena);
    struct vh_json *stages = vh_json_array(work->arena);
    struct vh_json *spec = vh_json_object(work->arena);
    vh_json_set(stage, "argv", vh_json_clone(work->arena, vh_json_get(prepare, "run")));
    vh_json_push(stages, stage);
    vh_json_set(spec, "stages", stages);
    struct viv_effect_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .kind = VIV_EFFECT_EXEC,
        .spec_json = vh_json_print(work->arena, spec),
    };
    struct viv_effect_outcome outcome = { 0 };
    struct vh_effect_origin origin = { .work = work, .plugin = VH_STR("host"), .by_policy = true };
    viv_status status = vh_effect_perform(&origin, work->arena, &request, &outcome, err);
    if (status || outcome.exit_code == 0) {
        return status;
    }
    size_t cut = outcome.errors.len > LAST_WORDS ? (size_t)outcome.errors.len - LAST_WORDS : 0;
    struct viv_str words = vh_run_clean(
        work->arena, (struct viv_str){ outcome.errors.data + cut, outcome.errors.len - cut }, LAST_WORDS);
    return vh_error_set(err, VIV_E_UNAVAILABLE, "prepare", "the policy's 'prepare' ended with %d: %.*s",
                        outcome.exit_code, VH_STR_ARGS(words));
}

/* Everything the command wrote, synced, then in one step under its key. Another worker may have been first. */
static viv_status
keep_layer(struct vh_work *work, const char *layer, struct viv_error *err)
{
    const struct vh_seam *seam = work->run->seam;
    enum vh_change_form form;
    vh_workspace_stop(work);
    int fd = vh_workspace_result(work, &form, err);
    if (fd < 0) {
        return VIV_E_IO;
    }
    viv_status status = seam->sync_all(seam->data, fd) ? vh_error_errno(err, VIV_E_IO, "prepare", "cannot sync a layer")
                                                       : VIV_OK;
    seam->close(seam->data, fd);
    VH_PLACE(seam, "prepare.before-rename");
    if (status == VIV_OK && seam->rename(seam->data, AT_FDCWD, vh_workspace_result_path(work),
            work->run->home, layer, 0) &&
        errno != EEXIST && errno != ENOTEMPTY) {
        status = vh_error_errno(err, VIV_E_IO, "prepare", "cannot keep a layer");
    }
    return status;
}

static viv_status
make_layer(struct vh_work *work, const struct vh_json *prepare, const struct vh_git_id *tree, int64_t time_s,
           const char *layer, struct viv_error *err)
{
    struct viv_str stage = work->stage;
    work->stage = VH_STR("prepare");
    viv_status status = vh_fs_make_folders(work->run->seam, work->run->home, FOLDER, 0700, err);
    if (status == VIV_OK) {
        status = vh_workspace_open_bare(work, tree, time_s, err);
    }
    if (status == VIV_OK) {
        status = run_command(work, prepare, err);
    }
    if (status == VIV_OK) {
        status = keep_layer(work, layer, err);
    }
    vh_workspace_close(work);
    work->stage = stage;
    return status;
}

viv_status
vh_prepare_layer(struct vh_work *work, const struct vh_git_id *tree, int64_t time_s, const char **ret_path,
                 struct viv_error *err)
{
    char hex[VH_HASH_HEX];
    const struct vh_json *prepare = vh_run_setting(work->policy, "prepare");
    *ret_path = NULL;
    if (!prepare || tree->hex[0] == '\0') {
        return VIV_OK;
    }
    viv_status status = key_of(work, prepare, tree, hex, err);
    char *layer = vh_arena_format(work->arena, FOLDER "/%s", hex);
    if (status == VIV_OK && layer) {
        pthread_rwlock_rdlock(&work->run->trees->lock);
        vh_tree_user_keep(&work->trees, layer + strlen("trees/"));
        pthread_rwlock_unlock(&work->run->trees->lock);
    }
    if (status == VIV_OK && layer && !vh_fs_exists(work->run->seam, work->run->home, layer)) {
        status = make_layer(work, prepare, tree, time_s, layer, err);
    }
    *ret_path = layer ? vh_arena_format(work->arena, "%s/%s", work->run->home_path, layer) : NULL;
    return status ? status : *ret_path ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "prepare", "no memory for a layer");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 digests of files, and groups of files that are the same. With `duplicates_only` the list of all files is left
 * out. Read next: digests.c. */
#include "file_digests_manifest.h"
#include "digests.h"

#include <string.h>
#include <viv/iface/skill.h>

#define OUTPUT_BYTES_MAX (8u << 20)

static viv_status
digest_all(struct viv_kit_walk *walk, struct viv_str name, struct digests *digests, struct viv_error *err)
{
    struct viv_kit_file file;
    while (viv_kit_walk_next(walk, &file)) {
        if (name.len > 0 && !viv_kit_glob(name, viv_kit_base_name(file.path)))
            continue;
        if (!viv_kit_file_open(walk, &file))
            continue;
        struct viv_kit_sha256 sum;
        struct viv_str piece;
        int64_t bytes = 0;
        viv_kit_sha256_init(&sum);
        while ((piece = viv_kit_file_piece(walk)).len > 0) {
            viv_kit_sha256_add(&sum, piece.data, piece.len);
            bytes += (int64_t)piece.len;
        }
        if (viv_kit_file_close(walk) && !digests_add(digests, file.path, bytes, &sum)) {
            return viv_kit_fail(err, VIV_E_MEMORY, "file_digests",
                                "no memory for over %llu files; name a smaller folder",
                                (unsigned long long)digests->count);
        }
    }
    if (!digests_group(digests)) {
        return viv_kit_fail(err, VIV_E_MEMORY, "file_digests",
                            "no memory to compare %llu files; name a smaller folder",
                            (unsigned long long)digests->count);
    }
    return VIV_OK;
}

static void
write_groups(const struct digests *digests, struct viv_kit_json *json, struct viv_kit_buf *text)
{
    viv_kit_json_list(json, "duplicates");
    for (uint64_t i = 0; i < digests->group_count; i++) {
        const struct group *group = digests->groups[i];
        viv_kit_json_object(json, NULL);
        viv_kit_json_integer(json, "bytes", group->files[0]->bytes);
        viv_kit_json_list(json, "paths");
        viv_kit_buf_text(text, "same:");
        for (uint64_t f = 0; f < group->count; f++) {
            viv_kit_json_path(json, NULL, group->files[f]->path);
            viv_kit_buf_text(text, " ");
            viv_kit_path_escape(text, group->files[f]->path);
        }
        viv_kit_buf_text(text, "\n");
        viv_kit_json_end(json);
        viv_kit_json_text(json, "sha256", (struct viv_str){ group->files[0]->hex, 64 });
        viv_kit_json_end(json);
    }
    viv_kit_json_end(json);
}

/* All files, or with a count of 0 none; the text is what sha256sum prints. */
static void
write_files(const struct digests *digests, uint64_t count, struct viv_kit_json *json, struct viv_kit_buf *text)
{
    viv_kit_json_list(json, "files");
    for (uint64_t i = 0; i < count; i++) {
        const struct digest *file = digests->files[i];
        viv_kit_json_object(json, NULL);
        viv_kit_json_integer(json, "bytes", file->bytes);
        viv_kit_json_path(json, "path", file->path);
        viv_kit_json_text(json, "sha256", (struct viv_str){ file->hex, 64 });
        viv_kit_json_end(json);
        viv_kit_buf_add(text, file->hex, 64);
        viv_kit_buf_text(text, "  ");
        viv_kit_path_escape(text, file->path);
        viv_kit_buf_text(text, "\n");
    }
    viv_kit_json_end(json);
}

static void
report(const struct digests *digests, uint32_t duplicates_only, const struct viv_kit_walk *walk,
       struct viv_kit_json *json, struct viv_kit_buf *text)
{
    viv_kit_json_object(json, NULL);
    write_groups(digests, json, text);
    write_files(digests, duplicates_only ? 0 : digests->count, json, text);
    viv_kit_walk_write_skipped(walk, json);
    viv_kit_json_object(json, "total");
    viv_kit_json_integer(json, "bytes", digests->total_bytes);
    viv_kit_json_integer(json, "files", (int64_t)digests->count);
    viv_kit_json_integer(json, "wasted_bytes", digests->wasted_bytes);
    viv_kit_json_end(json);
    viv_kit_json_end(json);
    viv_kit_buf_integer(text, (int64_t)digests->count);
    viv_kit_buf_text(text, digests->count == 1 ? " file, " : " files, ");
    viv_kit_buf_integer(text, (int64_t)digests->group_count);
    viv_kit_buf_text(text, digests->group_count == 1 ? " group of duplicates, " : " groups of duplicates, ");
    viv_kit_buf_integer(text, digests->wasted_bytes);
    viv_kit_buf_text(text, " bytes wasted\n");
}

static viv_status
run(void *self, struct viv_call *call, const struct viv_skill_run_request *request,
    struct viv_skill_run_answer *ret_answer, struct viv_error *err)
{
    const struct viv_kit_lent *lent = self;
    struct viv_kit_values in = VIV_KIT_VALUES(request);
    struct digests digests = { .memory = viv_kit_memory_of(call) };
    struct viv_kit_walk *walk = NULL;
    viv_status status = viv_kit_walk_open(call, lent->effects, viv_kit_text(in, "root", "."), 0, &walk, err);
    if (status != VIV_OK)
        return status;
    status = digest_all(walk, viv_kit_text(in, "name", ""), &digests, err);
    if (status != VIV_OK) {
        (void)viv_kit_walk_close(walk, NULL); /* the first error is the one to tell */
        return status;
    }
    struct viv_kit_json json;
    struct viv_kit_buf text;
    viv_kit_json_init(&json, viv_kit_memory_of(call), OUTPUT_BYTES_MAX);
    viv_kit_buf_init(&text, viv_kit_memory_of(call), OUTPUT_BYTES_MAX);
    report(&digests, viv_kit_bool(in, "duplicates_only", 0), walk, &json, &text);
    return viv_kit_walk_finish(walk, &json, &text, &ret_answer->output_json, &ret_answer->text, err);
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)config;
    return viv_kit_lent_create(host, VIV_KIT_EFFECTS, ret_self, err);
}

static const struct viv_skill skill = { .size = sizeof skill, .rev = 1, .run = run };
static const struct viv_offer offers[] = { { VIV_IFACE_SKILL, &skill } };

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = viv_kit_lent_destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}

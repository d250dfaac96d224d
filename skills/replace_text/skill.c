/* SPDX-License-Identifier: Apache-2.0 */
/* Replace a text by another in files, literally and everywhere. Files are read by grant or effect; they are written by
 * effects only, one per changed file, so every change is judged and recorded. A refused write ends the run: the host
 * throws the workspace away, and no half of a replacement is published. */
#include "replace_text_manifest.h"
#include "kit.h"

#include <string.h>
#include <viv/iface/skill.h>

#define FILE_BYTES_MAX (8u << 20)
#define RESULT_BYTES_MAX (16u << 20)
#define OUTPUT_BYTES_MAX (8u << 20)

struct replace {
    const struct viv_effects *effects;
    struct viv_call *call;
    struct viv_str old;
    struct viv_str new;
    struct viv_str name;
    int64_t files;
    int64_t binary_files;
    int64_t replacements;
    struct viv_kit_buf result; /* used again by each file */
};

/* The file's new bytes into `result`; how often something was replaced. */
static int64_t
replace_bytes(struct replace *replace, struct viv_str bytes)
{
    const char *end = bytes.data + bytes.len;
    const char *done = bytes.data;
    int64_t count = 0;
    replace->result.len = 0;
    while (done < end) {
        const char *at = memmem(done, (size_t)(end - done), replace->old.data, (size_t)replace->old.len);
        if (!at)
            break;
        viv_kit_buf_add(&replace->result, done, (uint64_t)(at - done));
        viv_kit_buf_str(&replace->result, replace->new);
        done = at + replace->old.len;
        count++;
    }
    if (count > 0) {
        viv_kit_buf_add(&replace->result, done, (uint64_t)(end - done));
    }
    return count;
}

static viv_status
write_file(struct replace *replace, struct viv_str path, struct viv_error *err)
{
    if (replace->result.failed) {
        return viv_kit_fail(err, VIV_E_LIMIT, "replace_text", "a changed file has over %u bytes, allowed %u",
                            RESULT_BYTES_MAX, RESULT_BYTES_MAX);
    }
    struct viv_effect_request request = {
        .size = sizeof request, .rev = 1, .kind = VIV_EFFECT_WRITE, .path = path
    };
    struct viv_effect_outcome outcome = { .size = sizeof outcome, .rev = 1 };
    request.bytes = (struct viv_str){ replace->result.data, replace->result.len };
    return replace->effects->perform(replace->effects, replace->call, &request, &outcome, err);
}

static void
list_file(struct viv_kit_json *json, struct viv_kit_buf *text, struct viv_str path, int64_t count)
{
    viv_kit_json_object(json, NULL);
    viv_kit_json_path(json, "path", path);
    viv_kit_json_integer(json, "replacements", count);
    viv_kit_json_end(json);
    viv_kit_path_escape(text, path);
    viv_kit_buf_text(text, ": ");
    viv_kit_buf_integer(text, count);
    viv_kit_buf_text(text, "\n");
}

static viv_status
replace_all(struct replace *replace, struct viv_kit_walk *walk, struct viv_kit_json *json, struct viv_kit_buf *text,
            struct viv_error *err)
{
    struct viv_kit_file file;
    struct viv_str bytes;
    while (viv_kit_walk_next(walk, &file)) {
        if (replace->name.len > 0 && !viv_kit_glob(replace->name, viv_kit_base_name(file.path)))
            continue;
        if (!viv_kit_file_load(walk, &file, FILE_BYTES_MAX, &bytes))
            continue;
        if (viv_kit_binary(bytes)) {
            replace->binary_files++;
            continue;
        }
        int64_t count = replace_bytes(replace, bytes);
        if (count == 0)
            continue;
        viv_status status = write_file(replace, file.path, err);
        if (status != VIV_OK)
            return status;
        replace->files++;
        replace->replacements += count;
        list_file(json, text, file.path, count);
    }
    return VIV_OK;
}

static viv_status
check_input(const struct replace *replace, struct viv_error *err)
{
    if (replace->old.len == 0)
        return viv_kit_fail(err, VIV_E_INVALID, "replace_text", "'old' is empty, allowed: one byte or more");
    if (viv_kit_compare(replace->old, replace->new) == 0)
        return viv_kit_fail(err, VIV_E_INVALID, "replace_text", "'old' and 'new' are the same text: nothing to do");
    return VIV_OK;
}

static viv_status
run(void *self, struct viv_call *call, const struct viv_skill_run_request *request,
    struct viv_skill_run_answer *ret_answer, struct viv_error *err)
{
    const struct viv_kit_lent *lent = self;
    struct viv_kit_values in = VIV_KIT_VALUES(request);
    struct replace replace = { .effects = lent->effects, .call = call };
    replace.old = viv_kit_text(in, "old", "");
    replace.new = viv_kit_text(in, "new", "");
    replace.name = viv_kit_text(in, "name", "");
    viv_kit_buf_init(&replace.result, viv_kit_memory_of(call), RESULT_BYTES_MAX);
    viv_status status = check_input(&replace, err);
    struct viv_kit_walk *walk = NULL;
    if (status == VIV_OK) {
        status = viv_kit_walk_open(call, lent->effects, viv_kit_text(in, "root", "."), 0, &walk, err);
    }
    if (status != VIV_OK)
        return status;
    struct viv_kit_json json;
    struct viv_kit_buf text;
    viv_kit_json_init(&json, viv_kit_memory_of(call), OUTPUT_BYTES_MAX);
    viv_kit_buf_init(&text, viv_kit_memory_of(call), OUTPUT_BYTES_MAX);
    viv_kit_json_object(&json, NULL);
    viv_kit_json_list(&json, "changed");
    status = replace_all(&replace, walk, &json, &text, err);
    if (status != VIV_OK) {
        (void)viv_kit_walk_close(walk, NULL); /* the write's own error is the one to tell */
        return status;
    }
    viv_kit_json_end(&json);
    viv_kit_walk_write_skipped(walk, &json);
    uint64_t skipped = viv_kit_walk_skipped(walk);
    viv_kit_json_object(&json, "total");
    viv_kit_json_integer(&json, "binary_files", replace.binary_files);
    viv_kit_json_integer(&json, "files", replace.files);
    viv_kit_json_integer(&json, "replacements", replace.replacements);
    viv_kit_json_end(&json);
    viv_kit_json_end(&json);
    viv_kit_buf_integer(&text, replace.replacements);
    viv_kit_buf_text(&text, replace.replacements == 1 ? " replacement in " : " replacements in ");
    viv_kit_buf_integer(&text, replace.files);
    viv_kit_buf_text(&text, replace.files == 1 ? " file" : " files");
    viv_kit_buf_text(&text, skipped > 0 ? "; what was left out may still hold the text\n" : "\n");
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

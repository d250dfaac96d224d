/* SPDX-License-Identifier: Apache-2.0 */
/* Search for a text in files: how often it occurs, in how many lines and files, and where. The text is taken
 * literally; with `ignore_case` the case of ASCII letters does not matter. Occurrences do not overlap.
 * Read next: search.c. */
#include "search_text_manifest.h"
#include "search.h"

#include <viv/iface/skill.h>

#define FILE_BYTES_MAX (16u << 20)
#define OUTPUT_BYTES_MAX (8u << 20)

static void
search_all(struct search *search, struct viv_kit_walk *walk, struct viv_kit_json *json, struct viv_kit_buf *text)
{
    struct viv_kit_file file;
    struct viv_str bytes;
    while (viv_kit_walk_next(walk, &file)) {
        if (search->name.len > 0 && !viv_kit_glob(search->name, viv_kit_base_name(file.path)))
            continue;
        if (!viv_kit_file_load(walk, &file, FILE_BYTES_MAX, &bytes))
            continue;
        if (viv_kit_binary(bytes)) {
            search->binary_files++;
            continue;
        }
        search->files_searched++;
        search_file(search, file.path, bytes, json, text);
    }
}

static void
say_totals(const struct search *search, struct viv_kit_buf *text)
{
    viv_kit_buf_integer(text, search->occurrences);
    viv_kit_buf_text(text, search->occurrences == 1 ? " occurrence in " : " occurrences in ");
    viv_kit_buf_integer(text, search->lines);
    viv_kit_buf_text(text, search->lines == 1 ? " line of " : " lines of ");
    viv_kit_buf_integer(text, search->files);
    viv_kit_buf_text(text, search->files == 1 ? " file" : " files");
    viv_kit_buf_text(text, search->lines > search->limit ? "; the list is cut\n" : "\n");
}

static viv_status
run(void *self, struct viv_call *call, const struct viv_skill_run_request *request,
    struct viv_skill_run_answer *ret_answer, struct viv_error *err)
{
    const struct viv_kit_lent *lent = self;
    struct viv_kit_values in = VIV_KIT_VALUES(request);
    struct search search = {
        .text = viv_kit_text(in, "text", ""),
        .name = viv_kit_text(in, "name", ""),
        .ignore_case = viv_kit_bool(in, "ignore_case", 0),
        .limit = viv_kit_integer(in, "limit", 1000),
    };
    if (search.text.len == 0)
        return viv_kit_fail(err, VIV_E_INVALID, "search_text", "'text' is empty, allowed: one byte or more");
    struct viv_kit_walk *walk = NULL;
    viv_status status = viv_kit_walk_open(call, lent->effects, viv_kit_text(in, "root", "."), 0, &walk, err);
    if (status != VIV_OK)
        return status;
    struct viv_kit_json json;
    struct viv_kit_buf text;
    viv_kit_json_init(&json, viv_kit_memory_of(call), OUTPUT_BYTES_MAX);
    viv_kit_buf_init(&text, viv_kit_memory_of(call), OUTPUT_BYTES_MAX);
    viv_kit_json_object(&json, NULL);
    viv_kit_json_list(&json, "lines");
    search_all(&search, walk, &json, &text);
    viv_kit_json_end(&json);
    viv_kit_walk_write_skipped(walk, &json);
    viv_kit_json_object(&json, "total");
    viv_kit_json_integer(&json, "binary_files", search.binary_files);
    viv_kit_json_integer(&json, "files", search.files);
    viv_kit_json_integer(&json, "files_searched", search.files_searched);
    viv_kit_json_integer(&json, "lines", search.lines);
    viv_kit_json_integer(&json, "occurrences", search.occurrences);
    viv_kit_json_end(&json);
    viv_kit_json_end(&json);
    say_totals(&search, &text);
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

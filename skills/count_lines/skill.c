/* SPDX-License-Identifier: Apache-2.0 */
/* Count lines by language: files, lines, code, comment and blank lines, by extension, file name or #! line.
 *
 * A line is what ends in a newline, or what is left at the end. A line is a comment when it starts with one, or lies
 * in one that started at the start of a line; a comment behind code is code. Read next: counts.c, languages.c. */
#include "count_lines_manifest.h"
#include "counts.h"
#include "languages.h"

#include <viv/iface/skill.h>

#define FILE_BYTES_MAX (16u << 20) /* source files are smaller; larger ones are reported as skipped */
#define OUTPUT_BYTES_MAX (1u << 20)
#define LANGUAGES_MAX 64

struct state {
    struct counts by_language[LANGUAGES_MAX];
    struct counts total;
    int64_t binary_files;
    uint32_t only; /* index of the one language asked for, or language_count */
    uint32_t reserved;
};

static void
count_all(struct viv_kit_walk *walk, struct state *state)
{
    struct viv_kit_file file;
    struct viv_str bytes;
    while (viv_kit_walk_next(walk, &file)) {
        uint32_t language = language_of_path(file.path);
        uint32_t unknown = language == language_count;
        if ((unknown && viv_kit_extension(file.path).len > 0) ||
            (!unknown && state->only < language_count && language != state->only))
            continue;
        if (!viv_kit_file_load(walk, &file, FILE_BYTES_MAX, &bytes))
            continue;
        if (unknown) {
            language = language_of_content(bytes);
        }
        if (language == language_count || (state->only < language_count && language != state->only))
            continue;
        if (viv_kit_binary(bytes)) {
            state->binary_files++;
        } else {
            counts_of_file(&languages[language], bytes, &state->by_language[language]);
        }
    }
    for (uint32_t i = 0; i < language_count; i++) {
        counts_add(&state->total, &state->by_language[i]);
    }
}

static void
write_counts(struct viv_kit_json *json, const struct counts *counts, const char *language)
{
    viv_kit_json_integer(json, "blank", counts->blank);
    viv_kit_json_integer(json, "code", counts->lines - counts->blank - counts->comment);
    viv_kit_json_integer(json, "comment", counts->comment);
    viv_kit_json_integer(json, "files", counts->files);
    if (language) {
        viv_kit_json_text(json, "language", viv_kit_str(language));
    }
    viv_kit_json_integer(json, "lines", counts->lines);
    viv_kit_json_end(json);
}

static void
say_counts(struct viv_kit_buf *text, const struct counts *counts, const char *language)
{
    viv_kit_buf_text(text, language);
    viv_kit_buf_text(text, ": ");
    viv_kit_buf_integer(text, counts->lines);
    viv_kit_buf_text(text, " lines in ");
    viv_kit_buf_integer(text, counts->files);
    viv_kit_buf_text(text, counts->files == 1 ? " file (" : " files (");
    viv_kit_buf_integer(text, counts->lines - counts->blank - counts->comment);
    viv_kit_buf_text(text, " code, ");
    viv_kit_buf_integer(text, counts->comment);
    viv_kit_buf_text(text, " comment, ");
    viv_kit_buf_integer(text, counts->blank);
    viv_kit_buf_text(text, " blank)\n");
}

static void
report(const struct state *state, struct viv_kit_walk *walk, struct viv_str root, struct viv_kit_json *json,
       struct viv_kit_buf *text)
{
    viv_kit_json_object(json, NULL);
    viv_kit_json_integer(json, "binary_files", state->binary_files);
    viv_kit_json_list(json, "languages");
    for (uint32_t i = 0; i < language_count; i++) {
        if (state->by_language[i].files == 0)
            continue;
        viv_kit_json_object(json, NULL);
        write_counts(json, &state->by_language[i], languages[i].name);
        say_counts(text, &state->by_language[i], languages[i].name);
    }
    viv_kit_json_end(json);
    viv_kit_json_path(json, "root", root);
    viv_kit_walk_write_skipped(walk, json);
    viv_kit_json_object(json, "total");
    write_counts(json, &state->total, NULL);
    viv_kit_json_end(json);
    say_counts(text, &state->total, "total");
}

static viv_status
run(void *self, struct viv_call *call, const struct viv_skill_run_request *request,
    struct viv_skill_run_answer *ret_answer, struct viv_error *err)
{
    const struct viv_kit_lent *lent = self;
    struct viv_kit_values in = VIV_KIT_VALUES(request);
    struct viv_str root = viv_kit_text(in, "root", ".");
    struct viv_str wanted = viv_kit_text(in, "language", "");
    struct state state = { .only = language_named(wanted) };
    if (wanted.len > 0 && state.only == language_count) {
        return viv_kit_fail(err, VIV_E_INVALID, "count_lines",
                            "language '%.*s' is not known, allowed: C, Python, Shell and %u more, see the manual",
                            (int)(wanted.len < 40 ? wanted.len : 40), wanted.data, language_count - 3);
    }
    struct viv_kit_walk *walk = NULL;
    viv_status status = viv_kit_walk_open(call, lent->effects, root, 0, &walk, err);
    if (status != VIV_OK)
        return status;
    struct viv_kit_json json;
    struct viv_kit_buf text;
    viv_kit_json_init(&json, viv_kit_memory_of(call), OUTPUT_BYTES_MAX);
    viv_kit_buf_init(&text, viv_kit_memory_of(call), OUTPUT_BYTES_MAX);
    count_all(walk, &state);
    report(&state, walk, root, &json, &text);
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

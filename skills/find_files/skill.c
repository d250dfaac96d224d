/* SPDX-License-Identifier: Apache-2.0 */
/* Find files by name, size and age. A name is a pattern over the last component; sizes and ages are strict bounds;
 * ages are counted back from the call's recorded time, so that a replay finds the same. Contents are never read. */
#include "find_files_manifest.h"
#include "kit.h"

#include <viv/iface/skill.h>

#define OUTPUT_BYTES_MAX (16u << 20)

struct wanted {
    struct viv_str name;   /* pattern; empty: any */
    int64_t larger_bytes;  /* -1: any */
    int64_t smaller_bytes; /* -1: any */
    int64_t after_us;      /* modified later than this */
    int64_t before_us;     /* modified earlier than this */
    int64_t limit;         /* files listed; all are counted */
};

static struct wanted
read_wanted(struct viv_kit_values in, int64_t now_us)
{
    struct wanted wanted = {
        .name = viv_kit_text(in, "name", ""),
        .larger_bytes = viv_kit_integer(in, "larger_bytes", -1),
        .smaller_bytes = viv_kit_integer(in, "smaller_bytes", -1),
        .after_us = INT64_MIN,
        .before_us = INT64_MAX,
        .limit = viv_kit_integer(in, "limit", 1000),
    };
    if (viv_kit_has(in, "newer_us")) {
        wanted.after_us = now_us - viv_kit_integer(in, "newer_us", 0);
    }
    if (viv_kit_has(in, "older_us")) {
        wanted.before_us = now_us - viv_kit_integer(in, "older_us", 0);
    }
    return wanted;
}

static uint32_t
fits(const struct wanted *wanted, const struct viv_kit_file *file)
{
    if (wanted->name.len > 0 && !viv_kit_glob(wanted->name, viv_kit_base_name(file->path)))
        return 0;
    return (wanted->larger_bytes < 0 || file->bytes > wanted->larger_bytes) &&
           (wanted->smaller_bytes < 0 || file->bytes < wanted->smaller_bytes) &&
           file->modified_us > wanted->after_us && file->modified_us < wanted->before_us;
}

static void
list_file(struct viv_kit_json *json, struct viv_kit_buf *text, const struct viv_kit_file *file)
{
    viv_kit_json_object(json, NULL);
    viv_kit_json_integer(json, "bytes", file->bytes);
    viv_kit_json_integer(json, "modified_us", file->modified_us);
    viv_kit_json_path(json, "path", file->path);
    viv_kit_json_end(json);
    viv_kit_path_escape(text, file->path);
    viv_kit_buf_text(text, "\n");
}

static void
find(struct viv_kit_walk *walk, const struct wanted *wanted, struct viv_kit_json *json, struct viv_kit_buf *text)
{
    struct viv_kit_file file;
    int64_t count = 0;
    int64_t total_bytes = 0;
    viv_kit_json_object(json, NULL);
    viv_kit_json_list(json, "files");
    while (viv_kit_walk_next(walk, &file)) {
        if (file.bytes < 0) {
            viv_kit_walk_skip(walk, file.path, "could not be read");
            continue;
        }
        if (!fits(wanted, &file))
            continue;
        total_bytes += file.bytes;
        if (count++ < wanted->limit) {
            list_file(json, text, &file);
        }
    }
    viv_kit_json_end(json);
    viv_kit_json_integer(json, "found", count);
    viv_kit_json_integer(json, "listed", count < wanted->limit ? count : wanted->limit);
    viv_kit_walk_write_skipped(walk, json);
    viv_kit_json_integer(json, "total_bytes", total_bytes);
    viv_kit_json_end(json);
    viv_kit_buf_integer(text, count);
    viv_kit_buf_text(text, count == 1 ? " file, " : " files, ");
    viv_kit_buf_integer(text, total_bytes);
    viv_kit_buf_text(text, count > wanted->limit ? " bytes; the list is cut\n" : " bytes\n");
}

static viv_status
run(void *self, struct viv_call *call, const struct viv_skill_run_request *request,
    struct viv_skill_run_answer *ret_answer, struct viv_error *err)
{
    const struct viv_kit_lent *lent = self;
    struct viv_kit_values in = VIV_KIT_VALUES(request);
    struct wanted wanted = read_wanted(in, lent->clock->now_us(lent->clock, call));
    if (wanted.after_us >= wanted.before_us) {
        return viv_kit_fail(
            err, VIV_E_INVALID, "find_files",
            "no file can be newer than 'newer_us' and older than 'older_us'; make 'newer_us' the larger");
    }
    if (wanted.smaller_bytes >= 0 && wanted.larger_bytes >= wanted.smaller_bytes) {
        return viv_kit_fail(err, VIV_E_INVALID, "find_files",
                            "no file can be over 'larger_bytes' %lld and under 'smaller_bytes' %lld",
                            (long long)wanted.larger_bytes, (long long)wanted.smaller_bytes);
    }
    struct viv_kit_walk *walk = NULL;
    viv_status status = viv_kit_walk_open(call, lent->effects, viv_kit_text(in, "root", "."),
                                          VIV_KIT_WALK_SIZES | VIV_KIT_WALK_EMPTY, &walk, err);
    if (status != VIV_OK)
        return status;
    struct viv_kit_json json;
    struct viv_kit_buf text;
    viv_kit_json_init(&json, viv_kit_memory_of(call), OUTPUT_BYTES_MAX);
    viv_kit_buf_init(&text, viv_kit_memory_of(call), OUTPUT_BYTES_MAX);
    find(walk, &wanted, &json, &text);
    return viv_kit_walk_finish(walk, &json, &text, &ret_answer->output_json, &ret_answer->text, err);
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)config;
    return viv_kit_lent_create(host, VIV_KIT_EFFECTS | VIV_KIT_CLOCK, ret_self, err);
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

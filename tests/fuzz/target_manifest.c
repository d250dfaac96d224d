/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a manifest, its settings or a skill's input mean something else than they say. The input is three
 * texts with a line "---" between them: manifest, settings of the policy, input of a call. */
#include "fuzz.h"

#include "base/str.h"
#include "load/options.h"
#include <viv/options.h>

static void
settings(struct vh_arena *arena, const struct vh_manifest *manifest, struct viv_str text)
{
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_options_value *values = NULL;
    void *config = NULL;
    viv_status filled = vh_options_fill(arena, manifest, text, &config, &err);
    if (filled) {
        fuzz_message(filled, &err);
    }
    viv_status resolved = vh_options_resolve(arena, manifest, text, &values, &err);
    FUZZ_MUST(filled == resolved, "filled with %d, resolved with %d", filled, resolved);
    for (uint32_t i = 0; resolved == VIV_OK && i < manifest->option_count; i++) {
        const struct vh_manifest_option *option = &manifest->options[i];
        bool number = option->type != VIV_OPTION_TEXT && option->type != VIV_OPTION_JSON &&
                      option->type != VIV_OPTION_BOOL;
        FUZZ_MUST(!number || (values[i].number >= option->min && values[i].number <= option->max),
                  "option '%s' is %lld, allowed %lld to %lld", option->name, (long long)values[i].number,
                  (long long)option->min, (long long)option->max);
    }
    for (uint32_t type = 0; type < 16; type++) {
        int64_t number = 0;
        viv_status status = vh_options_number(type, "n", text, &number, &err);
        if (status) {
            fuzz_message(status, &err);
        }
    }
}

/* What is taken is valid, stays the same, and has no row of another type or out of order. */
static void
call_input(struct vh_arena *arena, const struct vh_schema *schema, struct viv_str text)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_schema_values values;
    struct vh_schema_values again;
    viv_status checked = vh_schema_check(arena, schema, text, &err);
    if (checked) {
        fuzz_message(checked, &err);
    }
    viv_status status = vh_schema_values(arena, schema, text, &values, &err);
    if (status) {
        fuzz_message(status, &err);
        return;
    }
    FUZZ_MUST(checked == VIV_OK, "an input is taken that does not satisfy the schema: %s", err.text);
    FUZZ_MUST(vh_schema_check(arena, schema, values.json, &err) == VIV_OK, "filled in, it is refused: %s", err.text);
    status = vh_schema_values(arena, schema, values.json, &again, &err);
    FUZZ_MUST(status == VIV_OK && vh_str_equal(again.json, values.json) && again.count == values.count,
              "filled in, it is read as '%.*s'", VH_STR_ARGS(again.json));
    for (uint32_t i = 1; i < values.count; i++) {
        int order = vh_str_compare(values.rows[i - 1].name, values.rows[i].name);
        FUZZ_MUST(order <= 0, "rows are not sorted at '%.*s'", VH_STR_ARGS(values.rows[i].name));
    }
}

static void
read_again(struct vh_arena *arena, const struct vh_manifest *manifest)
{
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_manifest *again = NULL;
    uint32_t part[3];
    FUZZ_MUST(vh_manifest_read(arena, manifest->text, &again, &err) == VIV_OK, "read again: %s", err.text);
    FUZZ_MUST(vh_str_is(vh_str(again->id), manifest->id) && again->option_count == manifest->option_count &&
                  again->interface_count == manifest->interface_count && again->effects == manifest->effects &&
                  vh_str_equal(again->input_schema, manifest->input_schema),
              "read again it says something else");
    FUZZ_MUST(vh_str_id(vh_str(manifest->id)), "id '%s'", manifest->id);
    FUZZ_MUST(vh_manifest_version(vh_str(manifest->version), part), "version '%s'", manifest->version);
    FUZZ_MUST(manifest->interface_count <= VH_MANIFEST_LIST_MAX && manifest->service_count <= VH_MANIFEST_LIST_MAX &&
                  manifest->library_count <= VH_MANIFEST_LIST_MAX && manifest->template_count <= VH_MANIFEST_LIST_MAX,
              "a list is too long");
    viv_status status = vh_manifest_machine_made(manifest, &err);
    if (status) {
        fuzz_message(status, &err);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vh_arena *arena = fuzz_arena();
    struct viv_error err = VIV_ERROR_INIT;
    const struct vh_manifest *manifest = NULL;
    struct viv_str rest = fuzz_text(data, size);
    struct viv_str text = fuzz_part(&rest, "\n---\n");
    struct viv_str policy = fuzz_part(&rest, "\n---\n");
    if (fuzz_ended(vh_manifest_read(arena, text, &manifest, &err), &err)) {
        read_again(arena, manifest);
        settings(arena, manifest, policy);
        if (manifest->input) {
            call_input(arena, manifest->input, rest);
        }
        if (manifest->output) {
            viv_status status = vh_schema_check(arena, manifest->output, rest, &err);
            if (status) {
                fuzz_message(status, &err);
            }
        }
    }
    vh_arena_destroy(arena);
    return 0;
}

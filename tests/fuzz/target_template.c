/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a request is answered by a skill it does not mean, or a slot gives what the request never said. The
 * input is a template of a manifest, a line "---", and a request in words. */
#include "fuzz.h"

#include <string.h>

#include "base/str.h"
#include "template.h"

#define READINGS_MAX 4

static struct viv_template tmpl;
static struct viv_template_request cut;
static struct viv_template_reading readings[READINGS_MAX];

static void *
take(void *data, uint64_t size)
{
    return vh_arena_alloc(data, (size_t)size);
}

static bool
inside(struct viv_str text, struct viv_str part)
{
    return part.len == 0 || (part.data >= text.data && part.data + part.len <= text.data + text.len);
}

static uint32_t
readings_of(struct viv_str request)
{
    viv_template_request(request, &cut);
    FUZZ_MUST(cut.count <= VIV_TEMPLATE_TOKENS_MAX, "%u tokens", cut.count);
    uint32_t count = viv_template_match(&tmpl, &cut, readings, READINGS_MAX);
    FUZZ_MUST(count <= READINGS_MAX, "%u readings", count);
    FUZZ_MUST(!count || viv_template_may_match(&tmpl, &cut), "it matches what it cannot match");
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t slot = 0; slot < tmpl.slot_count; slot++) {
            FUZZ_MUST(inside(request, readings[i].raw[slot]) && inside(readings[i].raw[slot], readings[i].inner[slot]),
                      "a slot took what the request does not say");
        }
    }
    return count;
}

static void
check_input(struct vh_arena *arena, const struct viv_template_reading *reading)
{
    struct viv_kit_memory memory = { take, arena };
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str json = { NULL, 0 };
    struct vh_json *value = NULL;
    viv_status status = viv_template_input(&tmpl, reading, memory, &json, &err);
    if (status) {
        vh_str_clean(err.text); /* as the host does with all that a plugin's code says */
        fuzz_message(status, &err);
        return;
    }
    FUZZ_MUST(vh_json_read(arena, json, &value, &err) == VIV_OK, "the input is not canonical: %s", err.text);
    FUZZ_MUST(value->type == VH_JSON_OBJECT, "the input is no object");
}

static void
ask(struct vh_arena *arena, struct viv_str request)
{
    uint32_t count = readings_of(request);
    for (uint32_t i = 0; i < count; i++) {
        check_input(arena, &readings[i]);
    }
    if (!count || memchr(request.data, '\0', (size_t)request.len)) {
        return;
    }
    /* One word more is another request; and this word turns it around. */
    struct viv_str before = vh_str(vh_arena_format(arena, "not %.*s", VH_STR_ARGS(request)));
    struct viv_str behind = vh_str(vh_arena_format(arena, "%.*s not", VH_STR_ARGS(request)));
    FUZZ_MUST(before.len && behind.len, "no memory");
    FUZZ_MUST(readings_of(before) == 0, "it answers '%.*s' as well", VH_STR_ARGS(before));
    FUZZ_MUST(readings_of(behind) == 0, "it answers '%.*s' as well", VH_STR_ARGS(behind));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vh_arena *arena = fuzz_arena();
    struct viv_kit_memory memory = { take, arena };
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str request = fuzz_text(data, size);
    struct viv_str json = fuzz_part(&request, "\n---\n");
    viv_status status = viv_template_open(json, memory, &tmpl, &err);
    vh_str_clean(err.text);
    if (fuzz_ended(status, &err)) {
        FUZZ_MUST(tmpl.part_count <= VIV_TEMPLATE_PARTS_MAX && tmpl.slot_count <= VIV_TEMPLATE_SLOTS_MAX &&
                      tmpl.rule_count <= VIV_TEMPLATE_RULES_MAX, "too many parts");
        ask(arena, request);
        status = viv_template_check(json, memory, &tmpl, &cut, &err);
        vh_str_clean(err.text);
        if (status) {
            fuzz_message(status, &err);
        }
    }
    vh_arena_destroy(arena);
    return 0;
}

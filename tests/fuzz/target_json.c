/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, two texts are one record, or a document from outside becomes something that cannot be recorded. */
#include "fuzz.h"

#include "base/str.h"

static void
canonical_text(struct viv_str text)
{
    struct vh_arena *arena = fuzz_arena();
    struct vh_json *value = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = vh_json_read(arena, text, &value, &err);
    if (fuzz_ended(status, &err)) {
        struct viv_str again = vh_json_print(arena, value);
        FUZZ_MUST(vh_json_canonical(value), "a value that was read cannot be written");
        FUZZ_MUST(vh_str_equal(text, again), "'%.*s' is printed as '%.*s'", VH_STR_ARGS(text), VH_STR_ARGS(again));
    }
    vh_arena_destroy(arena);
}

static void
foreign_text(struct viv_str text)
{
    struct vh_arena *arena = fuzz_arena();
    struct vh_json *value = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (fuzz_ended(vh_json_import(arena, text, &value, &err), &err)) {
        struct viv_str printed = vh_json_print(arena, value);
        FUZZ_MUST(vh_json_canonical(value) && printed.data, "what was taken in cannot be written");
        struct vh_json *back = NULL;
        viv_status status = vh_json_read(arena, printed, &back, &err);
        FUZZ_MUST(status == VIV_OK, "what was written cannot be read: %s", err.text);
        FUZZ_MUST(vh_str_equal(printed, vh_json_print(arena, vh_json_clone(arena, back))), "a copy is another");
        FUZZ_MUST(vh_json_import(arena, printed, &back, &err) == VIV_OK, "canonical text is not taken: %s", err.text);
        FUZZ_MUST(vh_str_equal(printed, vh_json_print(arena, back)), "taken in again it is another");
    }
    vh_arena_destroy(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    canonical_text(fuzz_text(data, size));
    foreign_text(fuzz_text(data, size));
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Members are found by name, so that a case file reads like the interface's reference page. */
#include "play_fields.h"

#include <jansson.h>
#include <tree.h>
#include <stdio.h>
#include <string.h>

static const struct viv_field *
find(const struct viv_field *fields, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

/* A text as it is; anything else as canonical JSON. */
static viv_status
text_of(struct viv_call *call, const json_t *value, struct viv_str *ret_text, struct viv_error *err)
{
    if (!json_is_string(value)) {
        return viv_tree_write(call, value, 0, ret_text, err);
    }
    *ret_text =
        viv_tree_copy(call, (struct viv_str){json_string_value(value), json_string_length(value)});
    return ret_text->data ? VIV_OK : VIV_E_MEMORY;
}

static viv_status
fill_one(struct viv_call *call, const struct viv_field *field, const json_t *value, char *request,
         struct viv_error *err)
{
    char *place = request + field->offset;
    uint32_t word = (uint32_t)json_integer_value(value);
    int64_t number = (int64_t)json_integer_value(value);
    struct viv_str text = {NULL, 0};
    viv_status status = VIV_OK;
    switch ((enum viv_field_kind)field->kind) {
    case VIV_FIELD_U32:
        memcpy(place, &word, sizeof word);
        break;
    case VIV_FIELD_I64:
        memcpy(place, &number, sizeof number);
        break;
    case VIV_FIELD_STR:
        status = text_of(call, value, &text, err);
        memcpy(place, &text, sizeof text);
        break;
    case VIV_FIELD_VALUES:
        return viv_tree_fail(err, VIV_E_UNSUPPORTED, "case", "member '%s' is a table of values",
                             field->name);
    }
    return status;
}

viv_status
play_fields_fill(struct viv_call *call, const struct viv_method *method,
                 const struct json_t *object, void *ret_request, struct viv_error *err)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        const struct viv_field *field = find(method->request, method->request_count, name);
        if (!field) {
            return viv_tree_fail(err, VIV_E_INVALID, "case", "'%s' is no member of this request",
                                 name);
        }
        viv_status status = fill_one(call, field, value, ret_request, err);
        if (status != VIV_OK) {
            return status;
        }
    }
    return VIV_OK;
}

static int
match_text(struct viv_call *call, const char *name, const json_t *value, struct viv_str found)
{
    struct viv_str wanted = {NULL, 0};
    if (text_of(call, value, &wanted, NULL) != VIV_OK) {
        printf("  %s: the expected value has no canonical form\n", name);
        return 0;
    }
    if (wanted.len == found.len &&
        (found.len == 0 || memcmp(wanted.data, found.data, (size_t)found.len) == 0)) {
        return 1;
    }
    printf("  %s\n    found    %.*s\n    expected %.*s\n", name, (int)found.len,
           found.data ? found.data : "", (int)wanted.len, wanted.data);
    return 0;
}

static int
match_number(const char *name, int64_t wanted, int64_t found)
{
    if (wanted != found) {
        printf("  %s\n    found    %lld\n    expected %lld\n", name, (long long)found,
               (long long)wanted);
    }
    return wanted == found;
}

int
play_fields_match(struct viv_call *call, const struct viv_method *method,
                  const struct json_t *expected, const void *answer)
{
    int same = 1;
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)expected, name, value)
    {
        const struct viv_field *field = find(method->answer, method->answer_count, name);
        if (!field) {
            printf("  '%s' is no member of this answer\n", name);
            return 0;
        }
        const char *place = (const char *)answer + field->offset;
        if (field->kind == VIV_FIELD_STR) {
            struct viv_str text;
            memcpy(&text, place, sizeof text);
            same &= match_text(call, name, value, text);
        } else if (field->kind == VIV_FIELD_U32) {
            uint32_t word = 0;
            memcpy(&word, place, sizeof word);
            same &= match_number(name, json_integer_value(value), word);
        } else {
            int64_t number = 0;
            memcpy(&number, place, sizeof number);
            same &= match_number(name, json_integer_value(value), number);
        }
    }
    return same;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer may hold, by the field tables of the interfaces, and texts of a runner made safe. What is copied
 * here was already taken out of the shared area: the runner cannot change it any more. Read runner_inside.h first. */
#include "runner_inside.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"

static viv_status
check_number(const struct viv_field *field, int64_t number, struct viv_error *err)
{
    bool bounded = field->min != 0 || field->max != 0 || strcmp(field->name, "reserved") == 0;
    if (bounded && (number < field->min || number > field->max)) {
        return vh_error_set(err, VIV_E_PLUGIN, "runner", "'%s' is %lld, allowed %lld to %lld", field->name,
                            (long long)number, (long long)field->min, (long long)field->max);
    }
    return VIV_OK;
}

static viv_status
check_text(const char *name, struct viv_str text, struct viv_error *err)
{
    if (!vh_str_utf8(text)) {
        return vh_error_set(err, VIV_E_PLUGIN, "runner", "'%s' of %llu bytes is not UTF-8", name,
                            (unsigned long long)text.len);
    }
    return VIV_OK;
}

static viv_status
check_values(const struct viv_field *field, const void *at, struct viv_error *err)
{
    const struct viv_value *values;
    uint32_t count;
    memcpy(&values, at, sizeof values);
    memcpy(&count, (const char *)at + sizeof values, sizeof count);
    viv_status status = VIV_OK;
    for (uint32_t i = 0; i < count && status == VIV_OK; i++) {
        status = check_text(field->name, values[i].name, err);
        if (status == VIV_OK) {
            status = check_text(field->name, values[i].text, err);
        }
    }
    return status;
}

static viv_status
check_field(const struct viv_field *field, const void *at, struct viv_error *err)
{
    uint32_t small;
    int64_t large;
    struct viv_str text;
    switch ((enum viv_field_kind)field->kind) {
    case VIV_FIELD_U32:
        memcpy(&small, at, sizeof small);
        return check_number(field, small, err);
    case VIV_FIELD_I64:
        memcpy(&large, at, sizeof large);
        return check_number(field, large, err);
    case VIV_FIELD_STR:
        memcpy(&text, at, sizeof text);
        return check_text(field->name, text, err);
    case VIV_FIELD_VALUES:
        return check_values(field, at, err);
    }
    return vh_error_set(err, VIV_E_INTERNAL, "runner", "field '%s' has an unknown kind %u", field->name, field->kind);
}

viv_status
vh_runner_check(const struct viv_method *method, const void *answer, struct viv_error *err)
{
    viv_status status = VIV_OK;
    for (uint32_t i = 0; i < method->answer_count && status == VIV_OK; i++) {
        status = check_field(&method->answer[i], (const char *)answer + method->answer[i].offset, err);
    }
    return status;
}

void *
vh_runner_copy(const struct vh_runner *runner, const struct vh_message *message, struct vh_arena *arena,
               struct viv_error *err)
{
    if (message->offset < VH_AREA_HEAD_BYTES || message->offset % 8 != 0 || message->offset > VH_AREA_BYTES ||
        message->len > VH_AREA_BYTES - message->offset) {
        vh_error_set(err, VIV_E_PLUGIN, "runner", "bytes %llu and %llu more are not in the area of %llu",
                     (unsigned long long)message->offset, (unsigned long long)message->len,
                     (unsigned long long)VH_AREA_BYTES);
        return NULL;
    }
    void *copy = vh_arena_copy(arena, (const char *)runner->area + message->offset, (size_t)message->len);
    if (!copy) {
        vh_error_set(err, VIV_E_MEMORY, "runner", "%llu bytes of '%s' do not fit the call's memory",
                     (unsigned long long)message->len, runner->id);
    }
    return copy;
}

/* One printable line, whatever was there. */
static void
make_safe(char *text, size_t size)
{
    text[size - 1] = '\0';
    if (!vh_str_utf8(vh_str(text))) {
        for (char *c = text; *c; c++) {
            *c = (unsigned char)*c < 0x80 ? *c : '?';
        }
    }
    for (char *c = text; *c; c++) {
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
    }
}

void
vh_runner_said(const struct vh_runner *runner, viv_status status, struct viv_error *ret_error)
{
    memcpy(ret_error, &runner->area->error, sizeof *ret_error);
    ret_error->size = (uint32_t)sizeof *ret_error;
    ret_error->rev = 1;
    make_safe(ret_error->where, sizeof ret_error->where);
    make_safe(ret_error->text, sizeof ret_error->text);
    if (ret_error->text[0] == '\0' || ret_error->status != status) {
        vh_error_set(ret_error, status, "plugin", "%s", vh_status_text(status));
    }
    ret_error->status = status;
}

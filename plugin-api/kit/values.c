/* SPDX-License-Identifier: Apache-2.0 */
/* The table is at most VIV_VALUES_MAX rows: a scan is the fastest look-up. Rows are read by the owner's stride. */
#include "values.h"

#include <stddef.h>

#include "text.h"

static const struct viv_value *
row(struct viv_kit_values in, uint32_t index)
{
    return (const struct viv_value *)(const void *)((const char *)in.values + (uint64_t)index * in.stride);
}

static const struct viv_value *
find(struct viv_kit_values in, const char *name, uint32_t type)
{
    for (uint32_t i = 0; i < in.count; i++) {
        const struct viv_value *value = row(in, i);
        if (value->type == type && value->index == 0 && viv_kit_is(value->name, name))
            return value;
    }
    return NULL;
}

struct viv_str
viv_kit_text(struct viv_kit_values in, const char *name, const char *fallback)
{
    const struct viv_value *value = find(in, name, VIV_VALUE_TEXT);
    return value ? value->text : viv_kit_str(fallback);
}

int64_t
viv_kit_integer(struct viv_kit_values in, const char *name, int64_t fallback)
{
    const struct viv_value *value = find(in, name, VIV_VALUE_INTEGER);
    return value ? value->integer : fallback;
}

uint32_t
viv_kit_bool(struct viv_kit_values in, const char *name, uint32_t fallback)
{
    const struct viv_value *value = find(in, name, VIV_VALUE_BOOL);
    if (!value) {
        value = find(in, name, VIV_VALUE_INTEGER); /* canonical JSON has no booleans: 0 or 1 */
    }
    return value ? value->integer != 0 : fallback;
}

uint32_t
viv_kit_has(struct viv_kit_values in, const char *name)
{
    for (uint32_t i = 0; i < in.count; i++) {
        if (viv_kit_is(row(in, i)->name, name))
            return 1;
    }
    return 0;
}

uint32_t
viv_kit_list(struct viv_kit_values in, const char *name)
{
    const struct viv_value *head = find(in, name, VIV_VALUE_LIST);
    if (!head)
        return viv_kit_has(in, name);
    if (head->integer < 0)
        return 0;
    return head->integer > (int64_t)in.count ? in.count : (uint32_t)head->integer;
}

const struct viv_value *
viv_kit_item(struct viv_kit_values in, const char *name, uint32_t index)
{
    for (uint32_t i = 0; i < in.count; i++) {
        const struct viv_value *value = row(in, i);
        if (value->type != VIV_VALUE_LIST && value->index == index && viv_kit_is(value->name, name))
            return value;
    }
    return NULL;
}

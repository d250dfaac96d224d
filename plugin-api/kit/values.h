/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the flat table of typed inputs. A name that is not there gives the fallback; the host validated types and
 * ranges against the manifest's inputSchema before the call. */
#ifndef VIV_KIT_VALUES_H
#define VIV_KIT_VALUES_H

#include <viv/value.h>

struct viv_kit_values {
    const struct viv_value *values;
    uint32_t count;
    uint32_t stride; /* sizeof(struct viv_value) of whoever filled the table */
};

#define VIV_KIT_VALUES(request)                                                                                    \
    ((struct viv_kit_values){ (request)->values, (request)->values_count, (request)->values_stride })

struct viv_str viv_kit_text(struct viv_kit_values in, const char *name, const char *fallback);
int64_t viv_kit_integer(struct viv_kit_values in, const char *name, int64_t fallback);
uint32_t viv_kit_bool(struct viv_kit_values in, const char *name, uint32_t fallback);
uint32_t viv_kit_has(struct viv_kit_values in, const char *name);

/* Items of a list: their number, then each by its index; NULL outside. Also finds a single value at index 0. */
uint32_t viv_kit_list(struct viv_kit_values in, const char *name);
const struct viv_value *viv_kit_item(struct viv_kit_values in, const char *name, uint32_t index);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One typed input of a skill. The host validates the JSON input against the manifest's inputSchema and hands
 * it over as a flat table of these, so that no skill parses JSON. Headless and frozen for ever. */
#ifndef VIV_VALUE_H
#define VIV_VALUE_H

#include <viv/core.h>

VIV_BEGIN

#define VIV_VALUE_TEXT UINT32_C(1)    /* `text` */
#define VIV_VALUE_INTEGER UINT32_C(2) /* `integer`; bool is 0 or 1 with type VIV_VALUE_BOOL */
#define VIV_VALUE_BOOL UINT32_C(3)
#define VIV_VALUE_LIST UINT32_C(4) /* `integer` is the number of items; they follow with the same name */
#define VIV_VALUE_JSON UINT32_C(5) /* `text` holds one JSON value: a shape the table cannot flatten */

struct viv_value {
    struct viv_str name; /* JSON pointer without the leading slash: "root", "names" */
    uint32_t type;
    uint32_t index; /* position in its list, 0 outside one */
    int64_t integer;
    struct viv_str text;
};

VIV_STATIC_ASSERT(sizeof(struct viv_value) == 48, "viv_value is frozen");

VIV_END

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One setting of a plugin. The rows are generated from manifest.json; nobody writes them by hand. */
#ifndef VIV_OPTIONS_H
#define VIV_OPTIONS_H

#include <viv/core.h>

VIV_BEGIN

#define VIV_OPTION_BOOL UINT32_C(1)     /* uint32_t, 0 or 1 */
#define VIV_OPTION_INTEGER UINT32_C(2)  /* int64_t */
#define VIV_OPTION_DURATION UINT32_C(3) /* int64_t nanoseconds; written "60s", "5m", "2h", "10ms" */
#define VIV_OPTION_MONEY UINT32_C(4)    /* int64_t micro-units; written "0.05" */
#define VIV_OPTION_BYTES UINT32_C(5)    /* int64_t bytes; written "4KiB", "1MiB" */
#define VIV_OPTION_TEXT UINT32_C(6)     /* struct viv_str, lent until destroy */
#define VIV_OPTION_JSON UINT32_C(7)     /* struct viv_str holding one JSON value, lent until destroy */

/* Headless and frozen for ever. `min` and `max` bound numbers; for text they bound its length. */
struct viv_option {
    const char *name;
    uint32_t type;
    uint32_t offset; /* into the plugin's config struct */
    int64_t min;
    int64_t max;
    const char *help;
};

VIV_STATIC_ASSERT(sizeof(struct viv_option) == 40, "viv_option is frozen");

VIV_END

#endif

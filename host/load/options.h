/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a plugin: from the manifest's option rows and the policy's JSON to the config struct that create()
 * gets. Nothing falls back in silence: an unknown key or a value out of range stops with what is allowed. */
#ifndef VH_OPTIONS_H
#define VH_OPTIONS_H

#include "manifest.h"

/* "60s", "0.05", "4KiB", 7, true -> the number the config struct holds. Durations are nanoseconds, money
 * micro-units. */
viv_status vh_options_number(uint32_t type, const char *name, struct viv_str text, int64_t *ret_number,
                             struct viv_error *err);

/* Fill a config struct. `settings_json` is one JSON object or empty. The struct and its texts live in the arena.
 * VIV_E_INVALID names key, value found and values allowed. */
viv_status vh_options_fill(struct vh_arena *arena, const struct vh_manifest *manifest, struct viv_str settings_json,
                           void **ret_config, struct viv_error *err);

/* The values alone, one per manifest option and in its order, for a runner that fills its own struct. */
struct vh_options_value {
    int64_t number;      /* numbers and booleans */
    struct viv_str text; /* text and json */
};
viv_status vh_options_resolve(struct vh_arena *arena, const struct vh_manifest *manifest, struct viv_str settings_json,
                              const struct vh_options_value **ret_values, struct viv_error *err);

#endif

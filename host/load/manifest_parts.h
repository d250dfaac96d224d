/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the manifest: manifest.c has the plain members, manifest_parts.c the lists, manifest_options.c
 * the option rows. Not for others; see manifest.h. */
#ifndef VH_MANIFEST_PARTS_H
#define VH_MANIFEST_PARTS_H

#include "manifest.h"

struct vh_manifest_reader {
    struct vh_arena *arena;
    struct json_t *root;
    struct vh_manifest *manifest;
    struct viv_error *err;
};

viv_status vh_manifest_interfaces(struct vh_manifest_reader *r);
viv_status vh_manifest_grants(struct vh_manifest_reader *r);
viv_status vh_manifest_libraries(struct vh_manifest_reader *r);
viv_status vh_manifest_templates(struct vh_manifest_reader *r);
viv_status vh_manifest_options(struct vh_manifest_reader *r);

/* A list of strings in the arena; `fits` judges each and may be NULL. */
viv_status vh_manifest_texts(struct vh_manifest_reader *r, struct json_t *list, const char *key, const char *allowed,
                             bool (*fits)(struct viv_str text), const char *const **ret_texts, uint32_t *ret_count);

/* Member `key` as text of 1 to `max` bytes; NULL and `err` filled when it is not. */
const char *vh_manifest_text(struct vh_manifest_reader *r, struct json_t *object, const char *what, const char *key,
                             size_t max);

viv_status vh_manifest_no_memory(struct vh_manifest_reader *r);

#endif

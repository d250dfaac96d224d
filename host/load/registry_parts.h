/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the registry: registry.c looks, registry_store.c reads and rebuilds, registry_install.c changes.
 * Not for others; see registry.h. */
#ifndef VH_REGISTRY_PARTS_H
#define VH_REGISTRY_PARTS_H

#include "index.h"
#include "registry.h"

struct vh_registry_bundled {
    struct vh_registry_entry entry;
    const struct vh_manifest *manifest;
    uint32_t rank; /* number among all entries */
};

/* `index_arena` holds the index and is replaced as a whole when the store changes. */
struct vh_registry {
    const struct vh_seam *seam;
    struct vh_arena *arena;
    struct vh_arena *index_arena;
    struct vh_registry_places places;
    const char *index_path; /* STORE.index */
    const char *lock_path;  /* STORE.lock */
    struct vh_index index;
    struct vh_registry_bundled *bundled; /* sorted like the index */
    uint32_t bundled_count;
    uint32_t damaged;
    char damaged_text[512];
};

/* Read the index, or rebuild it and write it where that is possible. */
viv_status vh_registry_refresh(struct vh_registry *registry, struct viv_error *err);

/* Put `items` in the place of the index, in memory and as a file. `generation` 0 is a new one. `must_write`: a store
 * that cannot be written is an error. The items may point into the old index. */
viv_status vh_registry_publish(struct vh_registry *registry, struct vh_index_item *items, uint32_t count,
                               uint64_t generation, bool must_write, struct viv_error *err);

/* All records of the index as items, with room for `more`. */
struct vh_index_item *vh_registry_items(const struct vh_registry *registry, struct vh_arena *arena, uint32_t more);

/* The record a manifest makes. `id` points into the manifest. */
void vh_registry_item(const struct vh_manifest *manifest, const struct vh_hash *digest, struct viv_str file,
                      struct vh_index_item *ret_item);

/* Work out `rank` of the bundled ones again. */
void vh_registry_rank(struct vh_registry *registry);

#endif

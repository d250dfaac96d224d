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
};

/* One store. `index_arena` holds the index and is replaced as a whole when the store changes. */
struct vh_registry_shelf {
    struct vh_registry *registry;
    const struct vh_seam *seam;
    struct vh_arena *arena;
    struct vh_arena *index_arena;
    const char *store;      /* NULL: none */
    const char *index_path; /* STORE.index */
    const char *lock_path;  /* STORE.lock */
    const char *parent;     /* of the user's store */
    struct vh_index index;
    int64_t seen_ns; /* the folder's time of change when it was read, its inode, and when that was */
    uint64_t seen_inode;
    int64_t seen_us;
    uint32_t flag;       /* VH_REGISTRY_USER or 0 */
    uint32_t damaged;    /* folders that could not be understood */
    char refused[512];   /* why the whole store is not used; "" when it is */
};

#define VH_REGISTRY_HOME 0
#define VH_REGISTRY_OWN 1 /* the user's */
#define VH_REGISTRY_SHELVES 2

struct vh_registry_refused {
    const struct vh_registry_refused *next;
    struct vh_hash digest;
    const char *reason;
};

struct vh_registry {
    const struct vh_seam *seam;
    struct vh_arena *arena;
    struct vh_registry_places places;
    struct vh_registry_shelf shelf[VH_REGISTRY_SHELVES];
    struct vh_registry_bundled *bundled; /* sorted like the index */
    uint32_t bundled_count;
    uint32_t count;
    struct vh_arena *order_arena;
    const uint32_t *order; /* of all entries: where each lies, see registry.c */
    const struct vh_registry_refused *refused;
};

/* Read the index, or rebuild it and write it where that is possible. What is wrong with the user's store is no error:
 * it is noted as refused. */
viv_status vh_registry_refresh(struct vh_registry_shelf *shelf, struct viv_error *err);

/* Put `items` in the place of the index, in memory and as a file. `generation` 0 is a new one. `must_write`: a store
 * that cannot be written is an error. The items may point into the old index. */
viv_status vh_registry_publish(struct vh_registry_shelf *shelf, struct vh_index_item *items, uint32_t count,
                               uint64_t generation, bool must_write, struct viv_error *err);

/* Make an index in memory the store's, and sort all entries again. The arena, which holds it, is given; NULL for an
 * empty index. On failure nothing changes and the arena is gone. */
viv_status vh_registry_take(struct vh_registry_shelf *shelf, struct vh_arena *arena, const struct vh_index *index,
                            struct viv_error *err);

/* All records of the index as items, with room for `more`. */
struct vh_index_item *vh_registry_items(const struct vh_registry_shelf *shelf, struct vh_arena *arena, uint32_t more);

/* The same sorted by digest, and what the index says of a folder in it, or NULL. A folder never changes: its name is
 * the digest of what is in it. */
struct vh_index_item *vh_registry_by_digest(const struct vh_registry_shelf *shelf, struct vh_arena *arena);
const struct vh_index_item *vh_registry_known(const struct vh_index_item *known, uint32_t count, const char *name);

/* The record a manifest makes. `id` points into the manifest. */
void vh_registry_item(const struct vh_manifest *manifest, const struct vh_hash *digest, struct viv_str file,
                      struct vh_index_item *ret_item);

/* registry_store.c: what one folder of the store, STORE/NAME, makes of a record; its texts in the arena. */
viv_status vh_registry_read_folder(const struct vh_registry_shelf *shelf, struct vh_arena *arena, const char *name,
                                   struct vh_index_item *ret_item, struct viv_error *err);

/* registry_user.c: owner and modes of the user's store; of STORE/NAME and these files in it, where they are there.
 * Nothing is asked of a home's. */
viv_status vh_registry_check_store(const struct vh_registry_shelf *shelf, struct viv_error *err);
viv_status vh_registry_check_files(const struct vh_registry_shelf *shelf, const char *name, const char *const *files,
                                   size_t count, struct viv_error *err);

#endif

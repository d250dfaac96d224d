/* SPDX-License-Identifier: Apache-2.0 */
/* Which plugins there are, without opening one. Installed plugins lie by content hash in a store folder,
 * STORE/<sha256>/NAME.so with manifest.json (and NAME.so.sig) beside it, put there by one rename, never overwritten;
 * STORE.index lists them sorted and is read in one go. It is a cache: rebuilt from the manifest.json files when the
 * folder changed or the index is not sound. Bundled plugins come from the table compiled into the program.
 * [main] changes; [any] looks, as long as nobody changes. Read next: index.h for the file's layout. */
#ifndef VH_REGISTRY_H
#define VH_REGISTRY_H

#include "plugin.h"

#define VH_REGISTRY_PLUGINS_MAX 100000

struct vh_registry;

/* One plugin as the index knows it. Texts are lent until the registry changes or ends. */
struct vh_registry_entry {
    struct viv_str id;
    struct viv_str file; /* "NAME.so" */
    uint32_t version[3];
    uint32_t flags; /* VH_REGISTRY_* */
    uint64_t interfaces; /* bit per VIV_INDEX_* */
    uint32_t abi_min;
    uint32_t abi_max;
    struct vh_hash digest;
};

#define VH_REGISTRY_SKILL 1u
#define VH_REGISTRY_EXPERIMENTAL 2u
#define VH_REGISTRY_MACHINE_MADE 4u
#define VH_REGISTRY_BUNDLED 8u

struct vh_registry_places {
    const char *store;         /* folder, made when missing; NULL: no store */
    const char *plugin_folder; /* where bundled files lie; NULL: none */
    const struct vh_trust_bundled *bundled;
    uint32_t bundled_count;
};

/* Open the index, or rebuild it. A store that cannot be written is used as it is. `ret_registry` lives in the arena. */
viv_status vh_registry_open(const struct vh_seam *seam, struct vh_arena *arena,
                            const struct vh_registry_places *places, struct vh_registry **ret_registry,
                            struct viv_error *err);

uint64_t vh_registry_generation(const struct vh_registry *registry);

/* All entries, sorted by id, then newest version first. */
uint32_t vh_registry_count(const struct vh_registry *registry);
void vh_registry_at(const struct vh_registry *registry, uint32_t number, struct vh_registry_entry *ret_entry);

/* The highest version this host's ABI can use, or exactly `version` ("1.2.3") when it is not NULL.
 * VIV_E_NOT_FOUND names the nearest id; VIV_E_VERSION lists the versions there are. */
viv_status vh_registry_find(const struct vh_registry *registry, const char *id, const char *version,
                            struct vh_registry_entry *ret_entry, struct viv_error *err);

/* Walk the plugins of one interface, the highest usable version of each id: start with `*cursor` 0; false at the
 * end. */
bool vh_registry_next(const struct vh_registry *registry, uint32_t interface_index, uint32_t *cursor,
                      struct vh_registry_entry *ret_entry);

/* Path of an entry's file, in the arena. NULL when memory is out. */
const char *vh_registry_path(const struct vh_registry *registry, struct vh_arena *arena,
                             const struct vh_registry_entry *entry);

/* Its manifest, from the side file or the compiled table; the note decides when it is loaded. */
viv_status vh_registry_manifest(const struct vh_registry *registry, struct vh_arena *arena,
                                const struct vh_registry_entry *entry, const struct vh_manifest **ret_manifest,
                                struct viv_error *err);

/* Read and judge an entry's file again before it is used. VIV_E_CORRUPT when its bytes are not those of the index. */
viv_status vh_registry_inspect(const struct vh_registry *registry, struct vh_arena *arena,
                               const struct vh_plugin_rules *rules, const struct vh_registry_entry *entry,
                               struct vh_plugin_file *ret_file, struct viv_error *err);

/* How many folders of the store could not be understood when the index was rebuilt, and what was wrong with the
 * first. */
uint32_t vh_registry_damaged(const struct vh_registry *registry, const char **ret_first);

/* Inspect and audit, then copy, sync, rename, and write the index. VIV_E_EXISTS: these very bytes are there;
 * VIV_E_CONFLICT: other bytes with the same id and version; VIV_E_BUSY: another process is changing the store. */
viv_status vh_registry_install(struct vh_registry *registry, const struct vh_plugin_rules *rules, int dir,
                               const char *path, struct vh_plugin_file *ret_file, struct viv_error *err);

/* The same for many files: one index is written at the end. Stops at the first refusal, keeping what came before. */
viv_status vh_registry_install_all(struct vh_registry *registry, const struct vh_plugin_rules *rules, int dir,
                                   const char *const *paths, uint32_t count, struct viv_error *err);

/* Remove one version (by digest). VIV_E_NOT_FOUND; VIV_E_DENIED for a bundled one. */
viv_status vh_registry_remove(struct vh_registry *registry, const struct vh_hash *digest, struct viv_error *err);

#endif

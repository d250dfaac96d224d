/* SPDX-License-Identifier: Apache-2.0 */
/* Which plugins there are, without opening one. Installed plugins lie by content hash in a store folder,
 * STORE/<sha256>/NAME.so with manifest.json (and NAME.so.sig) beside it, put there by one rename, never overwritten;
 * STORE.index lists them sorted and is read in one go. It is a cache: rebuilt from the manifest.json files when the
 * folder changed or the index is not sound. Bundled plugins come from the table compiled into the program.
 * There may be two stores, a home's and the user's, which all homes share. An id that the home has in a version this
 * host can use is the home's: the user's versions of it are shadowed. Else the highest version serves, wherever it
 * lies; of equal ones the bundled before the home's before the user's. The user's store and what is in it must belong
 * to the user and be writable by nobody else; what is not so, or cannot be used, is refused: it serves nobody and
 * hides nothing.
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
#define VH_REGISTRY_USER 16u     /* of the user's store */
#define VH_REGISTRY_SHADOWED 32u /* by the home's own */

struct vh_registry_places {
    const char *store;         /* folder, made when missing; NULL: no store */
    const char *user_store;    /* the user's, looked at when it is there; NULL: none */
    const char *plugin_folder; /* where bundled files lie; NULL: none */
    const struct vh_trust_bundled *bundled;
    uint32_t bundled_count;
};

/* Open the index, or rebuild it. A store that cannot be written is used as it is. `ret_registry` lives in the arena. */
viv_status vh_registry_open(const struct vh_seam *seam, struct vh_arena *arena,
                            const struct vh_registry_places *places, struct vh_registry **ret_registry,
                            struct viv_error *err);

/* Take up what other processes changed in the user's store: costs a look at two folders. Where memory is out, later. */
void vh_registry_look(struct vh_registry *registry);

/* Rises with every change of what there is. */
uint64_t vh_registry_generation(const struct vh_registry *registry);

/* All entries, sorted by id, then newest version first. */
uint32_t vh_registry_count(const struct vh_registry *registry);
void vh_registry_at(const struct vh_registry *registry, uint32_t number, struct vh_registry_entry *ret_entry);

/* The highest version this host's ABI can use, or exactly `version` ("1.2.3") when it is not NULL.
 * VIV_E_NOT_FOUND names the nearest id; VIV_E_VERSION lists the versions there are; VIV_E_DENIED says why there is only
 * a refused one. An exact version is found refused or shadowed too. */
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

/* A user's plugin that cannot be used is from now on, in this process, as if it were not there. `reason` is copied. */
viv_status vh_registry_refuse(struct vh_registry *registry, const struct vh_registry_entry *entry, const char *reason,
                              struct viv_error *err);

/* VIV_E_DENIED for what nobody answers for and has the id of a bundled plugin. Skills may: all of them run in processes
 * of their own. */
viv_status vh_registry_check_id(const struct vh_registry *registry, const struct vh_plugin_file *file,
                                struct viv_error *err);

/* What lies in a store and serves nobody. */
struct vh_registry_refusal {
    const struct vh_registry_refusal *next;
    const char *path; /* a plugin's folder, or the whole store */
    const char *reason;
    uint32_t flags; /* VH_REGISTRY_USER or 0 */
    uint32_t reserved;
};

/* Looks again, at the first VH_REGISTRY_REFUSALS_MAX of each store. `ret_first` is NULL when there is none. */
#define VH_REGISTRY_REFUSALS_MAX 100
viv_status vh_registry_refusals(const struct vh_registry *registry, struct vh_arena *arena,
                                const struct vh_registry_refusal **ret_first, struct viv_error *err);

/* VIV_E_DENIED with the reason when an entry of the user's store is refused: what vh_registry_refuse was told, or owner
 * and mode of its files as they are now. */
viv_status vh_registry_check(const struct vh_registry *registry, const struct vh_registry_entry *entry,
                             struct viv_error *err);

/* Into the home's store, or the user's when there is no other.
 * Inspect and audit, then copy, sync, rename, and write the index. VIV_E_EXISTS: these very bytes are there;
 * VIV_E_CONFLICT: other bytes with the same id and version; VIV_E_BUSY: another process is changing the store. */
viv_status vh_registry_install(struct vh_registry *registry, const struct vh_plugin_rules *rules, int dir,
                               const char *path, struct vh_plugin_file *ret_file, struct viv_error *err);

/* The same for many files: one index is written at the end. Stops at the first refusal, keeping what came before. */
viv_status vh_registry_install_all(struct vh_registry *registry, const struct vh_plugin_rules *rules, int dir,
                                   const char *const *paths, uint32_t count, struct viv_error *err);

/* Remove one version (by digest) from that store. VIV_E_NOT_FOUND; VIV_E_DENIED for a bundled one. */
viv_status vh_registry_remove(struct vh_registry *registry, const struct vh_hash *digest, struct viv_error *err);

#endif

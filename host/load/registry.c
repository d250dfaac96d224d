/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and looking. The bundled plugins are few and lie in memory; the store's records stay in the index's bytes.
 * Both are sorted the same way and numbered as one list. */
#include "registry_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <viv_interfaces.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "nearest.h"

static int
compare(struct viv_str a, const uint32_t a_version[3], struct viv_str b, const uint32_t b_version[3])
{
    int order = vh_str_compare(a, b);
    return order ? order : vh_manifest_compare_versions(b_version, a_version);
}

static int
by_id_and_version(const void *a, const void *b)
{
    const struct vh_registry_bundled *left = a, *right = b;
    return compare(left->entry.id, left->entry.version, right->entry.id, right->entry.version);
}

static void
entry_of_item(const struct vh_index_record *record, struct viv_str id, struct viv_str file,
              struct vh_registry_entry *ret_entry)
{
    *ret_entry = (struct vh_registry_entry){ .id = id,
                                             .file = file,
                                             .version = { record->version[0], record->version[1], record->version[2] },
                                             .flags = record->flags,
                                             .interfaces = record->interfaces,
                                             .abi_min = record->abi_min,
                                             .abi_max = record->abi_max,
                                             .digest = record->digest };
}

static viv_status
read_bundled(struct vh_registry *registry, struct viv_error *err)
{
    const struct vh_registry_places *places = &registry->places;
    registry->bundled = vh_arena_array(registry->arena, places->bundled_count, sizeof *registry->bundled);
    if (!registry->bundled) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for the bundled plugins");
    }
    for (uint32_t i = 0; i < places->bundled_count; i++) {
        const struct vh_trust_bundled *from = &places->bundled[i];
        struct vh_registry_bundled *to = &registry->bundled[i];
        struct vh_index_item item;
        struct vh_hash digest;
        viv_status status = vh_manifest_read(registry->arena, vh_str(from->manifest), &to->manifest, err);
        if (status) {
            return vh_error_extend(err, status, "bundled plugin '%s'", from->file);
        }
        memcpy(digest.bytes, from->digest, sizeof digest.bytes);
        vh_registry_item(to->manifest, &digest, vh_str(from->file), &item);
        entry_of_item(&item.record, item.id, item.file, &to->entry);
        to->entry.flags |= VH_REGISTRY_BUNDLED;
    }
    registry->bundled_count = places->bundled_count;
    qsort(registry->bundled, registry->bundled_count, sizeof *registry->bundled, by_id_and_version);
    return VIV_OK;
}

/* Number of store records before `entry` in the common order, plus the bundled ones before it. */
void
vh_registry_rank(struct vh_registry *registry)
{
    const struct vh_index *index = &registry->index;
    for (uint32_t i = 0; i < registry->bundled_count; i++) {
        const struct vh_registry_entry *entry = &registry->bundled[i].entry;
        uint32_t at = vh_index_lower(index, entry->id);
        while (at < index->head.count &&
               compare(vh_index_id(index, at), index->records[at].version, entry->id, entry->version) < 0) {
            at++;
        }
        registry->bundled[i].rank = at + i;
    }
}

viv_status
vh_registry_open(const struct vh_seam *seam, struct vh_arena *arena, const struct vh_registry_places *places,
                 struct vh_registry **ret_registry, struct viv_error *err)
{
    struct vh_registry *registry = vh_arena_alloc(arena, sizeof *registry);
    if (!registry) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for the registry");
    }
    registry->seam = seam;
    registry->arena = arena;
    registry->places = *places;
    if (places->store) {
        registry->places.store = vh_arena_text(arena, places->store);
        registry->index_path = vh_arena_format(arena, "%s.index", places->store);
        registry->lock_path = vh_arena_format(arena, "%s.lock", places->store);
        if (!registry->places.store || !registry->index_path || !registry->lock_path) {
            return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for the registry");
        }
    }
    viv_status status = read_bundled(registry, err);
    status = status || !places->store ? status : vh_registry_refresh(registry, err);
    if (status == VIV_OK) {
        vh_registry_rank(registry);
        *ret_registry = registry;
    }
    return status;
}

uint64_t
vh_registry_generation(const struct vh_registry *registry)
{
    return registry->index.head.generation;
}

uint32_t
vh_registry_count(const struct vh_registry *registry)
{
    return registry->index.head.count + registry->bundled_count;
}

void
vh_registry_at(const struct vh_registry *registry, uint32_t number, struct vh_registry_entry *ret_entry)
{
    uint32_t before = 0;
    for (; before < registry->bundled_count && registry->bundled[before].rank <= number; before++) {
        if (registry->bundled[before].rank == number) {
            *ret_entry = registry->bundled[before].entry;
            return;
        }
    }
    const struct vh_index *index = &registry->index;
    entry_of_item(&index->records[number - before], vh_index_id(index, number - before),
                  vh_index_file(index, number - before), ret_entry);
}

static bool
is_usable(const struct vh_registry_entry *entry)
{
    return entry->abi_min <= VIV_ABI_MAJOR && VIV_ABI_MAJOR <= entry->abi_max;
}

/* Number of the first entry whose id is not before `id`. */
static uint32_t
lower(const struct vh_registry *registry, struct viv_str id)
{
    uint32_t number = vh_index_lower(&registry->index, id);
    for (uint32_t i = 0; i < registry->bundled_count; i++) {
        number += vh_str_compare(registry->bundled[i].entry.id, id) < 0;
    }
    return number;
}

static viv_status
not_found(const struct vh_registry *registry, const char *id, struct viv_error *err)
{
    unsigned best_edits = 1 + (unsigned)strnlen(id, VIV_ID_MAX) / 3;
    char best[VIV_ID_MAX + 1] = "";
    for (uint32_t i = 0; i < vh_registry_count(registry); i++) {
        struct vh_registry_entry entry;
        char known[VIV_ID_MAX + 1];
        vh_registry_at(registry, i, &entry);
        snprintf(known, sizeof known, "%.*s", VH_STR_ARGS(entry.id));
        unsigned edits = vh_nearest_edits(known, id);
        if (edits < best_edits) {
            best_edits = edits;
            memcpy(best, known, sizeof best);
        }
    }
    return vh_error_set(err, VIV_E_NOT_FOUND, "registry", "there is no plugin '%s'%s%s%s", id,
                        best[0] ? "; nearest: '" : "", best, best[0] ? "'" : ", see plugin list");
}

static viv_status
no_version(const char *id, const char *version, const char *versions, struct viv_error *err)
{
    return vh_error_set(err, VIV_E_VERSION, "registry",
                        "there is no version %s%sof '%s' that this host (ABI %u) can use, there is: %s",
                        version ? version : "", version ? " " : "", id, VIV_ABI_MAJOR, versions);
}

viv_status
vh_registry_find(const struct vh_registry *registry, const char *id, const char *version,
                 struct vh_registry_entry *ret_entry, struct viv_error *err)
{
    uint32_t want[3] = { 0 };
    char versions[200] = "";
    size_t len = 0;
    if (version && !vh_manifest_version(vh_str(version), want)) {
        return vh_error_set(err, VIV_E_INVALID, "registry", "version is '%s', allowed: three numbers, like 0.1.0",
                            version);
    }
    for (uint32_t i = lower(registry, vh_str(id)); i < vh_registry_count(registry); i++) {
        struct vh_registry_entry entry;
        vh_registry_at(registry, i, &entry);
        if (!vh_str_is(entry.id, id)) {
            break;
        }
        if (is_usable(&entry) && (!version || vh_manifest_compare_versions(want, entry.version) == 0)) {
            *ret_entry = entry;
            return VIV_OK;
        }
        int put = snprintf(versions + len, sizeof versions - len, "%s%u.%u.%u (ABI %u to %u)", len ? ", " : "",
                           entry.version[0], entry.version[1], entry.version[2], entry.abi_min, entry.abi_max);
        len = put > 0 && len + (size_t)put < sizeof versions ? len + (size_t)put : sizeof versions - 1;
    }
    return versions[0] ? no_version(id, version, versions, err) : not_found(registry, id, err);
}

/* Whether a higher version of the same id, which comes before, can be used. */
static bool
is_hidden(const struct vh_registry *registry, uint32_t number, struct viv_str id)
{
    while (number-- > 0) {
        struct vh_registry_entry before;
        vh_registry_at(registry, number, &before);
        if (!vh_str_equal(before.id, id)) {
            return false;
        }
        if (is_usable(&before)) {
            return true;
        }
    }
    return false;
}

bool
vh_registry_next(const struct vh_registry *registry, uint32_t interface_index, uint32_t *cursor,
                 struct vh_registry_entry *ret_entry)
{
    while (*cursor < vh_registry_count(registry)) {
        struct vh_registry_entry entry;
        uint32_t number = (*cursor)++;
        vh_registry_at(registry, number, &entry);
        if ((entry.interfaces >> interface_index & 1u) != 0 && is_usable(&entry) &&
            !is_hidden(registry, number, entry.id)) {
            *ret_entry = entry;
            return true;
        }
    }
    return false;
}

const char *
vh_registry_path(const struct vh_registry *registry, struct vh_arena *arena, const struct vh_registry_entry *entry)
{
    char hex[VH_HASH_HEX];
    if ((entry->flags & VH_REGISTRY_BUNDLED) != 0) {
        const char *folder = registry->places.plugin_folder;
        return vh_arena_format(arena, "%s/%.*s", folder ? folder : ".", VH_STR_ARGS(entry->file));
    }
    vh_hash_hex(&entry->digest, hex);
    return vh_arena_format(arena, "%s/%s/%.*s", registry->places.store, hex, VH_STR_ARGS(entry->file));
}

viv_status
vh_registry_manifest(const struct vh_registry *registry, struct vh_arena *arena, const struct vh_registry_entry *entry,
                     const struct vh_manifest **ret_manifest, struct viv_error *err)
{
    char hex[VH_HASH_HEX];
    struct viv_str text;
    for (uint32_t i = 0; i < registry->bundled_count; i++) {
        if (memcmp(&registry->bundled[i].entry.digest, &entry->digest, sizeof entry->digest) == 0) {
            *ret_manifest = registry->bundled[i].manifest;
            return VIV_OK;
        }
    }
    vh_hash_hex(&entry->digest, hex);
    const char *path = vh_arena_format(arena, "%s/%s/manifest.json", registry->places.store, hex);
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for a manifest");
    }
    viv_status status = vh_fs_read(registry->seam, arena, AT_FDCWD, path, VIV_MANIFEST_MAX, &text, err);
    status = status ? status : vh_manifest_read(arena, text, ret_manifest, err);
    return status ? vh_error_extend(err, status, "'%s'", path) : VIV_OK;
}

viv_status
vh_registry_inspect(const struct vh_registry *registry, struct vh_arena *arena, const struct vh_plugin_rules *rules,
                    const struct vh_registry_entry *entry, struct vh_plugin_file *ret_file, struct viv_error *err)
{
    char hex[VH_HASH_HEX];
    const char *path = vh_registry_path(registry, arena, entry);
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for a path");
    }
    viv_status status = vh_plugin_inspect(registry->seam, arena, rules, AT_FDCWD, path, ret_file, err);
    vh_hash_hex(&entry->digest, hex);
    if (ret_file->digest_hex[0] && strcmp(hex, ret_file->digest_hex) != 0) {
        return vh_error_set(err, VIV_E_CORRUPT, "hash", "plugin '%s' has the bytes %.16s, the index says %.16s", path,
                            ret_file->digest_hex, hex);
    }
    return status;
}

uint32_t
vh_registry_damaged(const struct vh_registry *registry, const char **ret_first)
{
    *ret_first = registry->damaged ? registry->damaged_text : "";
    return registry->damaged;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and looking. The bundled plugins are few and lie in memory; a store's records stay in its index's bytes. All
 * are sorted the same way and numbered as one list: `order` says for each number which source and which of it. */
#include "registry_parts.h"

#include <assert.h>
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

/* ---- one order over the sources ---- */

#define SOURCES (1 + VH_REGISTRY_SHELVES) /* bundled, the home's, the user's: of equal versions in this order */
#define SOURCE_SHIFT 30

static uint32_t
source_count(const struct vh_registry *registry, uint32_t source)
{
    return source ? registry->shelf[source - 1].index.head.count : registry->bundled_count;
}

static void
entry_of(const struct vh_registry *registry, uint32_t source, uint32_t number, struct vh_registry_entry *ret_entry)
{
    if (source == 0) {
        *ret_entry = registry->bundled[number].entry;
        return;
    }
    const struct vh_registry_shelf *shelf = &registry->shelf[source - 1];
    entry_of_item(&shelf->index.records[number], vh_index_id(&shelf->index, number),
                  vh_index_file(&shelf->index, number), ret_entry);
    ret_entry->flags |= shelf->flag;
}

static void
sort_all(const struct vh_registry *registry, uint32_t *order, uint32_t count)
{
    struct vh_registry_entry head[SOURCES];
    uint32_t at[SOURCES] = { 0 };
    for (uint32_t s = 0; s < SOURCES; s++) {
        if (source_count(registry, s)) {
            entry_of(registry, s, 0, &head[s]);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t first = SOURCES;
        for (uint32_t s = 0; s < SOURCES; s++) {
            if (at[s] < source_count(registry, s) &&
                (first == SOURCES ||
                 compare(head[s].id, head[s].version, head[first].id, head[first].version) < 0)) {
                first = s;
            }
        }
        assert(first < SOURCES);
        order[i] = first << SOURCE_SHIFT | at[first]++;
        if (at[first] < source_count(registry, first)) {
            entry_of(registry, first, at[first], &head[first]);
        }
    }
}

viv_status
vh_registry_take(struct vh_registry_shelf *shelf, struct vh_arena *arena, const struct vh_index *index,
                 struct viv_error *err)
{
    struct vh_registry *registry = shelf->registry;
    struct vh_arena *order_arena = vh_arena_create(registry->arena, 0);
    uint32_t count = registry->count - shelf->index.head.count + index->head.count;
    uint32_t *order = order_arena ? vh_arena_array(order_arena, count ? count : 1, sizeof *order) : NULL;
    if (!order) {
        vh_arena_destroy(order_arena);
        vh_arena_destroy(arena);
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for a list of %u plugins", count);
    }
    vh_arena_destroy(shelf->index_arena);
    vh_arena_destroy(registry->order_arena);
    shelf->index_arena = arena;
    shelf->index = *index;
    registry->order_arena = order_arena;
    registry->order = order;
    registry->count = count;
    sort_all(registry, order, count);
    return VIV_OK;
}

/* ---- opening ---- */

static viv_status
open_shelf(struct vh_registry *registry, uint32_t number, const char *store, struct viv_error *err)
{
    const struct vh_index empty = { .records = NULL };
    struct vh_registry_shelf *shelf = &registry->shelf[number];
    *shelf = (struct vh_registry_shelf){ .registry = registry, .seam = registry->seam, .arena = registry->arena };
    shelf->flag = number == VH_REGISTRY_OWN ? VH_REGISTRY_USER : 0;
    if (!store) {
        return vh_registry_take(shelf, NULL, &empty, err);
    }
    const char *slash = strrchr(store, '/');
    shelf->store = vh_arena_text(registry->arena, store);
    shelf->index_path = vh_arena_format(registry->arena, "%s.index", store);
    shelf->lock_path = vh_arena_format(registry->arena, "%s.lock", store);
    shelf->parent = vh_arena_format(registry->arena, "%.*s", slash ? (int)(slash - store) : 1, slash ? store : ".");
    if (!shelf->store || !shelf->index_path || !shelf->lock_path || !shelf->parent) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for the registry");
    }
    return vh_registry_refresh(shelf, err);
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
    viv_status status = read_bundled(registry, err);
    registry->count = registry->bundled_count;
    status = status ? status : open_shelf(registry, VH_REGISTRY_HOME, places->store, err);
    status = status ? status : open_shelf(registry, VH_REGISTRY_OWN, places->user_store, err);
    if (status == VIV_OK) {
        *ret_registry = registry;
    }
    return status;
}

uint64_t
vh_registry_generation(const struct vh_registry *registry)
{
    return registry->shelf[VH_REGISTRY_HOME].index.head.generation +
           registry->shelf[VH_REGISTRY_OWN].index.head.generation;
}

uint32_t
vh_registry_count(const struct vh_registry *registry)
{
    return registry->count;
}

static bool
fits_abi(uint32_t abi_min, uint32_t abi_max)
{
    return abi_min <= VIV_ABI_MAJOR && VIV_ABI_MAJOR <= abi_max;
}

static bool
home_has(const struct vh_registry *registry, struct viv_str id)
{
    const struct vh_index *index = &registry->shelf[VH_REGISTRY_HOME].index;
    uint32_t i = vh_index_lower(index, id);
    while (i < index->head.count && vh_str_equal(vh_index_id(index, i), id) &&
           !fits_abi(index->records[i].abi_min, index->records[i].abi_max)) {
        i++;
    }
    return i < index->head.count && vh_str_equal(vh_index_id(index, i), id);
}

void
vh_registry_at(const struct vh_registry *registry, uint32_t number, struct vh_registry_entry *ret_entry)
{
    uint32_t place = registry->order[number];
    entry_of(registry, place >> SOURCE_SHIFT, place & ((1u << SOURCE_SHIFT) - 1), ret_entry);
    if (ret_entry->flags & VH_REGISTRY_USER) {
        ret_entry->flags |= home_has(registry, ret_entry->id) ? VH_REGISTRY_SHADOWED : 0u;
    }
}

/* `err` is only filled when the entry is refused. */
static bool
serves(const struct vh_registry *registry, const struct vh_registry_entry *entry, struct viv_error *err)
{
    return fits_abi(entry->abi_min, entry->abi_max) && !(entry->flags & VH_REGISTRY_SHADOWED) &&
           vh_registry_check(registry, entry, err) == VIV_OK;
}

/* Number of the first entry whose id is not before `id`. */
static uint32_t
lower(const struct vh_registry *registry, struct viv_str id)
{
    uint32_t number = vh_index_lower(&registry->shelf[VH_REGISTRY_HOME].index, id) +
                      vh_index_lower(&registry->shelf[VH_REGISTRY_OWN].index, id);
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
    struct viv_error fault = VIV_ERROR_INIT;
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
        if (version ? fits_abi(entry.abi_min, entry.abi_max) && vh_manifest_compare_versions(want, entry.version) == 0
                    : serves(registry, &entry, &fault)) {
            *ret_entry = entry;
            return VIV_OK;
        }
        int put = snprintf(versions + len, sizeof versions - len, "%s%u.%u.%u (ABI %u to %u)", len ? ", " : "",
                           entry.version[0], entry.version[1], entry.version[2], entry.abi_min, entry.abi_max);
        len = put > 0 && len + (size_t)put < sizeof versions ? len + (size_t)put : sizeof versions - 1;
    }
    if (fault.status) {
        return vh_error_set(err, fault.status, "registry", "'%s' is refused: %s", id, fault.text);
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
        if (serves(registry, &before, NULL)) {
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
        if ((entry.interfaces >> interface_index & 1u) != 0 && serves(registry, &entry, NULL) &&
            !is_hidden(registry, number, entry.id)) {
            *ret_entry = entry;
            return true;
        }
    }
    return false;
}

static const struct vh_registry_shelf *
shelf_of(const struct vh_registry *registry, const struct vh_registry_entry *entry)
{
    return &registry->shelf[entry->flags & VH_REGISTRY_USER ? VH_REGISTRY_OWN : VH_REGISTRY_HOME];
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
    return vh_arena_format(arena, "%s/%s/%.*s", shelf_of(registry, entry)->store, hex, VH_STR_ARGS(entry->file));
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
    const char *path = vh_arena_format(arena, "%s/%s/manifest.json", shelf_of(registry, entry)->store, hex);
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for a manifest");
    }
    viv_status status = vh_registry_check(registry, entry, err);
    status = status ? status : vh_fs_read(registry->seam, arena, AT_FDCWD, path, VIV_MANIFEST_MAX, &text, err);
    status = status ? status : vh_manifest_read(arena, text, ret_manifest, err);
    return status ? vh_error_extend(err, status, "'%s'", path) : VIV_OK;
}

viv_status
vh_registry_inspect(const struct vh_registry *registry, struct vh_arena *arena, const struct vh_plugin_rules *rules,
                    const struct vh_registry_entry *entry, struct vh_plugin_file *ret_file, struct viv_error *err)
{
    char hex[VH_HASH_HEX];
    const char *path = vh_registry_path(registry, arena, entry);
    *ret_file = (struct vh_plugin_file){ .path = path };
    if (!path) {
        return vh_error_set(err, VIV_E_MEMORY, "registry", "no memory for a path");
    }
    viv_status checked = vh_registry_check(registry, entry, err);
    if (checked) {
        return checked;
    }
    vh_hash_hex(&entry->digest, hex);
    viv_status status = vh_plugin_inspect(registry->seam, arena, rules, AT_FDCWD, path, ret_file, err);
    if (ret_file->digest_hex[0] && strcmp(hex, ret_file->digest_hex) != 0) {
        return vh_error_set(err, VIV_E_CORRUPT, "hash", "plugin '%s' has the bytes %.16s, the index says %.16s", path,
                            ret_file->digest_hex, hex);
    }
    return status;
}

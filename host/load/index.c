/* SPDX-License-Identifier: Apache-2.0 */
#include "index.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <viv_interfaces.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "manifest.h"
#include "registry.h"

#define FILE_MAX_BYTES (64u << 20)

_Static_assert(sizeof(struct vh_index_head) == 96 && sizeof(struct vh_index_record) == 72, "no holes in the file");

static uint64_t
fingerprint(void)
{
    uint64_t mark = viv_interface_count;
    for (uint32_t i = 0; i < viv_interface_count; i++) {
        for (const char *c = viv_interfaces[i].id; *c; c++) {
            mark = (mark ^ (unsigned char)*c) * UINT64_C(0x100000001b3); /* FNV: tells lists apart, guards nothing */
        }
    }
    return mark;
}

static bool
digest_of(const struct vh_index_head *head, const char *rest, size_t len, struct vh_hash *ret_digest)
{
    struct vh_index_head bare = *head;
    struct vh_hasher hasher;
    memset(&bare.digest, 0, sizeof bare.digest);
    vh_hasher_init(&hasher);
    vh_hasher_add(&hasher, &bare, sizeof bare);
    vh_hasher_add(&hasher, rest, len);
    return vh_hasher_finish(&hasher, ret_digest);
}

static bool
is_inside(uint64_t texts, uint32_t at, uint32_t len)
{
    return at <= texts && len <= texts - at;
}

viv_status
vh_index_open(struct viv_str bytes, struct vh_index *ret_index, struct viv_error *err)
{
    struct vh_index index = { 0 };
    struct vh_hash digest;
    const size_t head_bytes = sizeof index.head;
    if (bytes.len < head_bytes || memcmp(bytes.data, VH_INDEX_MAGIC, sizeof index.head.magic) != 0) {
        return vh_error_set(err, VIV_E_CORRUPT, "index", "the index has %llu bytes and is none",
                            (unsigned long long)bytes.len);
    }
    memcpy(&index.head, bytes.data, head_bytes);
    uint64_t records = (uint64_t)index.head.count * sizeof *index.records;
    if (index.head.record_bytes != sizeof *index.records || index.head.count > VH_REGISTRY_PLUGINS_MAX ||
        bytes.len - head_bytes < records || bytes.len - head_bytes - records != index.head.text_bytes) {
        return vh_error_set(err, VIV_E_CORRUPT, "index", "the index of %u records does not fit its %llu bytes",
                            index.head.count, (unsigned long long)bytes.len);
    }
    if (!digest_of(&index.head, bytes.data + head_bytes, (size_t)bytes.len - head_bytes, &digest) ||
        memcmp(digest.bytes, index.head.digest.bytes, sizeof digest.bytes) != 0) {
        return vh_error_set(err, VIV_E_CORRUPT, "index", "the index does not fit its own digest");
    }
    if (index.head.interfaces != fingerprint()) {
        return vh_error_set(err, VIV_E_VERSION, "index", "the index was written by a host with other interfaces");
    }
    index.records = (const void *)(bytes.data + head_bytes); /* aligned: arena memory and a head of 96 bytes */
    index.texts = bytes.data + head_bytes + records;
    for (uint32_t i = 0; i < index.head.count; i++) {
        const struct vh_index_record *record = &index.records[i];
        if (!is_inside(index.head.text_bytes, record->id_at, record->id_len) ||
            !is_inside(index.head.text_bytes, record->file_at, record->file_len)) {
            return vh_error_set(err, VIV_E_CORRUPT, "index", "record %u of the index points outside", i);
        }
    }
    *ret_index = index;
    return VIV_OK;
}

viv_status
vh_index_read(const struct vh_seam *seam, struct vh_arena *arena, const char *path, struct vh_index *ret_index,
              struct viv_error *err)
{
    struct viv_str bytes;
    viv_status status = vh_fs_read(seam, arena, AT_FDCWD, path, FILE_MAX_BYTES, &bytes, err);
    status = status ? status : vh_index_open(bytes, ret_index, err);
    return status ? vh_error_extend(err, status, "'%s'", path) : VIV_OK;
}

static int
by_id_and_version(const void *a, const void *b)
{
    const struct vh_index_item *left = a, *right = b;
    int order = vh_str_compare(left->id, right->id);
    if (order == 0) {
        order = vh_manifest_compare_versions(right->record.version, left->record.version);
    }
    return order ? order : memcmp(&left->record.digest, &right->record.digest, sizeof left->record.digest);
}

viv_status
vh_index_build(struct vh_arena *arena, const struct vh_index_head *head, struct vh_index_item *items, uint32_t count,
               struct viv_str *ret_bytes, struct viv_error *err)
{
    struct vh_index_head full = *head;
    memcpy(full.magic, VH_INDEX_MAGIC, sizeof full.magic);
    full.count = count;
    full.record_bytes = (uint32_t)sizeof items->record;
    full.interfaces = fingerprint();
    full.text_bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        full.text_bytes += items[i].id.len + items[i].file.len;
    }
    size_t records = (size_t)count * sizeof items->record;
    size_t size = sizeof full + records + (size_t)full.text_bytes;
    char *bytes = size <= FILE_MAX_BYTES ? vh_arena_alloc(arena, size) : NULL;
    if (!bytes) {
        return vh_error_set(err, VIV_E_MEMORY, "index", "no memory for an index of %zu bytes, allowed %u", size,
                            FILE_MAX_BYTES);
    }
    qsort(items, count, sizeof *items, by_id_and_version);
    char *texts = bytes + sizeof full + records;
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct vh_index_record record = items[i].record;
        record.id_at = at;
        record.id_len = (uint16_t)items[i].id.len;
        memcpy(texts + at, items[i].id.data, record.id_len);
        at += record.id_len;
        record.file_at = at;
        record.file_len = (uint16_t)items[i].file.len;
        memcpy(texts + at, items[i].file.data, record.file_len);
        at += record.file_len;
        memcpy(bytes + sizeof full + i * sizeof record, &record, sizeof record);
    }
    if (!digest_of(&full, bytes + sizeof full, size - sizeof full, &full.digest)) {
        return vh_error_set(err, VIV_E_INTERNAL, "index", "libcrypto cannot hash the index");
    }
    memcpy(bytes, &full, sizeof full);
    *ret_bytes = (struct viv_str){ bytes, size };
    return VIV_OK;
}

struct viv_str
vh_index_id(const struct vh_index *index, uint32_t number)
{
    const struct vh_index_record *record = &index->records[number];
    return (struct viv_str){ index->texts + record->id_at, record->id_len };
}

struct viv_str
vh_index_file(const struct vh_index *index, uint32_t number)
{
    const struct vh_index_record *record = &index->records[number];
    return (struct viv_str){ index->texts + record->file_at, record->file_len };
}

uint32_t
vh_index_lower(const struct vh_index *index, struct viv_str id)
{
    uint32_t low = 0, high = index->head.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (vh_str_compare(vh_index_id(index, middle), id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's index file: head, records sorted by id and newest version first, texts. One read, no parsing; every
 * offset is checked once. A cache in the host's own byte order: what is not sound is rebuilt, never repaired. */
#ifndef VH_INDEX_H
#define VH_INDEX_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/seam.h"
#include <stdbool.h>
#include <viv/status.h>

struct vh_index_head {
    char magic[8]; /* VH_INDEX_MAGIC */
    uint32_t count;
    uint32_t record_bytes;
    uint64_t generation;   /* rises with every change of the store */
    uint64_t interfaces;   /* fingerprint of this host's interface list: bits of the records mean these */
    int64_t folder_ns;     /* the store folder's time of change when this was written */
    uint64_t folder_inode; /* and its inode */
    int64_t written_us;    /* wall time; close to folder_ns, a change within one clock tick could hide */
    uint64_t text_bytes;
    struct vh_hash digest; /* of everything, with these bytes zero */
};

#define VH_INDEX_MAGIC "VIVINDX1"

struct vh_index_record {
    struct vh_hash digest;
    uint32_t version[3];
    uint32_t flags;
    uint64_t interfaces;
    uint32_t id_at; /* into the texts */
    uint32_t file_at;
    uint16_t id_len;
    uint16_t file_len;
    uint16_t abi_min;
    uint16_t abi_max;
};

struct vh_index {
    struct vh_index_head head;
    const struct vh_index_record *records;
    const char *texts;
};

/* What goes into an index. `id` and `file` are borrowed. */
struct vh_index_item {
    struct vh_index_record record;
    struct viv_str id;
    struct viv_str file;
};

/* Read and check. VIV_E_NOT_FOUND, VIV_E_CORRUPT, VIV_E_VERSION (another host's interfaces). */
viv_status vh_index_read(const struct vh_seam *seam, struct vh_arena *arena, const char *path,
                         struct vh_index *ret_index, struct viv_error *err);

/* Sort the items and lay them out as file bytes, from a head with generation, folder_ns, folder_inode, written_us. */
viv_status vh_index_build(struct vh_arena *arena, const struct vh_index_head *head, struct vh_index_item *items,
                          uint32_t count, struct viv_str *ret_bytes, struct viv_error *err);

/* Look at bytes as an index. */
viv_status vh_index_open(struct viv_str bytes, struct vh_index *ret_index, struct viv_error *err);

struct viv_str vh_index_id(const struct vh_index *index, uint32_t number);
struct viv_str vh_index_file(const struct vh_index *index, uint32_t number);

/* Number of the first record whose id is not before `id`. */
uint32_t vh_index_lower(const struct vh_index *index, struct viv_str id);

#endif

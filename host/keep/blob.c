/* SPDX-License-Identifier: Apache-2.0 */
#include "blob.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include <viv/limits.h>

#define PATH_ROOM 128

static void
path_of(const char *hex, char ret_folder[PATH_ROOM], char ret_path[PATH_ROOM])
{
    snprintf(ret_folder, PATH_ROOM, "store/blobs/%.2s", hex);
    snprintf(ret_path, PATH_ROOM, "store/blobs/%.2s/%s", hex, hex);
}

viv_status
vh_blob_put(const struct vh_seam *seam, int home, struct viv_str bytes, char ret_hex[VH_HASH_HEX],
            struct viv_error *err)
{
    char folder[PATH_ROOM], path[PATH_ROOM];
    char hex[VH_HASH_HEX];
    vh_hash_text(bytes, hex);
    if (!hex[0]) {
        return vh_error_set(err, VIV_E_INTERNAL, "store", "SHA-256 failed");
    }
    path_of(hex, folder, path);
    if (seam->utimens(seam->data, home, path, NULL)) {
        viv_status status = vh_fs_keep_folders(seam, home, folder, 0700, err);
        if (status == VIV_OK) {
            status = vh_fs_replace(seam, home, path, bytes, 0600, err);
        }
        if (status) {
            return vh_error_extend(err, status, "content store");
        }
    }
    memcpy(ret_hex, hex, VH_HASH_HEX);
    return VIV_OK;
}

viv_status
vh_blob_get(const struct vh_seam *seam, struct vh_arena *arena, int home, struct viv_str hex,
            struct viv_str *ret_bytes, struct viv_error *err)
{
    struct vh_hash hash;
    char folder[PATH_ROOM], path[PATH_ROOM], name[VH_HASH_HEX], found[VH_HASH_HEX];
    if (!vh_hash_parse(hex, &hash)) {
        return vh_error_set(err, VIV_E_INVALID, "store", "'%.*s' is not a digest, allowed: 64 hex digits",
                            VH_STR_ARGS(hex));
    }
    vh_hash_hex(&hash, name);
    path_of(name, folder, path);
    viv_status status = vh_fs_read(seam, arena, home, path, VIV_OUTPUT_STORED_MAX, ret_bytes, err);
    if (status) {
        return status;
    }
    vh_hash_text(*ret_bytes, found);
    return strcmp(found, name) == 0 ? VIV_OK
                                    : vh_error_set(err, VIV_E_CORRUPT, "store", "blob %s holds other bytes: %s", name,
                                                   found);
}

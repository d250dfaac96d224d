/* SPDX-License-Identifier: Apache-2.0 */
/* The content store: bytes by their SHA-256 under the home's store/blobs/, written once, side by side, never
 * overwritten. Bytes are on disk before the command that names them is sent. */
#ifndef VH_BLOB_H
#define VH_BLOB_H

#include "base/fs.h"
#include "base/hash.h"

/* `home` is a descriptor of the home. Storing what is there already gives it
 * the present time, which keeps it from being collected until the command that names it is logged. */
viv_status vh_blob_put(const struct vh_seam *seam, int home, struct viv_str bytes, char ret_hex[VH_HASH_HEX],
                       struct viv_error *err);

/* VIV_E_NOT_FOUND; VIV_E_CORRUPT when the bytes do not have their name's digest. */
viv_status vh_blob_get(const struct vh_seam *seam, struct vh_arena *arena, int home, struct viv_str hex,
                       struct viv_str *ret_bytes, struct viv_error *err);

#endif

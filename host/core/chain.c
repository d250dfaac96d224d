/* SPDX-License-Identifier: Apache-2.0 */
#include "chain.h"

#include <string.h>

static const char tag[] = "viv-log-1"; /* hashed with its NUL */

bool
vh_chain_add(struct vh_hash *head, struct viv_str line)
{
    uint8_t before[sizeof tag + VH_HASH_BYTES + 8]; /* in one piece, which libcrypto takes sooner than three */
    memcpy(before, tag, sizeof tag);
    memcpy(before + sizeof tag, head->bytes, VH_HASH_BYTES);
    for (size_t i = 0; i < 8; i++) {
        before[sizeof before - 8 + i] = (uint8_t)(line.len >> (8 * i));
    }
    struct vh_hasher hasher;
    vh_hasher_init(&hasher);
    vh_hasher_add(&hasher, before, sizeof before);
    vh_hasher_add(&hasher, line.data, (size_t)line.len);
    return vh_hasher_finish(&hasher, head);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "chain.h"

static const char tag[] = "viv-log-1"; /* hashed with its NUL */

bool
vh_chain_add(struct vh_hash *head, struct viv_str line)
{
    uint8_t len[8];
    for (int i = 0; i < 8; i++) {
        len[i] = (uint8_t)(line.len >> (8 * i));
    }
    struct vh_hasher hasher;
    vh_hasher_init(&hasher);
    vh_hasher_add(&hasher, tag, sizeof tag);
    vh_hasher_add(&hasher, head->bytes, VH_HASH_BYTES);
    vh_hasher_add(&hasher, len, sizeof len);
    vh_hasher_add(&hasher, line.data, (size_t)line.len);
    return vh_hasher_finish(&hasher, head);
}

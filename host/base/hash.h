/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, the only digest of the project, by libcrypto. */
#ifndef VH_HASH_H
#define VH_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <viv/core.h>

#define VH_HASH_BYTES 32
#define VH_HASH_HEX 65 /* with NUL */

struct vh_hash {
    uint8_t bytes[VH_HASH_BYTES];
};

/* Streaming. The context is libcrypto's and lies in the caller's frame: nothing to free. */
struct vh_hasher {
    uint64_t context[14];
    bool failed;
};

void vh_hasher_init(struct vh_hasher *hasher);
void vh_hasher_add(struct vh_hasher *hasher, const void *bytes, size_t len);
/* False when libcrypto failed at any step. */
bool vh_hasher_finish(struct vh_hasher *hasher, struct vh_hash *ret_hash);

bool vh_hash_bytes(const void *bytes, size_t len, struct vh_hash *ret_hash);
void vh_hash_hex(const struct vh_hash *hash, char ret_hex[VH_HASH_HEX]);
bool vh_hash_parse(struct viv_str hex, struct vh_hash *ret_hash);
/* Hex digest of a text; "" when libcrypto failed. */
void vh_hash_text(struct viv_str text, char ret_hex[VH_HASH_HEX]);

#endif

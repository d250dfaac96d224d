/* SPDX-License-Identifier: Apache-2.0 */
#include "hash.h"

/* Not by EVP: there each digest looks its algorithm up and takes two allocations, more than the hashing of one event.
 * The direct functions are marked as deprecated, and the same code behind both is kept. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(((struct vh_hasher *)0)->context), "libcrypto's context has grown");

void
vh_hasher_init(struct vh_hasher *hasher)
{
    hasher->failed = SHA256_Init((SHA256_CTX *)(void *)hasher->context) != 1;
}

void
vh_hasher_add(struct vh_hasher *hasher, const void *bytes, size_t len)
{
    if (!hasher->failed && SHA256_Update((SHA256_CTX *)(void *)hasher->context, bytes, len) != 1) {
        hasher->failed = true;
    }
}

bool
vh_hasher_finish(struct vh_hasher *hasher, struct vh_hash *ret_hash)
{
    return !hasher->failed && SHA256_Final(ret_hash->bytes, (SHA256_CTX *)(void *)hasher->context) == 1;
}

bool
vh_hash_bytes(const void *bytes, size_t len, struct vh_hash *ret_hash)
{
    struct vh_hasher hasher;
    vh_hasher_init(&hasher);
    vh_hasher_add(&hasher, bytes, len);
    return vh_hasher_finish(&hasher, ret_hash);
}

void
vh_hash_hex(const struct vh_hash *hash, char ret_hex[VH_HASH_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < VH_HASH_BYTES; i++) {
        ret_hex[2 * i] = digits[hash->bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    ret_hex[2 * VH_HASH_BYTES] = '\0';
}

static int
digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
vh_hash_parse(struct viv_str hex, struct vh_hash *ret_hash)
{
    struct vh_hash hash;
    if (hex.len != 2 * VH_HASH_BYTES) {
        return false;
    }
    for (size_t i = 0; i < VH_HASH_BYTES; i++) {
        int high = digit(hex.data[2 * i]);
        int low = digit(hex.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        hash.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_hash = hash;
    return true;
}

void
vh_hash_text(struct viv_str text, char ret_hex[VH_HASH_HEX])
{
    struct vh_hash hash;
    ret_hex[0] = '\0';
    if (vh_hash_bytes(text.data, (size_t)text.len, &hash)) {
        vh_hash_hex(&hash, ret_hex);
    }
}

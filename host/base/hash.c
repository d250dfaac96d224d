/* SPDX-License-Identifier: Apache-2.0 */
#include "hash.h"

#include <openssl/evp.h>

void
vh_hasher_init(struct vh_hasher *hasher)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    hasher->context = context;
    hasher->failed = !context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1;
}

void
vh_hasher_add(struct vh_hasher *hasher, const void *bytes, size_t len)
{
    if (!hasher->failed && EVP_DigestUpdate(hasher->context, bytes, len) != 1) {
        hasher->failed = true;
    }
}

bool
vh_hasher_finish(struct vh_hasher *hasher, struct vh_hash *ret_hash)
{
    unsigned int len = 0;
    bool good = !hasher->failed && EVP_DigestFinal_ex(hasher->context, ret_hash->bytes, &len) == 1 &&
                len == VH_HASH_BYTES;
    EVP_MD_CTX_free(hasher->context);
    hasher->context = NULL;
    return good;
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

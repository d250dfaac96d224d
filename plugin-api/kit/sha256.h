/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) for skills, which link libc alone. The host uses libcrypto instead. */
#ifndef VIV_KIT_SHA256_H
#define VIV_KIT_SHA256_H

#include <viv/core.h>

struct viv_kit_sha256 {
    uint32_t state[8];
    uint64_t total_bytes;
    unsigned char block[64];
};

void viv_kit_sha256_init(struct viv_kit_sha256 *sum);
void viv_kit_sha256_add(struct viv_kit_sha256 *sum, const void *bytes, uint64_t len);
/* 64 small hex digits, no NUL. `sum` is used up. */
void viv_kit_sha256_hex(struct viv_kit_sha256 *sum, char ret_hex[64]);

#endif

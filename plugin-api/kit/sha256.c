/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by the book; names of variables as in FIPS 180-4, section 6.2. */
#include "sha256.h"

#include <string.h>

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

void
viv_kit_sha256_init(struct viv_kit_sha256 *sum)
{
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    memset(sum, 0, sizeof *sum);
    memcpy(sum->state, start, sizeof start);
}

static uint32_t
turn(uint32_t x, uint32_t n)
{
    return x >> n | x << (32 - n);
}

static void
schedule(uint32_t w[64], const unsigned char *block)
{
    for (uint32_t t = 0; t < 16; t++) {
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 | (uint32_t)block[4 * t + 2] << 8 |
               block[4 * t + 3];
    }
    for (uint32_t t = 16; t < 64; t++) {
        uint32_t s0 = turn(w[t - 15], 7) ^ turn(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = turn(w[t - 2], 17) ^ turn(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
}

static void
compress(uint32_t state[8], const unsigned char *block)
{
    uint32_t w[64];
    schedule(w, block);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (uint32_t t = 0; t < 64; t++) {
        uint32_t s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[t] + w[t];
        uint32_t s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
        uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t sums[8] = { a, b, c, d, e, f, g, h };
    for (uint32_t i = 0; i < 8; i++) {
        state[i] += sums[i];
    }
}

void
viv_kit_sha256_add(struct viv_kit_sha256 *sum, const void *bytes, uint64_t len)
{
    const unsigned char *at = bytes;
    uint64_t filled = sum->total_bytes % 64;
    sum->total_bytes += len;
    if (filled > 0) {
        uint64_t part = len < 64 - filled ? len : 64 - filled;
        memcpy(sum->block + filled, at, (size_t)part);
        at += part;
        len -= part;
        if (filled + part < 64)
            return;
        compress(sum->state, sum->block);
    }
    for (; len >= 64; at += 64, len -= 64) {
        compress(sum->state, at);
    }
    if (len > 0) {
        memcpy(sum->block, at, (size_t)len);
    }
}

void
viv_kit_sha256_hex(struct viv_kit_sha256 *sum, char ret_hex[64])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t bits = sum->total_bytes * 8;
    unsigned char tail[72] = { 0x80 };
    uint64_t filled = sum->total_bytes % 64;
    uint64_t pad = (filled < 56 ? 56 : 120) - filled;
    for (uint32_t i = 0; i < 8; i++) {
        tail[pad + i] = (unsigned char)(bits >> (56 - 8 * i));
    }
    viv_kit_sha256_add(sum, tail, pad + 8);
    for (uint32_t i = 0; i < 64; i++) {
        ret_hex[i] = digits[sum->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    }
}

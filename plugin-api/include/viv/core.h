/* SPDX-License-Identifier: Apache-2.0 */
/* The ground every other header stands on: version, magic, export mark, struct head, text, verdict.
 *
 * Rules that hold in all of plugin-api: C11, 64-bit, little-endian; fixed-width integers only; text is
 * pointer and length in UTF-8 and need not end in NUL; every struct starts with `size` and `rev` unless
 * it is named headless here; reserved members are zero. Read next: status.h, plugin.h. */
#ifndef VIV_CORE_H
#define VIV_CORE_H

#include <stdint.h>

#define VIV_VERSION_MAJOR 0
#define VIV_VERSION_MINOR 1
#define VIV_VERSION_PATCH 0

/* The ABI number rises on a break; the revision rises when members are appended. */
#define VIV_ABI_MAJOR 1u
#define VIV_ABI_MINOR 0u
#define VIV_PLUGIN_MAGIC UINT64_C(0x3149424156495656) /* "VVIVABI1" read as little-endian bytes */

#if defined(__GNUC__)
#define VIV_EXPORT __attribute__((visibility("default")))
#else
#define VIV_EXPORT
#endif

/* Calling convention of every function that crosses the ABI; empty on Linux. */
#define VIV_CALL

#ifdef __cplusplus
#define VIV_BEGIN extern "C" {
#define VIV_END }
#define VIV_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define VIV_BEGIN
#define VIV_END
#define VIV_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

VIV_BEGIN

/* Text, borrowed from its owner. Headless and frozen for ever: data and length, nothing else.
 * Empty text is { NULL, 0 } or any pointer with length 0. */
struct viv_str {
    const char *data;
    uint64_t len;
};

/* What was decided. Zero is deny, so forgotten memory denies. An unknown value means deny. */
typedef uint32_t viv_verdict;
#define VIV_VERDICT_DENY UINT32_C(0)
#define VIV_VERDICT_ASK UINT32_C(1)
#define VIV_VERDICT_ALLOW UINT32_C(2)

VIV_STATIC_ASSERT(sizeof(void *) == 8, "the plugin ABI is 64-bit");
VIV_STATIC_ASSERT(sizeof(struct viv_str) == 16, "viv_str is frozen");

VIV_END

#endif

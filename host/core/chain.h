/* SPDX-License-Identifier: Apache-2.0 */
/* The hash chain over canonical event lines: h[n] = SHA-256("viv-log-1" NUL h[n-1] length line), length as 8 bytes
 * little-endian, h[0] all zero. Bytes are hashed as written and never re-serialised. */
#ifndef VH_CHAIN_H
#define VH_CHAIN_H

#include "base/hash.h"

/* False when libcrypto failed. `head` is replaced. */
bool vh_chain_add(struct vh_hash *head, struct viv_str line);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Whose bytes these are: bundled (digest compiled into this program), signed by this user's key, or unsigned. The key
 * is Ed25519, kept in the user's data folder, readable by nobody else. No environment variable adds trust. A signature
 * is the file NAME.so.sig: one line "vivarium-signature 1 KEY SIGNATURE", both in hex, over
 * "vivarium plugin 1 " and the SHA-256 in hex. */
#ifndef VH_TRUST_H
#define VH_TRUST_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/seam.h"
#include <viv/status.h>

#define VH_TRUST_KEY_BYTES 32
#define VH_TRUST_KEY_FILE "plugin-key" /* in the user's keys folder, mode 0600 */

/* One bundled plugin; the table is generated at build and linked into the program only. */
struct vh_trust_bundled {
    const char *file; /* "NAME.so", in the plugin folder */
    const char *manifest; /* JSON */
    uint8_t digest[VH_HASH_BYTES];
};

extern const struct vh_trust_bundled vh_bundled[];
extern const uint32_t vh_bundled_count;

enum vh_trust_verdict { VH_TRUST_UNSIGNED = 0, VH_TRUST_USER, VH_TRUST_BUNDLED };

/* What this program trusts. All zero trusts nothing. */
struct vh_trust {
    const struct vh_trust_bundled *bundled;
    uint32_t bundled_count;
    bool has_key;
    uint8_t key[VH_TRUST_KEY_BYTES]; /* the user's public key */
};

/* Read the user's key from its folder; a missing key is no error. VIV_E_DENIED when folder or file is open to others
 * (names the mode found and allowed, and the chmod), VIV_E_CORRUPT. */
viv_status vh_trust_read_key(const struct vh_seam *seam, int dir, const char *keys_folder, struct vh_trust *trust,
                             struct viv_error *err);

/* Make the user's key. VIV_E_EXISTS when there is one. */
viv_status vh_trust_make_key(const struct vh_seam *seam, int dir, const char *keys_folder, struct viv_error *err);

/* Sign the plugin file at `path` with the user's key: writes `path`.sig. `ret_hash` may be NULL. */
viv_status vh_trust_sign(const struct vh_seam *seam, const char *keys_folder, int dir, const char *path,
                         struct vh_hash *ret_hash, struct viv_error *err);

/* Judge a digest. Looks for `path`.sig beside the file. A signature that is malformed or does not fit is an error,
 * VIV_E_DENIED; one by another key is unsigned. */
viv_status vh_trust_judge(const struct vh_seam *seam, const struct vh_trust *trust, int dir, const char *path,
                          const struct vh_hash *hash, enum vh_trust_verdict *ret_verdict, struct viv_error *err);

const struct vh_trust_bundled *vh_trust_find_bundled(const struct vh_trust *trust, const struct vh_hash *hash);

/* "bundled", "user", "unsigned". */
const char *vh_trust_name(enum vh_trust_verdict verdict);

#endif

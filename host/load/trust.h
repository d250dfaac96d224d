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
#define VH_TRUST_SIGNATURE_BYTES 64
#define VH_TRUST_OLD_MAX 32

/* A user has a key for plugins and one for checkpoints of logs, so that neither's signature is ever the other's. Files
 * in the user's keys folder, mode 0600. */
struct vh_trust_names {
    const char *key;   /* the secret one */
    const char *old;   /* public keys that signed before, kept or retired */
    const char *word;  /* of the command line: "plugin" in 'vivhost plugin key list' */
    const char *maker; /* its verb that makes the key on first need */
};
extern const struct vh_trust_names vh_trust_plugins, vh_trust_log;

/* One bundled plugin; the table is generated at build and linked into the program only. */
struct vh_trust_bundled {
    const char *file; /* "NAME.so", in the plugin folder */
    const char *manifest; /* JSON */
    uint8_t digest[VH_HASH_BYTES];
};

extern const struct vh_trust_bundled vh_bundled[];
extern const uint32_t vh_bundled_count;

enum vh_trust_verdict { VH_TRUST_UNSIGNED = 0, VH_TRUST_USER, VH_TRUST_BUNDLED };

/* A key that signs no more: its signatures are good until it is retired, and refused by name from then on. */
struct vh_trust_old {
    uint8_t key[VH_TRUST_KEY_BYTES];
    bool retired;
};

/* What this program trusts. All zero trusts nothing. */
struct vh_trust {
    const struct vh_trust_names *names; /* NULL: of plugins */
    const struct vh_trust_bundled *bundled;
    uint32_t bundled_count;
    bool has_key;
    uint8_t key[VH_TRUST_KEY_BYTES]; /* the user's public key */
    uint32_t old_count;
    struct vh_trust_old old[VH_TRUST_OLD_MAX]; /* oldest first */
};

/* Read the user's keys from their folder; a missing key is no error. VIV_E_DENIED when folder or file is open to others
 * (names the mode found and allowed, and the chmod), VIV_E_CORRUPT. */
viv_status vh_trust_read_key(const struct vh_seam *seam, int dir, const char *keys_folder, struct vh_trust *trust,
                             struct viv_error *err);

/* Make the user's key. VIV_E_EXISTS when there is one. */
viv_status vh_trust_make_key(const struct vh_seam *seam, int dir, const char *keys_folder,
                             const struct vh_trust_names *names, struct viv_error *err);

/* Make a new key in place of the user's, whose public half joins the old keys first; its secret half is gone. After a
 * crash in between the key is still the old one, listed or not. VIV_E_NOT_FOUND without a key; VIV_E_LIMIT when all
 * VH_TRUST_OLD_MAX old keys are kept ones (the oldest retired one makes room). Fills `trust` anew. */
viv_status vh_trust_rotate(const struct vh_seam *seam, int dir, const char *keys_folder, struct vh_trust *trust,
                           struct viv_error *err);

/* Retire the old key that begins with `hex`, again without harm. VIV_E_NOT_FOUND, VIV_E_DENIED for the key that signs,
 * VIV_E_INVALID when it is no beginning of one key alone. Fills `trust` anew. */
viv_status vh_trust_retire(const struct vh_seam *seam, int dir, const char *keys_folder, const char *hex,
                           struct vh_trust *trust, struct viv_error *err);

/* Sign the plugin file at `path` with the user's key: writes `path`.sig. `ret_hash` may be NULL. */
viv_status vh_trust_sign(const struct vh_seam *seam, const char *keys_folder, int dir, const char *path,
                         struct vh_hash *ret_hash, struct viv_error *err);

/* Sign what begins with words that say what it is, and no other kind of thing does. VIV_E_NOT_FOUND without a key. */
viv_status vh_trust_sign_text(const struct vh_seam *seam, int dir, const char *keys_folder,
                              const struct vh_trust_names *names, struct viv_str text,
                              uint8_t ret_signature[VH_TRUST_SIGNATURE_BYTES], struct viv_error *err);
bool vh_trust_check_text(struct viv_str text, const uint8_t key[VH_TRUST_KEY_BYTES],
                         const uint8_t signature[VH_TRUST_SIGNATURE_BYTES]);

/* Judge a digest. Looks for `path`.sig beside the file. A signature that is malformed or does not fit is an error,
 * VIV_E_DENIED, and so is one by a retired key; one by a key that is not the user's is unsigned. */
viv_status vh_trust_judge(const struct vh_seam *seam, const struct vh_trust *trust, int dir, const char *path,
                          const struct vh_hash *hash, enum vh_trust_verdict *ret_verdict, struct viv_error *err);

const struct vh_trust_bundled *vh_trust_find_bundled(const struct vh_trust *trust, const struct vh_hash *hash);

/* "bundled", "user", "unsigned". */
const char *vh_trust_name(enum vh_trust_verdict verdict);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint says what the log was at one moment, in so few words that it can be kept anywhere: home, number of
 * events, root of the Merkle tree over their hashes, leaf of the last, its batch's time. Signed, it pins all of the
 * past: a log that has these events has just them. It holds no hash of an event, only what follows from one, so who
 * reads it and a redacted log (redact.h) cannot try out what a short text was. The form:
 * docs/contract/checkpoint.schema.json, one canonical line.
 *
 * Beside what is signed stand the roots of the full subtrees, from which the root follows: a later checkpoint goes on
 * from them instead of from the first event, and where they differ tells where a log does. Who signs: load/trust.h;
 * when: app_checkpoint.c; who asks: commands/cmd_checkpoint.c. */
#ifndef VH_CHECKPOINT_H
#define VH_CHECKPOINT_H

#include "keep/segment.h"

#define VH_CHECKPOINT_VERSION 1
#define VH_CHECKPOINT_BYTES_MAX ((size_t)16 << 10) /* of a file; the longest has half of it */
#define VH_CHECKPOINT_KEY_BYTES 32
#define VH_CHECKPOINT_SIGNATURE_BYTES 64
#define VH_CHECKPOINT_HOME_MAX 64 /* digits of a home's id */

struct vh_checkpoint {
    char home[VH_CHECKPOINT_HOME_MAX + 1];
    int64_t events;
    int64_t time_us;
    struct vh_hash leaf; /* of event number `events` */
    struct vh_hash root;
    struct vh_merkle tree; /* count 0: not said; else `events`, and its root is `root` */
    bool redacts;          /* it ends a redacted log, whose lines before it have this SHA-256 */
    struct vh_hash redacted;
    uint8_t key[VH_CHECKPOINT_KEY_BYTES];
    uint8_t signature[VH_CHECKPOINT_SIGNATURE_BYTES];
};

/* What is signed: "vivarium checkpoint 1 " and the canonical object. { NULL, 0 } without memory. */
struct viv_str vh_checkpoint_signed(struct vh_arena *arena, const struct vh_checkpoint *checkpoint);
/* The line with its newline; { NULL, 0 } without memory. */
struct viv_str vh_checkpoint_print(struct vh_arena *arena, const struct vh_checkpoint *checkpoint);
/* One whole line. VIV_E_CORRUPT says what it is not; whether the signature fits is not looked at. */
viv_status vh_checkpoint_read(struct vh_arena *arena, struct viv_str text, struct vh_checkpoint *ret_checkpoint,
                              struct viv_error *err);

/* Fill in all but key and signature from what the store has committed. With the tree of `from`, an earlier one of the
 * same log (NULL: none), it goes on from there. VIV_E_CONFLICT when the log does not extend `from`: it ends before, or
 * the event is another. */
viv_status vh_checkpoint_make(struct vh_store *store, const struct vh_checkpoint *from,
                              struct vh_checkpoint *ret_checkpoint, struct viv_error *err);

/* ---- a log against one ---- */

enum vh_against_verdict {
    VH_AGAINST_HOLDS = 0, /* the log extends exactly what the checkpoint saw */
    VH_AGAINST_SHORTER,   /* it ends before; as far as can be told, it is a beginning of it */
    VH_AGAINST_ANOTHER,   /* some event before or at its end is another */
};

/* Events come one by one. */
struct vh_against {
    const struct vh_checkpoint *checkpoint;
    struct vh_merkle tree;
    bool leaf_differs, root_differs, failed;
    int64_t first, last; /* one of these events is the first that differs; 0: none is known to */
};

/* False when libcrypto failed. */
bool vh_against_add(struct vh_against *against, const struct vh_hash *leaf);
enum vh_against_verdict vh_against_end(const struct vh_against *against);

#endif

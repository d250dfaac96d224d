/* SPDX-License-Identifier: Apache-2.0 */
/* log/archive/: closed pieces of the log, which left the database. A segment is the exported lines (export.h) of
 * VH_SEGMENT_EVENTS events, by gzip, named by its numbers and the root of the Merkle tree over its events' hashes
 * (RFC 6962: leaf SHA-256(0 hash), node SHA-256(1 left right)). The database keeps what the file must be, so a file
 * that came back from elsewhere is taken only as it left. Who decides what leaves: run/control_archive.c; what the
 * database knows of it: segments.h. */
#ifndef VH_SEGMENT_H
#define VH_SEGMENT_H

#include "base/fs.h"
#include "keep/reader.h"

#define VH_SEGMENT_EVENTS 8192 /* a power of two: the tree is even */
#define VH_SEGMENT_LEVELS 13
#define VH_SEGMENT_FOLDER "log/archive" /* of the home */
#define VH_SEGMENT_NAME 112

struct vh_segment {
    int64_t first, last; /* events */
    int64_t bytes;       /* of the file */
    struct vh_hash head; /* of the last event */
    struct vh_hash root;
    struct vh_hash digest; /* SHA-256 of the file */
};

#define VH_MERKLE_LEVELS 54 /* more events than JSON has numbers */

/* The tree of RFC 6962 over hashes that come one by one: for each bit of `count` the root of a full subtree, the
 * largest first in the log. */
struct vh_merkle {
    struct vh_hash level[VH_MERKLE_LEVELS];
    uint64_t count;
};
/* False when libcrypto failed. Whenever `count` is a multiple of 2 to the n, level[n] is the root over the last 2 to
 * the n hashes: after each VH_SEGMENT_EVENTS level[VH_SEGMENT_LEVELS] is the root of a segment. */
bool vh_merkle_add(struct vh_merkle *merkle, const struct vh_hash *hash);
/* What a hash is in the tree, from which nobody finds the hash; and the same tree by what comes so. */
bool vh_merkle_leaf(const struct vh_hash *hash, struct vh_hash *ret_leaf);
bool vh_merkle_add_leaf(struct vh_merkle *merkle, const struct vh_hash *leaf);
/* Root over all. False also for none. */
bool vh_merkle_root(const struct vh_merkle *merkle, struct vh_hash *ret_root);

void vh_segment_name(const struct vh_segment *segment, char ret_name[VH_SEGMENT_NAME]);

/* Write the events from `first` on as a file of the folder below `home`; it is on the disk when this returns, and
 * takes the place of one of the same name, which has the same events. VIV_E_NOT_FOUND when there are too few. */
viv_status vh_segment_write(const struct vh_seam *seam, struct vh_store *store, int home, int64_t first,
                            struct vh_segment *ret_segment, struct viv_error *err);

struct vh_segment_reading {
    int64_t after; /* only events after this one */
    vh_reader_each each;
    void *data;
    bool stopped; /* `each` said so */
};

/* The events come as from the table. VIV_E_NOT_FOUND when the file is not there, VIV_E_CORRUPT when it is another than
 * the one that was written. */
viv_status vh_segment_read(const struct vh_seam *seam, const char *folder, const struct vh_segment *segment,
                           struct vh_segment_reading *reading, struct viv_error *err);

#endif

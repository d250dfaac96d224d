/* SPDX-License-Identifier: Apache-2.0 */
/* The log without what people and programs wrote in it. Names of events, numbers, times, ids and digests stay, so
 * that order and states can be checked; every other text becomes "redacted:" and a digest. Which texts stay is
 * listed, by kind of event (redact_rows.c); what is not listed does not stay.
 *
 * A line is {"event":EVENT,"leaf":LEAF}: LEAF is what the event is in the Merkle tree of the log, as a checkpoint
 * signs its root. It is made of the event's hash, which is not shown: the hash follows from the text and the hash
 * before, and of two known hashes a short text between them could be tried out. For the same reason a hidden text's
 * digest is salted by its event's hash, and no hash is known as long as the home's seed, which the event
 * `home.created` holds, is not.
 *
 *   digest = SHA-256("viv-text-1" NUL hash-of-the-event number text), number of the text in its event from 0 on, as 8
 *            bytes little-endian; text in canonical JSON. Of a person's name, and of nothing else, hash and number are
 *            those of `home.created` and 2^64-1, so that one person stays one. Before that event there is no digest. */
#ifndef VH_REDACT_H
#define VH_REDACT_H

#include "keep/segment.h"

/* What of an event's data is text. Paths of words: "a.b", "a[]" for the elements of a list, "a.*" for any member; with
 * blanks between. */
struct vh_redact_row {
    const char *kind;
    const char *stays; /* ids, digests, words of this program */
    const char *text;  /* free text; an object or list here is one text */
};
extern const struct vh_redact_row vh_redact_rows[]; /* ends in a NULL kind */

struct vh_redactor {
    struct vh_event_reader reader;
    struct vh_hash secret; /* of home.created */
    bool has_secret;
    char unlisted[160]; /* the first text that was hidden though no row names it: kind and path */
};

/* Append the redacted line of an event. */
viv_status vh_redact_line(struct vh_redactor *redactor, struct viv_str line, const struct vh_hash *hash,
                          struct vh_buf *buf, struct viv_error *err);

#endif

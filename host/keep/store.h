/* SPDX-License-Identifier: Apache-2.0 */
/* The event log and its projections in one SQLite file: WAL, full sync, one writable connection, owned by the
 * sequencer's thread. All SQL of the host is in keep/. Read next: sequencer.h (who calls this), projection.c (the
 * state over SQL), reader.h (read-only queries), verify.h. */
#ifndef VH_STORE_H
#define VH_STORE_H

#include "base/hash.h"
#include "base/seam.h"
#include "core/event.h"
#include "core/state.h"

/* Of the projections; a newer file is refused, an older one is folded into a new one (migrate.h).
 *   1  effects by task, attempt and ordinal
 *   2  effects by task, round and ordinal; tasks have a round
 *   3  old events may lie in segments outside of the file; events name tasks by number; small pages */
#define VH_STORE_SCHEMA 3
#define VH_STORE_APPLICATION_ID 0x56697661 /* "Viva": the file is one of ours */

struct vh_store;

/* Open or create `path`. `vfs` names the SQLite VFS, NULL for the system's. VIV_E_VERSION for a newer file and for an
 * older one, which vh_migrate was to bring here; VIV_E_CORRUPT for a foreign or damaged one. The file is then left as
 * it is. */
viv_status vh_store_open(struct vh_arena *arena, const char *path, const char *vfs, struct vh_store **ret_store,
                         struct viv_error *err);
/* For queries only: a read-only connection, one per thread. An older file is read as it is. */
viv_status vh_store_open_read(struct vh_arena *arena, const char *path, struct vh_store **ret_store,
                              struct viv_error *err);
/* The same where nothing can be written, not even beside the file: it must not change while it is open. */
viv_status vh_store_open_immutable(struct vh_arena *arena, const char *path, struct vh_store **ret_store,
                                   struct viv_error *err);
/* Copy what is committed, from a read-only connection while others write, into the empty file `to`. The caller
 * syncs. */
viv_status vh_store_copy(struct vh_store *store, const char *to, struct viv_error *err);
/* Ends without a commit of its own. */
void vh_store_close(struct vh_store *store);

/* The projections inside the open transaction. */
struct vh_state_ops vh_store_state(struct vh_store *store);

/* Last event's number, hash and time; batch of the last commit. */
int64_t vh_store_seq(const struct vh_store *store);
struct vh_hash vh_store_head(const struct vh_store *store);
int64_t vh_store_time_us(const struct vh_store *store);
int64_t vh_store_batch(const struct vh_store *store);

/* One transaction at a time; a command inside it is a savepoint. `epoch` must be the store's, else VIV_E_FENCED; 0 for
 * the transaction that raises it. After a failed begin, commit or savepoint the store
 * is dead: every later call answers VIV_E_STORE. */
viv_status vh_store_begin(struct vh_store *store, int64_t epoch, struct viv_error *err);
viv_status vh_store_mark(struct vh_store *store, struct viv_error *err);
viv_status vh_store_keep(struct vh_store *store, struct viv_error *err);
viv_status vh_store_undo(struct vh_store *store, struct viv_error *err);
/* Writes the batch header, commits with a full sync. `epoch` must still be the store's, else VIV_E_FENCED. */
viv_status vh_store_commit(struct vh_store *store, int64_t epoch, int64_t time_us, struct viv_error *err);
/* Ends an open batch that holds no event yet, so that nobody waits for the write lock for nothing. */
viv_status vh_store_release(struct vh_store *store, struct viv_error *err);
bool vh_store_open_batch(const struct vh_store *store);
bool vh_store_dead(const struct vh_store *store);

/* Append folded events of one command, in order, with the idempotency record of the first. `request` is the digest of
 * what the command said. With `log.archived` the events that it names leave the file (segments.h). */
viv_status vh_store_append(struct vh_store *store, struct vh_arena *arena, const struct vh_event *events, size_t count,
                           const struct vh_hash *request, struct viv_error *err);

/* The answer a key got: number of its input event; 0 when the key is new. VIV_E_CONFLICT when the key was used for
 * another request. */
viv_status vh_store_key(struct vh_store *store, struct viv_str key, const struct vh_hash *request, int64_t *ret_seq,
                        struct viv_error *err);
/* One event's canonical line, for the answer to a repeated key. */
viv_status vh_store_line(struct vh_store *store, struct vh_arena *arena, int64_t seq, struct viv_str *ret_line,
                         struct viv_error *err);

/* Move the write-ahead log into the tables, as far as readers allow. The sequencer does it by the pages that are in the
 * log, which bounds what a start after a crash reads again. */
viv_status vh_store_checkpoint(struct vh_store *store, struct viv_error *err);
int vh_store_wal_pages(const struct vh_store *store);
/* Give the room of what left the file back to the file system: the whole file is written anew, which takes as much
 * room meanwhile. Not inside a batch. VIV_E_BUSY when somebody reads. */
viv_status vh_store_shrink(struct vh_store *store, struct viv_error *err);

/* Counters for tests and benchmarks: commits, bytes of event lines. */
int64_t vh_store_commits(const struct vh_store *store);
/* Rises with every row of a task that a worker could take. */
int64_t vh_store_openings(const struct vh_store *store);

#endif

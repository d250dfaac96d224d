/* SPDX-License-Identifier: Apache-2.0 */
/* The records below schema-N/: home.sql, a home as text, and `digests`, what must be found in it, a
 * line each:
 *
 *     log events COUNT
 *     log head HASH       of its last event
 *     log export SHA256   of the exported log
 *     fold-S TABLE SHA256 rows of a table after the log was folded by the program whose schema was
 * S
 *
 * A program checks the folds of its own schema, and the stored tables against the fold of theirs.
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "base/buf.h"
#include "base/seam.h"

/* Make the file `path` from the record of `schema`. */
void golden_build(int schema, const char *path);
/* The file `digests` of a record. */
struct viv_str golden_recorded(struct vh_arena *arena, int schema);
/* The lines that begin with `prefix`. */
struct viv_str golden_lines(struct vh_arena *arena, struct viv_str text, const char *prefix);
/* The same lines, from the log and the tables in the file, whatever its schema; only its own
 * columns are read. */
struct viv_str golden_log(struct vh_arena *arena, const char *path);
struct viv_str golden_folded(struct vh_arena *arena, const char *path);
struct viv_str golden_stored(struct vh_arena *arena, const char *path);

/* Every line of the log in the file. */
void golden_each(const char *path, void (*each)(void *data, struct viv_str line), void *data);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* An SQLite file system in memory that remembers what was synced: for each file the image of its last sync and every
 * write since. A *cut* takes the power away at the n-th operation; what was written since the last sync is then kept,
 * dropped or torn by sectors, each write for itself, so that a later one can be there without an earlier one. A file
 * made and never synced may be gone. Faults can be asked for at an operation, once or from then on.
 *
 * One connection at a time; its calls may come from any thread. Read next: tests/fault/cuts/test_cuts.c. */
#ifndef SUPPORT_CUT_VFS_H
#define SUPPORT_CUT_VFS_H

#include <stdbool.h>
#include <stdint.h>

#define CUT_VFS_NAME "cut"

/* Register, once. */
void cut_vfs_register(void);
/* Every file gone, counters at zero, nothing planned. No connection may be open. */
void cut_vfs_reset(void);

/* Write, truncate, sync, delete and make a file count as operations. */
int64_t cut_vfs_operations(void);

/* Before operation number `at` (counted from now, from 1) the power goes: it and all later calls fail. 0: never. */
void cut_vfs_plan(int64_t at);
bool cut_vfs_is_cut(void);
/* After the connection is closed: decide by `seed` what the disk holds, and give the power back. */
void cut_vfs_resolve(uint64_t seed);

/* Operation `at` from now answers `code` (an SQLite result code) and does nothing; `for_ever`: so do all after it. Only
 * operations of the kinds named by letters in `kinds` count: w(rite), t(runcate), s(ync), r(ead). */
void cut_vfs_fault(int64_t at, int code, bool for_ever, const char *kinds);

/* A copy of the disk as it is, to begin from again; the copy before is forgotten. */
void cut_vfs_keep(void);
void cut_vfs_restore(void);

/* What the next connection finds is not what it left: bytes of a file changed at a place. False: no such byte. */
bool cut_vfs_flip(const char *name, int64_t at);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's own file system with every sync counted, whatever system call it becomes: for who counts what a disk is made
 * to do. Read next: tests/bench/bench_durable.c. */
#ifndef SUPPORT_COUNT_VFS_H
#define SUPPORT_COUNT_VFS_H

#include <stdint.h>

/* From now on every connection that names no file system counts. Once, before the first is opened. */
void count_vfs_register(void);

/* Syncs of files and folders so far, by all threads. */
int64_t count_vfs_syncs(void);

/* Bytes written so far. */
int64_t count_vfs_bytes(void);

#endif

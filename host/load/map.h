/* SPDX-License-Identifier: Apache-2.0 */
/* From verified bytes to code: a sealed memory file, mapped under a descriptor number this process never used before.
 * The one dlopen of the project is here. Nothing is verified here but the seals: judging comes before (plugin.h).
 * libc only, since the runner links this file. Nothing is ever unmapped: a plugin stays until its process ends. */
#ifndef VH_MAP_H
#define VH_MAP_H

#include <stddef.h>
#include <viv/plugin.h>

struct vh_map {
    void *handle;
    viv_plugin_entry_fn entry;
};

/* Copy bytes into a memory file that nobody can change any more. `ret_fd` is close-on-exec and the caller's to close;
 * it may be sent to a runner. VIV_E_IO. */
viv_status vh_map_seal(const void *bytes, size_t len, const char *name, int *ret_fd, struct viv_error *err);

/* Before the first thread: room for the numbers that mapping takes. The kernel lets a table of descriptors that threads
 * share grow only after a wait of some milliseconds. `fd` is any open one; without room nothing is lost but time. */
void vh_map_reserve(int fd);

/* Map a sealed memory file and look up viv_plugin_entry. `fd` stays the caller's and may be closed afterwards.
 * VIV_E_DENIED: not sealed; VIV_E_LIMIT: no unused descriptor number is left; VIV_E_PLUGIN: the loader's own words,
 * or no entry. */
viv_status vh_map_open(int fd, const char *name, struct vh_map *ret_map, struct viv_error *err);

/* Both in one, for bytes at hand. */
viv_status vh_map_bytes(const void *bytes, size_t len, const char *name, struct vh_map *ret_map, struct viv_error *err);

#endif

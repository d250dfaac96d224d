/* SPDX-License-Identifier: Apache-2.0 */
/* What root.c and workspace.c share while the task's root is made. */
#ifndef VL_ROOT_H
#define VL_ROOT_H

#include "keeper.h"

/* Descriptors of what lies outside, opened before anything is mounted over it. */
struct root_sources {
    int lowers[VW_LOWERS_MAX + 1]; /* one more: mount points that must not show in the change set */
    size_t lower_count;
    int upper;
    int work;
};

/* A detached copy of the mounts at `source`, with these MOUNT_ATTR_ set; -1 with errno. */
int root_tree(const char *source, uint64_t attributes);

int root_open_sources(struct keeper *keeper, struct root_sources *ret_sources);
int root_overlay(struct keeper *keeper, const struct root_sources *sources);
int root_bind(struct keeper *keeper);

#endif

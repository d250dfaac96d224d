/* SPDX-License-Identifier: Apache-2.0 */
/* What a runner gives up before foreign code is mapped: resource limits and, by Landlock, all files but the libraries
 * it was told of and the folder it was granted. A step that fails is a refusal, never a lesser runner. */
#ifndef VH_RUNNER_CONFINE_H
#define VH_RUNNER_CONFINE_H

#include "protocol.h"

/* Called once by the zygote: how much address space a runner starts with. */
viv_status vh_confine_measure(struct viv_error *err);

/* Resource limits; call before mapping. The number of files is limited later by vh_confine_files, since mapping
 * needs descriptors of its own. */
viv_status vh_confine_limits(const struct vh_start *start, struct viv_error *err);
viv_status vh_confine_files(const struct vh_start *start, struct viv_error *err);

/* Landlock: reading and mapping of exactly the libraries among the items, reading below VH_FD_ROOT when there is
 * one, nothing else. VIV_E_UNAVAILABLE where the kernel has none. */
viv_status vh_confine_landlock(const struct vh_start *start, struct viv_error *err);

/* Give up all capabilities and any way to get new ones. Called by the zygote for all its runners. */
viv_status vh_confine_privileges(struct viv_error *err);

#endif

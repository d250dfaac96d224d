/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a tree of files: content, modes, links and times; no owners, no special files. */
#ifndef VH_COPY_H
#define VH_COPY_H

#include "base/fs.h"

/* Copy what is below the folder `from` into the existing folder `to`. VIV_E_LIMIT for trees deeper than 256. */
viv_status vh_copy_tree(const struct vh_seam *seam, int from, int to, struct viv_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A database of an earlier schema becomes one of this: its log is copied into a new file and folded there, what both
 * schemas hold is compared, and the new file takes the old one's name in one step. The old one stays beside it under
 * another name, for a program that knows it. The log is never rewritten. A crash leaves the old file or the new one. */
#ifndef VH_MIGRATE_H
#define VH_MIGRATE_H

#include "base/seam.h"
#include "keep/store.h"

/* Bring `path`, an absolute path, to VH_STORE_SCHEMA, with nobody else at the file; nothing is done when it is there
 * already, is not one of ours, is newer or is missing: opening it then says so. The old file becomes
 * `PATH.schema-N`. VIV_E_CORRUPT when its log does not verify or its tables do not follow from it, VIV_E_BUSY when
 * somebody reads it; it is then as it was. */
viv_status vh_migrate(const struct vh_seam *seam, struct vh_arena *arena, const char *path, struct viv_error *err);

#endif

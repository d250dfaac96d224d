/* SPDX-License-Identifier: Apache-2.0 */
/* A task's scope: the one folder beneath its target that its result may touch, and of a plain
 * folder the only one that is read. Here it is text; run/scope.h looks at the folder itself. */
#ifndef VH_SCOPE_H
#define VH_SCOPE_H

#include <stdbool.h>

#include "base/arena.h"
#include <viv/status.h>

/* The one spelling of a scope: no "." and no "/" at its ends or twice. Empty is no scope.
 * VIV_E_INVALID names what was found and what is allowed: absolute, "..", not UTF-8, control
 * characters, the whole target. VIV_E_LIMIT: too long. */
viv_status vh_scope_read(struct vh_arena *arena, struct viv_str text, struct viv_str *ret_scope, struct viv_error *err);

/* Whether `path`, relative to the target's root, lies in the scope; the scope itself does not: a
 * file in its place would be no part of it. Without a scope every path does. */
bool vh_scope_holds(struct viv_str scope, struct viv_str path);

#endif

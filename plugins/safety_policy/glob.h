/* SPDX-License-Identifier: Apache-2.0 */
/* Path patterns of a policy. `*` is any bytes but '/', `?` one byte but '/', `**` any bytes, `**`
 * and a slash also nothing; everything else is itself. A pattern without '/' matches a name at any
 * depth, one with '/' begins at the root. What matches a folder matches everything below it. Time
 * is bounded by the product of both lengths. */
#ifndef SAFETY_POLICY_GLOB_H
#define SAFETY_POLICY_GLOB_H

#include <viv/viv.h>

#define GLOB_MAX 512

/* Whether it can be a pattern: 1 to GLOB_MAX bytes, relative, no "..", no NUL. */
uint32_t glob_is_valid(struct viv_str pattern);

/* Whether a valid pattern matches a normalised path. An invalid pattern matches everything when
 * asked by a deny list, so callers check with glob_is_valid() first. */
uint32_t glob_match(struct viv_str pattern, struct viv_str path);

#endif

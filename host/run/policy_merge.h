/* SPDX-License-Identifier: Apache-2.0 */
/* One policy out of the user's and the project's, for what the host itself reads. The safety plugin gets both layers as
 * they are and narrows by rules of its own. */
#ifndef VH_POLICY_MERGE_H
#define VH_POLICY_MERGE_H

#include "base/json.h"

/* When no policy names a threshold the core asks for this. */
#define VH_POLICY_THRESHOLD_PERMILLE 500

/* When no policy names network.bytes: what the commands of a stage may receive and send. The safety plugin has the
 * same. */
#define VH_POLICY_NETWORK_BYTES INT64_C(104857600)

/* A trusted project's values count over the user's, but for network.bytes, of which the smaller one does; lists are
 * added, but for routing.allow, of which what both name stays. */
void vh_policy_merge_trusted(struct vh_arena *arena, struct vh_json *to, const struct vh_json *from);

/* A project nobody has trusted only narrows: limits and network.bytes fall, routing.allow loses models, the critic gets
 * stricter, uncommitted work stays unseen. A limit that the user's policy does not name has a default that is not known
 * here; the project's goes to "ceilings", which whoever applies the default takes the lesser of. All else it says does
 * nothing yet. */
void vh_policy_merge_narrowing(struct vh_arena *arena, struct vh_json *to, const struct vh_json *from);

#endif

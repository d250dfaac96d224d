/* SPDX-License-Identifier: Apache-2.0 */
/* "HOST:PORT", as policies allow and requests ask for what may be reached: one spelling for one thing, so that texts
 * can be compared. HOST is a name in lower case, an IPv4 address, or an IPv6 address in brackets; a rule may begin with
 * "*." and then means every name below. Nothing here resolves: who dials checks the address. */
#ifndef VIV_KIT_HOST_H
#define VIV_KIT_HOST_H

#include <viv/viv.h>

#define VIV_KIT_HOST_MAX 259 /* bytes of an entry: a name of 253, ':' and five digits */

/* NULL, or what is wrong with an entry, as words that follow it: "has no port". `rule`: it may begin with "*.". */
const char *viv_kit_host_fault(struct viv_str entry, uint32_t rule);

/* Whether all that `entry` names is named by `rule`; both are without fault. */
uint32_t viv_kit_host_covers(struct viv_str rule, struct viv_str entry);

#endif

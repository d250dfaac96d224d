/* SPDX-License-Identifier: Apache-2.0 */
/* Between bad.c and lies.c. */
#ifndef TIER1_BAD_H
#define TIER1_BAD_H

#include <kit.h>
#include <viv/iface/critic.h>
#include <viv/iface/gate.h>
#include <viv/iface/skill.h>
#include <viv/viv.h>

/* Speak to the host past the runner's own code. VIV_OK when `word` is none of its lies. */
viv_status lie(struct viv_str word, struct viv_call *call, const struct viv_skill_run_request *request,
               struct viv_error *err);

#endif

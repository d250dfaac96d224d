/* SPDX-License-Identifier: Apache-2.0 */
/* A skill, right in every point: a skill never enters the host's process. */
#include <string.h>
#include <viv/iface/skill.h>
#include <viv/plugin.h>
#include FAULT_MANIFEST

static viv_status
run(void *self, struct viv_call *call, const struct viv_skill_run_request *request,
    struct viv_skill_run_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    (void)call;
    (void)request;
    (void)err;
    ret_answer->output_json = (struct viv_str){ "{\"count\":1}", 11 };
    return VIV_OK;
}

static const struct viv_skill table = { .size = (uint32_t)sizeof(struct viv_skill), .rev = 1, .run = run };
static const struct viv_offer offers[] = { { VIV_IFACE_SKILL, &table } };
static const struct viv_plugin plugin = { VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1 };

VIV_EXPORT const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    (void)offer;
    (void)ret_refusal;
    return &plugin;
}

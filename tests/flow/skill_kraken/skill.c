/* SPDX-License-Identifier: Apache-2.0 */
/* A skill that serves well or fails in service, as its request says: it crashes, leaves, breaks its schema, asks for
 * what it has no grant for, or crashes after it has written half of its work. For test_skills.sh. */
#include "flow_kraken_manifest.h"
#include "kit.h"

#include <unistd.h>
#include <viv/iface/skill.h>

static viv_status
ask(const struct viv_kit_lent *lent, struct viv_call *call, uint32_t kind, const char *path, struct viv_error *err)
{
    struct viv_effect_outcome outcome = { .size = sizeof outcome, .rev = 1 };
    struct viv_effect_request request = { .size = sizeof request, .rev = 1, .kind = kind };
    request.path = (struct viv_str){ path, __builtin_strlen(path) };
    request.bytes = (struct viv_str){ "half\n", 5 };
    return lent->effects->perform(lent->effects, call, &request, &outcome, err);
}

static viv_status
run(void *self, struct viv_call *call, const struct viv_skill_run_request *request,
    struct viv_skill_run_answer *ret_answer, struct viv_error *err)
{
    const struct viv_kit_lent *lent = self;
    struct viv_str deed = viv_kit_text(VIV_KIT_VALUES(request), "deed", "");
    if (viv_kit_is(deed, "crash"))
        __builtin_trap();
    if (viv_kit_is(deed, "leave"))
        _exit(0);
    if (viv_kit_is(deed, "lie")) {
        ret_answer->output_json = (struct viv_str){ "{\"arms\":\"many\"}", 15 };
        return VIV_OK;
    }
    if (viv_kit_is(deed, "overreach"))
        return ask(lent, call, VIV_EFFECT_DELETE, "one.txt", err);
    viv_status status = ask(lent, call, VIV_EFFECT_WRITE, "kraken.txt", err);
    if (viv_kit_is(deed, "tear"))
        __builtin_trap();
    ret_answer->output_json = (struct viv_str){ "{\"arms\":8}", 10 };
    return status;
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)config;
    return viv_kit_lent_create(host, VIV_KIT_EFFECTS, ret_self, err);
}

static const struct viv_skill skill = { .size = sizeof skill, .rev = 1, .run = run };
static const struct viv_offer offers[] = { { VIV_IFACE_SKILL, &skill } };
static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = viv_kit_lent_destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}

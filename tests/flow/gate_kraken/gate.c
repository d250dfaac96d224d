/* SPDX-License-Identifier: Apache-2.0 */
/* A gate that nobody signed and that does as the first word of the goal says: it answers well, breaks in every way a
 * gate can break, or asks for what it has no grant for. For test_gate_outside.sh. */
#include "flow_gate_kraken_manifest.h"
#include "kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <viv/iface/gate.h>

#define TEXT(text) ((struct viv_str){ text, sizeof text - 1 })

static viv_status
ask(void *self, struct viv_call *call, uint32_t kind, struct viv_str path, struct viv_str spec, struct viv_error *err)
{
    const struct viv_kit_lent *lent = self;
    struct viv_effect_outcome outcome = { .size = sizeof outcome, .rev = 1 };
    struct viv_effect_request request = { .size = sizeof request, .rev = 1, .kind = kind, .path = path,
                                          .bytes = path, .spec_json = spec };
    return lent->effects->perform(lent->effects, call, &request, &outcome, err);
}

/* What ends its process, one way or another. */
static void
misbehave(struct viv_str deed)
{
    if (viv_kit_is(deed, "crash"))
        __builtin_trap();
    if (viv_kit_is(deed, "leave"))
        _exit(0);
    if (viv_kit_is(deed, "fork"))
        (void)fork();
    if (viv_kit_is(deed, "open"))
        (void)open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    if (viv_kit_is(deed, "hang")) {
        for (volatile unsigned i = 0;; i++) {
        }
    }
}

static viv_status
check(void *self, struct viv_call *call, const struct viv_gate_check_request *request,
      struct viv_gate_check_answer *ret_answer, struct viv_error *err)
{
    struct viv_str deed = call->task->goal;
    const char *blank = deed.len ? __builtin_memchr(deed.data, ' ', deed.len) : NULL;
    deed.len = blank ? (uint64_t)(blank - deed.data) : deed.len;
    misbehave(deed);
    ret_answer->tree = request->tree;
    ret_answer->outcome = VIV_GATE_PASSED;
    ret_answer->findings_json = TEXT("[]");
    if (viv_kit_is(deed, "fail")) {
        ret_answer->outcome = VIV_GATE_FAILED;
        ret_answer->findings_json = TEXT("[{\"text\":\"the kraken does not like it\"}]");
    }
    if (viv_kit_is(deed, "beyond"))
        ret_answer->outcome = 99;
    if (viv_kit_is(deed, "lie"))
        ret_answer->tree = TEXT("4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    if (viv_kit_is(deed, "overreach"))
        return ask(self, call, VIV_EFFECT_WRITE, TEXT("kraken.txt"), TEXT(""), err);
    if (viv_kit_is(deed, "read"))
        return ask(self, call, VIV_EFFECT_READ, TEXT("two.txt"), TEXT(""), err);
    if (viv_kit_is(deed, "count"))
        return ask(self, call, VIV_EFFECT_EXEC, TEXT(""), TEXT("{\"stages\":[{\"argv\":[\"seq\",\"3\"]}]}"), err);
    if (viv_kit_is(deed, "refuse")) {
        snprintf(err->text, sizeof err->text, "the moon is not full");
        return VIV_E_INVALID;
    }
    return VIV_OK;
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)config;
    return viv_kit_lent_create(host, VIV_KIT_EFFECTS, ret_self, err);
}

static const struct viv_gate gate = { .size = sizeof gate, .rev = 1, .check = check };
static const struct viv_offer offers[] = { { VIV_IFACE_GATE, &gate } };
static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = viv_kit_lent_destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}

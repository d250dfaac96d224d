/* SPDX-License-Identifier: Apache-2.0 */
/* Models by OpenAI's chat completions. State: settings and services, so a call depends on its request alone. How the
 * wire is written is in chat_write.c, how it is read in chat_read.c; the exchange itself is plugins/model_wire. */
#include <entry.h>

#include "chat.h"
#include "model_openai_manifest.h"

static const struct wire_dialect dialect = {
    .path = "/chat/completions",
    .secret_header = "authorization",
    .secret_prefix = "Bearer ",
    .write = chat_write,
    .event = chat_event,
    .whole = chat_whole,
};

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    const struct model_openai_config *settings = config;
    struct wire_plugin plugin = {
        .dialect = &dialect,
        .config = config,
        .first_byte_ns = settings->first_byte_ns,
        .idle_ns = settings->idle_ns,
    };
    return wire_create(host, &plugin, ret_self, err);
}

static const struct viv_model model = {
    .size = (uint32_t)sizeof model, .rev = 1, .bound = wire_bound, .complete = wire_complete
};

static const struct viv_offer offers[] = { { VIV_IFACE_MODEL, &model } };

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = wire_destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}

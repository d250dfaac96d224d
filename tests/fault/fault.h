/* SPDX-License-Identifier: Apache-2.0 */
/* A whole small critic, right in every point. Each file beside this one defines what it does wrong and includes it;
 * good.c defines nothing. Built by CMakeLists.txt with the flags of a real plugin, but for the one at fault. */
#ifndef FAULT_H
#define FAULT_H

#include <string.h>
#include <viv/iface/critic.h>
#include <viv/plugin.h>
#include FAULT_MANIFEST
#include "fault_probe.h"

#ifndef FAULT_ID
#define FAULT_ID VIV_MANIFEST_ID
#endif
#ifndef FAULT_VERSION
#define FAULT_VERSION VIV_MANIFEST_VERSION
#endif
#ifndef FAULT_MAGIC
#define FAULT_MAGIC VIV_PLUGIN_MAGIC
#endif
#ifndef FAULT_MAJOR
#define FAULT_MAJOR VIV_ABI_MAJOR
#endif
#ifndef FAULT_SIZE
#define FAULT_SIZE sizeof(struct viv_plugin)
#endif
#ifndef FAULT_TABLE_SIZE
#define FAULT_TABLE_SIZE sizeof(struct viv_critic)
#endif
#ifndef FAULT_REVIEW
#define FAULT_REVIEW review
#endif
#ifndef FAULT_INTERFACE
#define FAULT_INTERFACE VIV_IFACE_CRITIC
#endif
#ifndef FAULT_CREATE
#define FAULT_CREATE create
#endif
#ifndef FAULT_ENTRY
#define FAULT_ENTRY return &plugin.descriptor
#endif
#ifndef FAULT_ENTRY_NAME
#define FAULT_ENTRY_NAME viv_plugin_entry
#endif

static inline viv_status
review(void *self, struct viv_call *call, const struct viv_critic_review_request *request,
       struct viv_critic_review_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    (void)call;
    (void)request;
    (void)err;
    ret_answer->score_permille = 700;
    return VIV_OK;
}

static inline viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)err;
    struct fault_probe *probe = host->host_data;
    if (probe) {
        probe->created++;
        probe->config = config;
    }
    *ret_self = probe;
    return VIV_OK;
}

static inline viv_status
create_fails(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)host;
    (void)config;
    (void)ret_self;
    memcpy(err->text, "the moon is not full", sizeof "the moon is not full");
    return VIV_E_UNAVAILABLE;
}

static inline void
destroy(void *self)
{
    struct fault_probe *probe = self;
    if (probe) {
        probe->destroyed++;
    }
}

static const struct viv_critic critic = {
    .size = (uint32_t)FAULT_TABLE_SIZE,
    .rev = 1,
    .review = FAULT_REVIEW,
};
static const struct viv_offer offers[] = { { FAULT_INTERFACE, &critic } };

/* `newer` is what a descriptor of a later revision would bring: bytes this host does not know. */
struct descriptor {
    struct viv_plugin descriptor;
    uint64_t newer[4];
};

static const struct descriptor plugin = {
    .descriptor = { .size = (uint32_t)FAULT_SIZE,
                    .rev = 1,
                    .magic = FAULT_MAGIC,
                    .abi_major = FAULT_MAJOR,
                    .abi_minor = VIV_ABI_MINOR,
                    .id = FAULT_ID,
                    .version = FAULT_VERSION,
                    .offers = offers,
                    .offer_count = 1,
                    .offer_stride = (uint32_t)sizeof(struct viv_offer),
                    .options = FAULT_OPTIONS,
                    .option_count = sizeof FAULT_OPTIONS / sizeof *FAULT_OPTIONS - 1,
                    .option_stride = (uint32_t)sizeof(struct viv_option),
                    .defaults = &FAULT_DEFAULTS,
                    .config_size = sizeof FAULT_DEFAULTS,
                    .create = FAULT_CREATE,
                    .destroy = destroy },
    .newer = { 0x6e65776572, 1, 2, 3 },
};

VIV_EXPORT const struct viv_plugin *
FAULT_ENTRY_NAME(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    (void)offer;
    (void)ret_refusal;
    FAULT_ENTRY;
}

#endif

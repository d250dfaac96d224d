/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin is: one exported function that returns one constant descriptor. */
#ifndef VIV_PLUGIN_H
#define VIV_PLUGIN_H

#include <viv/host.h>
#include <viv/limits.h>
#include <viv/options.h>

VIV_BEGIN

/* One interface a plugin offers: its id and its table. Headless and frozen for ever. */
struct viv_offer {
    const char *interface_id; /* "viv.gate/1" */
    const void *table;
};

/* The descriptor. Constant data; its texts and tables live as long as the plugin is mapped. */
struct viv_plugin {
    uint32_t size;
    uint32_t rev;
    uint64_t magic;     /* VIV_PLUGIN_MAGIC */
    uint32_t abi_major; /* VIV_ABI_MAJOR it was built with */
    uint32_t abi_minor;
    const char *id;      /* must equal the manifest's */
    const char *version; /* must equal the manifest's */
    const struct viv_offer *offers;
    uint32_t offer_count;
    uint32_t offer_stride; /* sizeof(struct viv_offer) it was built with */
    const struct viv_option *options;
    uint32_t option_count;
    uint32_t option_stride;
    const void *defaults; /* config struct filled with the manifest's defaults */
    uint64_t config_size;

    /* Begin a life: take settings, acquire services.
     *
     * thread:  [main]
     * borrows: `host` and `config`, until destroy() returns
     * gives:   `ret_self`, passed to every method; may be NULL
     * fails:   any status; the plugin is then not used and `err` is shown to the operator
     * why:     the entry itself may do nothing
     * since:   1.0
     */
    viv_status(VIV_CALL *create)(const struct viv_host *host, const void *config, void **ret_self,
                                 struct viv_error *err);

    /* End a life.
     *
     * thread:  [main] no method is running
     * borrows: `self`
     * gives:   nothing
     * fails:   never
     * why:     what create() began
     * since:   1.0
     */
    void(VIV_CALL *destroy)(void *self);
};

/* Why an entry refuses. Filled by the plugin; both values and the cure in one line. */
struct viv_refusal {
    uint32_t size;
    uint32_t rev;
    viv_status status;
    uint32_t reserved;
    char text[240];
};

/* What the host offers to the entry. */
struct viv_host_offer {
    uint32_t size;
    uint32_t rev;
    uint32_t abi_major;
    uint32_t abi_minor;
};

typedef const struct viv_plugin *(VIV_CALL *viv_plugin_entry_fn)(const struct viv_host_offer *offer,
                                                                 struct viv_refusal *ret_refusal);

/* The one exported symbol. Returns the descriptor, or NULL with `ret_refusal` filled. Nothing else may
 * happen here: work starts in create(). */
VIV_EXPORT const struct viv_plugin *viv_plugin_entry(const struct viv_host_offer *offer,
                                                     struct viv_refusal *ret_refusal);

#define VIV_PLUGIN_HEAD                                                                            \
    .size = (uint32_t)sizeof(struct viv_plugin), .rev = 1, .magic = VIV_PLUGIN_MAGIC,              \
    .abi_major = VIV_ABI_MAJOR, .abi_minor = VIV_ABI_MINOR,                                        \
    .offer_stride = (uint32_t)sizeof(struct viv_offer),                                            \
    .option_stride = (uint32_t)sizeof(struct viv_option)

VIV_STATIC_ASSERT(sizeof(struct viv_plugin) == 104, "layout of viv_plugin, revision 1");
VIV_STATIC_ASSERT(sizeof(struct viv_refusal) == 256, "layout of viv_refusal, revision 1");
VIV_STATIC_ASSERT(sizeof(struct viv_offer) == 16, "viv_offer is frozen");

VIV_END

#endif

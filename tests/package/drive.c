/* SPDX-License-Identifier: Apache-2.0 */
/* A host of forty lines for the plugin of docs/write-a-plugin.md: one file exists, one does not, one cannot be read.
 * Prints the verdicts; any surprise ends with 1. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <viv/iface/gate.h>
#include <viv/viv.h>

static viv_status answer_next;

static viv_status
perform(const struct viv_effects *effects, struct viv_call *call, const struct viv_effect_request *request,
        struct viv_effect_outcome *ret_outcome, struct viv_error *err)
{
    (void)effects;
    (void)call;
    (void)ret_outcome;
    (void)err;
    struct viv_str path = request->path;
    int asked_well = request->kind == VIV_EFFECT_READ && path.len == 12 && !memcmp(path.data, "CHANGELOG.md", 12);
    return asked_well ? answer_next : VIV_E_INTERNAL;
}

static const struct viv_effects effects = { (uint32_t)sizeof effects, 1, NULL, perform };

static viv_status
acquire(const struct viv_host *host, const char *service_id, const void **ret_table, struct viv_error *err)
{
    (void)host;
    (void)err;
    *ret_table = &effects;
    return strcmp(service_id, VIV_SERVICE_EFFECT) == 0 ? VIV_OK : VIV_E_DENIED;
}

static int
verdict(const struct viv_gate *gate, void *self, viv_status next, viv_status status, uint32_t outcome)
{
    struct viv_call call = { .size = (uint32_t)sizeof call, .rev = 1, .root_fd = -1 };
    struct viv_gate_check_request request = { .size = (uint32_t)sizeof request, .rev = 1, .tree = { "t", 1 } };
    struct viv_gate_check_answer answer = { .size = (uint32_t)sizeof answer, .rev = 1 };
    struct viv_error err = VIV_ERROR_INIT;
    answer_next = next;
    return gate->check(self, &call, &request, &answer, &err) == status && answer.outcome == outcome;
}

int
main(int argc, char **argv)
{
    void *module = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    viv_plugin_entry_fn entry = NULL;
    if (module) {
        *(void **)&entry = dlsym(module, "viv_plugin_entry");
    }
    if (!entry) {
        fprintf(stderr, "cannot load '%s'\n", argc == 2 ? argv[1] : "");
        return 1;
    }
    const struct viv_host host = { (uint32_t)sizeof host, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR, NULL, acquire };
    const struct viv_host_offer offer = { (uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR };
    struct viv_refusal refusal = { .size = (uint32_t)sizeof refusal, .rev = 1 };
    struct viv_error err = VIV_ERROR_INIT;
    const struct viv_plugin *plugin = entry(&offer, &refusal);
    void *self = NULL;
    if (!plugin || plugin->magic != VIV_PLUGIN_MAGIC || plugin->offer_count != 1 ||
        plugin->create(&host, plugin->defaults, &self, &err) != VIV_OK) {
        return 1;
    }
    const struct viv_gate *gate = plugin->offers[0].table;
    int good = strcmp(plugin->offers[0].interface_id, VIV_IFACE_GATE) == 0 &&
               verdict(gate, self, VIV_OK, VIV_OK, VIV_GATE_PASSED) &&
               verdict(gate, self, VIV_E_NOT_FOUND, VIV_OK, VIV_GATE_FAILED) &&
               verdict(gate, self, VIV_E_DENIED, VIV_E_DENIED, VIV_GATE_INCONCLUSIVE);
    plugin->destroy(self);
    printf("%s %s: %s\n", plugin->id, plugin->version, good ? "passed, failed, inconclusive" : "wrong verdicts");
    return good ? 0 : 1;
}

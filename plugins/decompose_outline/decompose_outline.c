/* SPDX-License-Identifier: Apache-2.0 */
/* Captures the intent of a request by a small grammar of whole words, and keeps every task one
 * task. The words are cut in words.c, the grammar is markers.c, the rules outline.c, the document
 * intent.c. State: the settings alone. */
#include <entry.h>
#include <jansson.h>
#include <stdlib.h>
#include <tree.h>
#include <viv/iface/decompose.h>

#include "decompose_outline_manifest.h"
#include "intent.h"

struct decomposer {
    const struct decompose_outline_config *config;
};

static viv_status
read_hints(struct viv_str text, json_t **ret_hints, struct viv_error *err)
{
    static const struct viv_str none = {"{}", 2};
    return viv_tree_read(text.len > 0 ? text : none, "hints_json", ret_hints, err);
}

static viv_status
answer(struct viv_call *call, const struct outline *outline, struct viv_str goal,
       int64_t unclear_below, struct viv_decompose_capture_answer *ret_answer,
       struct viv_error *err)
{
    uint32_t failed = 0;
    struct viv_str intent = {NULL, 0};
    struct viv_str questions = {NULL, 0};
    json_t *document = intent_document(outline, goal, &failed);
    json_t *list = intent_questions(outline, &failed);
    viv_status status = viv_tree_write(call, document, failed, &intent, err);
    status = status ? status : viv_tree_write(call, list, failed, &questions, err);
    json_decref(document);
    json_decref(list);
    if (status == VIV_OK) {
        ret_answer->confidence_permille = outline->confidence_permille;
        ret_answer->unclear = outline->asks != 0 || outline->confidence_permille < unclear_below;
        ret_answer->intent_json = intent;
        ret_answer->questions_json = questions;
    }
    return status;
}

static viv_status
capture(void *self, struct viv_call *call, const struct viv_decompose_capture_request *request,
        struct viv_decompose_capture_answer *ret_answer, struct viv_error *err)
{
    const struct decomposer *decomposer = self;
    struct words words = {NULL, 0, 0};
    json_t *hints = NULL;
    struct outline *outline = call->alloc(call, sizeof *outline);
    if (!outline) {
        return viv_tree_fail(err, VIV_E_MEMORY, "goal",
                             "the outline does not fit into the call's memory");
    }
    viv_status status = words_split(call, request->goal, &words, err);
    status = status ? status : read_hints(request->hints_json, &hints, err);
    if (status == VIV_OK) {
        uint32_t with_command = intent_has_command(hints);
        outline_read(&words, with_command, outline);
        status = intent_hints(hints, outline, err);
        outline_finish(&words, with_command, outline);
    }
    if (status == VIV_OK) {
        status = answer(call, outline, request->goal, decomposer->config->unclear_below, ret_answer,
                        err);
    }
    json_decref(hints);
    return status;
}

static viv_status
plan(void *self, struct viv_call *call, const struct viv_decompose_plan_request *request,
     struct viv_decompose_plan_answer *ret_answer, struct viv_error *err)
{
    (void)self;
    (void)call;
    json_t *intent = NULL;
    viv_status status = viv_tree_read(request->intent_json, "intent_json", &intent, err);
    json_decref(intent);
    if (status != VIV_OK) {
        return status;
    }
    ret_answer->atomic = 1;
    ret_answer->plan_json = (struct viv_str){NULL, 0};
    return VIV_OK;
}

static viv_status
create(const struct viv_host *host, const void *config, void **ret_self, struct viv_error *err)
{
    (void)host;
    struct decomposer *decomposer = malloc(sizeof *decomposer);
    if (!decomposer) {
        return viv_tree_fail(err, VIV_E_MEMORY, "create", "no memory for the plugin's state");
    }
    decomposer->config = config;
    *ret_self = decomposer;
    return VIV_OK;
}

static void
destroy(void *self)
{
    free(self);
}

static const struct viv_decompose decompose = {
    .size = (uint32_t)sizeof decompose, .rev = 1, .capture = capture, .plan = plan};

static const struct viv_offer offers[] = {{VIV_IFACE_DECOMPOSE, &decompose}};

static const struct viv_plugin plugin = {
    VIV_MANIFEST_PLUGIN, .offers = offers, .offer_count = 1, .create = create, .destroy = destroy,
};

const struct viv_plugin *
viv_plugin_entry(const struct viv_host_offer *offer, struct viv_refusal *ret_refusal)
{
    return viv_kit_entry(&plugin, offer, ret_refusal);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "lend/lend.h"
#include "run/effect.h"
#include "run/egress.h"
#include "run/runner_inside.h"
#include <viv_interfaces.h>

#define LIMIT_NS INT64_C(60000000000)

/* Requests and answers start with size and revision, whatever the method. */
struct head {
    uint32_t size;
    uint32_t rev;
};

static viv_method_fn
method_of(const void *table, const struct viv_method *method)
{
    viv_method_fn function;
    memcpy(&function, (const char *)table + method->slot, sizeof function);
    return function;
}

void
vh_guard_task(const struct vh_work *work, struct viv_task *ret_task)
{
    const struct vh_task *row = &work->ask.task;
    *ret_task = (struct viv_task){
        .size = (uint32_t)sizeof *ret_task,
        .rev = 1,
        .id = row->id,
        .goal = row->goal,
        .intent_json = row->intent,
        .target = vh_str(vh_run_place(work->run, work->arena, row->target)),
        .base_tree = row->base_tree,
        .feedback_json = row->feedback,
        .attempt = (uint32_t)row->attempt,
    };
}

static viv_status
blame(const struct vh_guard_call *call, const struct viv_interface *interface, const struct viv_method *method,
      viv_status status, struct viv_error *err)
{
    return vh_error_extend(err, status, "plugin '%s', %s %s", call->plugin->id, interface->id, method->name);
}

viv_status
vh_guard_call(struct vh_work *work, const struct vh_guard_call *call, void *ret_answer, struct viv_error *err)
{
    const struct viv_interface *interface = &viv_interfaces[call->interface];
    const struct viv_method *method = &interface->methods[call->method];
    const void *table = call->plugin ? vh_plugin_table(call->plugin, call->interface) : NULL;
    struct vh_arena *arena = vh_arena_create(work->arena, VIV_CALL_ARENA_MAX);
    uint64_t lacks = vh_arena_lacks();
    work->lacked = !arena;
    if (!table || !arena) {
        return table ? vh_error_set(err, VIV_E_MEMORY, "plugin", "no memory for a call")
                     : vh_error_set(err, VIV_E_UNAVAILABLE, "plugin", "no plugin offers %s; 'vivhost plugin list' "
                                    "shows what is loaded", interface->id);
    }
    const struct vh_seam *seam = work->run->seam;
    /* An opinion takes one call at a time on one `self`. Who works by effects takes any number: an executor runs for
     * as long as its task does, a model for as long as its provider. The time of waiting is not the plugin's. */
    pthread_mutex_t *entry = call->effects || call->http ? NULL : call->plugin->entry;
    if (entry) {
        pthread_mutex_lock(entry);
    }
    int64_t deadline_ns = seam->monotonic_ns(seam->data) + (call->limit_ns ? call->limit_ns : LIMIT_NS);
    struct viv_task task;
    if (call->effects) {
        vh_run_keep(work);
    }
    vh_guard_task(work, &task);
    struct vh_effect_origin origin = { .work = work, .plugin = vh_str(call->plugin->id), .by_policy = call->by_policy };
    struct vh_lend_call lent = {
        .arena = arena,
        .seam = seam,
        .cancel = work->cancel,
        .now_us = work->ask.task.expires_us - VH_STEP_LEASE_US, /* recorded: when the task was claimed */
        .perform = call->effects ? vh_effect_perform : NULL,
        .perform_data = &origin,
        .exchange = call->http && call->interface == VIV_INDEX_MODEL ? vh_egress_lend : NULL,
        .exchange_data = call->http,
    };
    vh_lend_call_init(&lent, deadline_ns, task.id, &task);
    ((struct head *)ret_answer)->size = method->answer_size;
    ((struct head *)ret_answer)->rev = 1;
    struct viv_error said = VIV_ERROR_INIT;
    viv_status status = method_of(table, method)(call->plugin->self, &lent.call, call->request, ret_answer, &said);
    bool late = seam->monotonic_ns(seam->data) > deadline_ns;
    work->lacked = vh_arena_lacks() != lacks;
    if (entry) {
        pthread_mutex_unlock(entry);
    }
    if (status) {
        status = status < 0 && status >= VIV_STATUS_LAST ? status : VIV_E_PLUGIN;
        said.text[sizeof said.text - 1] = '\0';
        struct viv_str text = vh_run_clean(arena, vh_str(said.text), 400);
        text = text.len ? text : vh_str(vh_status_text(status)); /* it said nothing, or there is no memory for it */
        vh_error_set(err, status, "plugin", "%.*s", VH_STR_ARGS(text));
        return blame(call, interface, method, status, err);
    }
    if (late) {
        vh_error_set(err, VIV_E_TIMEOUT, "plugin", "the answer came after its deadline");
        return blame(call, interface, method, VIV_E_TIMEOUT, err);
    }
    status = vh_runner_check(method, ret_answer, err);
    return status ? blame(call, interface, method, status, err) : VIV_OK;
}

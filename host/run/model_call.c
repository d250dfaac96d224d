/* SPDX-License-Identifier: Apache-2.0 */
#include "model_call.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "run/egress.h"
#include "run/guard.h"

viv_status
vh_model_host(const struct vh_model *model, struct vh_arena *arena, const char **ret_host_port, const char **ret_rule,
              struct viv_error *err)
{
    static const struct viv_str http = { "http://", 7 }, https = { "https://", 8 };
    bool plain = model->base_url.len > http.len && memcmp(model->base_url.data, http.data, http.len) == 0;
    uint64_t at = plain ? http.len : https.len;
    if (model->base_url.len <= at || (!plain && memcmp(model->base_url.data, https.data, https.len) != 0)) {
        return vh_error_set(err, VIV_E_INVALID, "model", "base_url of model '%.*s' is '%.*s', allowed: http:// or "
                            "https:// and a host", VH_STR_ARGS(model->name), VH_STR_ARGS(model->base_url));
    }
    struct viv_str rest = { model->base_url.data + at, model->base_url.len - at };
    const char *slash = memchr(rest.data, '/', (size_t)rest.len);
    struct viv_str host = { rest.data, slash ? (uint64_t)(slash - rest.data) : rest.len };
    const char *end = memchr(host.data, ']', (size_t)host.len); /* of an IPv6 address */
    const char *colon = end ? (end + 1 < host.data + host.len && end[1] == ':' ? end + 1 : NULL)
                            : memchr(host.data, ':', (size_t)host.len);
    *ret_host_port = vh_arena_format(arena, "%.*s%s", VH_STR_ARGS(host), colon ? "" : plain ? ":80" : ":443");
    *ret_rule = *ret_host_port && plain ? vh_arena_format(arena, "http://%s", *ret_host_port) : *ret_host_port;
    return *ret_rule ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "model", "no memory for a host's name");
}

viv_status
vh_model_plugin(const struct vh_run *run, const struct vh_model *model, const struct vh_plugin **ret_plugin,
                struct viv_error *err)
{
    for (uint32_t i = 0; i < run->plugins.model_count; i++) {
        if (vh_str_is(model->plugin, run->plugins.models[i]->id)) {
            *ret_plugin = run->plugins.models[i];
            return VIV_OK;
        }
    }
    return vh_error_set(err, VIV_E_UNAVAILABLE, "model", "model '%.*s' is spoken to by plugin '%.*s', which this host "
                        "has not loaded; 'vivhost plugin list' shows what there is, a new one needs a new start",
                        VH_STR_ARGS(model->name), VH_STR_ARGS(model->plugin));
}

/* ---- the key ---- */

struct giving {
    struct vh_egress *egress;
    struct viv_str name, host_port;
};

static viv_status
give(void *data, struct viv_str value, struct viv_error *err)
{
    const struct giving *giving = data;
    return vh_egress_secret(giving->egress, giving->name, value, giving->host_port, err);
}

static const struct vh_json *
source_of(const struct vh_run_policy *policy, struct viv_str name)
{
    const struct vh_json *secrets = vh_run_setting(policy, "secrets");
    for (const struct vh_json *s = secrets ? secrets->child : NULL; s; s = s->next) {
        if (vh_str_equal(s->key, name)) {
            return s;
        }
    }
    return NULL;
}

viv_status
vh_model_secret(struct vh_work *work, const struct vh_model *model, struct viv_error *err)
{
    if (model->secret.len == 0) {
        return VIV_OK;
    }
    struct vh_secrets *secrets = &work->run->models->secrets;
    const struct vh_json *source = source_of(work->policy, model->secret);
    struct viv_str file = vh_json_str(source, "file");
    const char *host_port = NULL, *rule = NULL;
    char *path = file.len ? vh_arena_text_of(work->arena, file) : NULL;
    viv_status status = VIV_OK;
    if (!source) {
        status = vh_error_set(err, VIV_E_NOT_FOUND, "secret", "the policy has no secret '%.*s'",
                              VH_STR_ARGS(model->secret));
    } else if (file.len) { /* anew each time: keys change while the host lives */
        status = path ? vh_secrets_file(secrets, model->secret, path, err)
                      : vh_error_set(err, VIV_E_MEMORY, "secret", "no memory for a path");
    }
    if (status == VIV_OK) {
        status = vh_model_host(model, work->arena, &host_port, &rule, err);
    }
    struct giving giving = { work->run->egress, model->secret, vh_str(host_port ? host_port : "") };
    status = status ? status : vh_secrets_use(secrets, model->secret, give, &giving, err);
    bool lacking = status == VIV_E_NOT_FOUND || status == VIV_E_DENIED || status == VIV_E_INVALID ||
                   status == VIV_E_LIMIT; /* the key is: no task is to blame, it waits until there is one */
    return lacking ? vh_error_extend(err, VIV_E_UNAVAILABLE, "model '%.*s' has no key", VH_STR_ARGS(model->name))
                   : status;
}

/* ---- the call ---- */

viv_status
vh_model_bound(struct vh_work *work, const struct vh_plugin *plugin, struct viv_str request_json,
               struct viv_model_bound_answer *ret_answer, struct viv_error *err)
{
    struct viv_model_bound_request request = {
        .size = (uint32_t)sizeof request, .rev = 1, .request_json = request_json };
    struct vh_guard_call call = { .plugin = plugin,
                                  .interface = VIV_INDEX_MODEL,
                                  .method = VIV_METHOD_MODEL_BOUND,
                                  .request = &request };
    return vh_guard_call(work, &call, ret_answer, err);
}

viv_status
vh_model_complete(struct vh_work *work, const struct vh_model *model, const struct vh_plugin *plugin,
                  struct viv_str request_json, struct viv_model_complete_answer *ret_answer, struct viv_error *err)
{
    struct viv_model_complete_request request = {
        .size = (uint32_t)sizeof request, .rev = 1, .request_json = request_json };
    struct vh_json *allow = vh_json_array(work->arena);
    const char *host_port = NULL, *rule = NULL;
    viv_status status = vh_model_host(model, work->arena, &host_port, &rule, err);
    if (status) {
        return status;
    }
    vh_json_push(allow, vh_json_string(work->arena, vh_str(rule)));
    struct vh_egress_lent http = { work->run->egress, vh_json_print(work->arena, allow), work->cancel };
    struct vh_guard_call call = { .plugin = plugin,
                                  .interface = VIV_INDEX_MODEL,
                                  .method = VIV_METHOD_MODEL_COMPLETE,
                                  .request = &request,
                                  .limit_ns = model->time_ns,
                                  .http = &http };
    return http.allow_json.data ? vh_guard_call(work, &call, ret_answer, err)
                                : vh_error_set(err, VIV_E_MEMORY, "model", "no memory for a call");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins of tier 0 and the gates, which of them are loaded for what, and the policy that holds their settings. */
#include "app_inside.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "lend/lend.h"
#include "load/map.h"
#include "run/models.h"
#include "run/policy.h"
#include "run/runner_plan.h"
#include <viv_interfaces.h>

/* Settings of one plugin from the policy in force. */
static struct viv_str
settings_of(struct vh_app *app, const char *id)
{
    const struct vh_run_policy *policy = app->run.policy;
    const struct vh_json *plugins = policy ? vh_run_setting(policy, "plugins") : NULL;
    const struct vh_json *one = plugins ? vh_json_get(plugins, id) : NULL;
    const struct vh_json *options = one ? vh_json_get(one, "options") : NULL;
    return options ? vh_json_print(app->arena, options) : (struct viv_str){ NULL, 0 };
}

/* A user's plugin that came by other ways than installing may have a bundled one's id. */
static viv_status
inspect(struct vh_app *app, const struct vh_registry_entry *entry, struct vh_plugin_file *ret_file,
        struct viv_error *err)
{
    struct vh_run *run = &app->run;
    viv_status status = vh_registry_inspect(run->registry, app->arena, &run->rules, entry, ret_file, err);
    return status || !(entry->flags & VH_REGISTRY_USER) ? status : vh_registry_check_id(run->registry, ret_file, err);
}

static viv_status
load_file(struct vh_app *app, struct vh_plugin_set *set, const struct vh_plugin_file *file,
          const struct vh_plugin **ret_plugin, struct viv_error *err)
{
    struct vh_plugin *plugin = NULL;
    const struct vh_manifest *manifest = file->manifest;
    const struct viv_host *host = vh_lend_host(app->arena, manifest->id, manifest->services, manifest->service_count);
    if (!host) {
        return vh_error_set(err, VIV_E_MEMORY, "plugin", "no memory for a plugin");
    }
    viv_status status = vh_plugin_load(app->arena, file, host, settings_of(app, manifest->id), set, &plugin, err);
    *ret_plugin = plugin;
    return status;
}

/* One bad plugin of the user's store must not keep every project from starting: it is refused, and the walk goes on to
 * the version it hid. Of any other the failure is the start's. */
static viv_status
refuse(struct vh_app *app, const struct vh_registry_entry *entry, viv_status status, struct viv_error *err)
{
    if (!(entry->flags & VH_REGISTRY_USER) || status == VIV_OK || status == VIV_E_MEMORY) {
        return status;
    }
    vh_log(VH_LOG_WARNING, "plugin", "'%.*s' of your store is refused: %s", VH_STR_ARGS(entry->id), err->text);
    struct viv_error fault = *err;
    return vh_registry_refuse(app->run.registry, entry, fault.text, err);
}

/* What is looked for: any plugin of an interface, the one with this id, or an executor of tasks without a command. */
struct wanted {
    uint32_t interface;
    struct viv_str id;
    bool goals;
};

static bool
fits(const struct wanted *wanted, const struct vh_registry_entry *entry)
{
    return !(entry->flags & VH_REGISTRY_SKILL) && (!wanted->id.len || vh_str_equal(wanted->id, entry->id));
}

/* The one plugin that tier 0 may load: the highest version of the first id that is trusted. What is not signed never
 * runs in this process. */
static viv_status
load_for(struct vh_app *app, struct vh_plugin_set *set, const struct wanted *wanted,
         const struct vh_plugin **ret_plugin, struct viv_error *err)
{
    struct vh_registry_entry entry;
    uint32_t cursor = 0;
    const char *interface = viv_interfaces[wanted->interface].id;
    while (vh_registry_next(app->run.registry, wanted->interface, &cursor, &entry)) {
        struct vh_plugin_file file;
        if (!fits(wanted, &entry)) {
            continue;
        }
        viv_status status = inspect(app, &entry, &file, err);
        if (status == VIV_OK && file.manifest->goals != wanted->goals) {
            continue;
        }
        bool outside = status == VIV_OK && file.trust == VH_TRUST_UNSIGNED;
        if (status == VIV_OK && !outside) {
            status = load_file(app, set, &file, ret_plugin, err);
        }
        bool refused = status != VIV_OK;
        status = refuse(app, &entry, status, err);
        if (status || (!refused && !outside)) {
            return status;
        }
        if (refused) {
            continue;
        }
        vh_log(VH_LOG_WARNING, "plugin", "'%s' is not signed by you and not asked for %s; 'vivhost doctor' says more",
               file.manifest->id, interface);
    }
    return vh_error_set(err, VIV_E_UNAVAILABLE, "plugin", "no plugin %s%.*s%soffers %s; 'vivhost doctor' shows what is "
                        "missing", wanted->id.len ? "'" : "", VH_STR_ARGS(wanted->id), wanted->id.len ? "' " : "",
                        interface);
}

/* A gate that nobody answers for, or a skill's: its sealed bytes and who it is, for a runner. It can only hold work
 * back: passing gives no right, and what it asks to do is judged. */
static viv_status
plan_gate(struct vh_app *app, const struct vh_plugin_file *file, struct vh_run_gate *gate, struct viv_error *err)
{
    const struct vh_manifest *manifest = file->manifest;
    struct vh_runner_plan *plan = vh_arena_alloc(app->arena, sizeof *plan);
    struct vh_plugin *name = vh_arena_alloc(app->arena, sizeof *name);
    if (!plan || !name) {
        return vh_error_set(err, VIV_E_MEMORY, "plugin", "no memory for a plugin");
    }
    viv_status status =
        vh_runner_plan_fill(app->arena, file, settings_of(app, manifest->id), -1, plan, &gate->key, err);
    if (status == VIV_OK) {
        status = vh_map_seal(file->bytes.data, (size_t)file->bytes.len, manifest->id, &plan->plugin_fd, err);
    }
    if (status == VIV_OK) {
        *name = (struct vh_plugin){ .id = manifest->id, .version = manifest->version, .manifest = manifest };
        memcpy(name->digest_hex, file->digest_hex, sizeof name->digest_hex);
        gate->plugin = name;
        gate->plan = plan;
    }
    return status;
}

static viv_status
load_gates(struct vh_app *app, struct vh_plugin_set *set, struct viv_error *err)
{
    struct vh_run_plugins *plugins = &app->run.plugins;
    struct vh_registry_entry entry;
    uint32_t cursor = 0;
    viv_status status = VIV_OK;
    while (status == VIV_OK && vh_registry_next(app->run.registry, VIV_INDEX_GATE, &cursor, &entry)) {
        struct vh_plugin_file file;
        if (plugins->gate_count == VH_RUN_GATES_MAX) {
            return vh_error_set(err, VIV_E_LIMIT, "plugin", "more than %d gates are installed", VH_RUN_GATES_MAX);
        }
        struct vh_run_gate *gate = &plugins->gates[plugins->gate_count];
        status = inspect(app, &entry, &file, err);
        if (status == VIV_OK) {
            bool outside = file.trust == VH_TRUST_UNSIGNED || (entry.flags & VH_REGISTRY_SKILL);
            status = outside ? plan_gate(app, &file, gate, err) : load_file(app, set, &file, &gate->plugin, err);
        }
        plugins->gate_count += status == VIV_OK;
        status = refuse(app, &entry, status, err);
    }
    return status;
}

static bool
has_model(const struct vh_run_plugins *plugins, struct viv_str id)
{
    for (uint32_t i = 0; i < plugins->model_count; i++) {
        if (vh_str_is(id, plugins->models[i]->id)) {
            return true;
        }
    }
    return false;
}

/* What the policy's models are spoken to by, and who works with them. One that is not there keeps no other work from
 * being done: who asks for that model is told. */
static viv_status
load_models(struct vh_app *app, struct vh_plugin_set *set, struct viv_error *err)
{
    struct vh_run_plugins *plugins = &app->run.plugins;
    const struct vh_json *models = vh_run_setting(app->run.policy, "models");
    if (!vh_models_any(app->run.policy)) {
        return VIV_OK;
    }
    viv_status status = vh_app_models(app, err);
    if (status == VIV_OK && load_for(app, set, &(struct wanted){ .interface = VIV_INDEX_EXECUTOR, .goals = true },
                                     &plugins->goals, err)) {
        vh_log(VH_LOG_WARNING, "model", "%s", err->text);
    }
    for (const struct vh_json *m = models->child; m && status == VIV_OK; m = m->next) {
        const struct wanted wanted = { .interface = VIV_INDEX_MODEL, .id = vh_json_str(m, "plugin") };
        if (has_model(plugins, wanted.id) || plugins->model_count == VH_RUN_MODELS_MAX) {
            continue;
        }
        if (load_for(app, set, &wanted, &plugins->models[plugins->model_count], err)) {
            vh_log(VH_LOG_WARNING, "model", "model '%.*s' cannot be asked: %s", VH_STR_ARGS(m->key), err->text);
        } else {
            plugins->model_count++;
        }
    }
    return status;
}

/* Safety first: it compiles the policy that holds the settings of the others. */
viv_status
vh_app_load_plugins(struct vh_app *app, struct viv_error *err)
{
    struct vh_run_plugins *plugins = &app->run.plugins;
    struct vh_plugin_set *set = vh_arena_alloc(app->arena, sizeof *set);
    if (!set) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    viv_status status = load_for(app, set, &(struct wanted){ .interface = VIV_INDEX_SAFETY }, &plugins->safety, err);
    if (status == VIV_OK) {
        status = vh_policy_read(&app->run, err);
    }
    const struct {
        uint32_t interface;
        const struct vh_plugin **place;
    } others[] = {
        { VIV_INDEX_ECONOMY, &plugins->economy },
        { VIV_INDEX_DECOMPOSE, &plugins->decompose },
        { VIV_INDEX_CRITIC, &plugins->critic },
        { VIV_INDEX_EXECUTOR, &plugins->executor },
    };
    for (size_t i = 0; i < sizeof others / sizeof *others && status == VIV_OK; i++) {
        status = load_for(app, set, &(struct wanted){ .interface = others[i].interface }, others[i].place, err);
    }
    status = status ? status : load_gates(app, set, err);
    return status ? status : load_models(app, set, err);
}

viv_status
vh_app_load_safety(void *data, struct viv_error *err)
{
    struct vh_app *app = data;
    pthread_mutex_lock(app->run.registry_lock);
    viv_status status = load_for(app, NULL, &(struct wanted){ .interface = VIV_INDEX_SAFETY },
                                 &app->run.plugins.safety, err);
    pthread_mutex_unlock(app->run.registry_lock);
    return status;
}

viv_status
vh_app_try_policy(struct vh_app *app, struct viv_str text, uint32_t scope, bool trusted, struct viv_error *err)
{
    const struct vh_plugin **safety = &app->run.plugins.safety;
    viv_status status = app->run.registry ? VIV_OK : vh_app_build_view(app, err);
    if (status == VIV_OK && !*safety) {
        status = load_for(app, NULL, &(struct wanted){ .interface = VIV_INDEX_SAFETY }, safety, err);
    }
    return status ? status : vh_policy_try(&app->run, text, scope, trusted, err);
}

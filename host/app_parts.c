/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a host, in order: store and sequencer, registry; plugins and policy by app_plugins.c; and what a crash
 * left. */
#include "app_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "keep/migrate.h"
#include "keep/reader.h"
#include "lend/lend.h"
#include "load/map.h"
#include "run/branch.h"
#include "run/policy.h"
#include "run/router.h"
#include "run/runner_plan.h"
#include "run/skill_file.h"
#include "run/switch.h"
#include "run/workspace.h"
#include <viv_interfaces.h>

static bool
trusts(void *data, const char *digest_hex)
{
    return vh_app_trusts(data, digest_hex);
}

static bool
is_folder(struct vh_app *app, const char *path)
{
    struct stat stat;
    return path && app->seam->stat(app->seam->data, AT_FDCWD, path, &stat, 0) == 0 && S_ISDIR(stat.st_mode);
}

/* Installed beside the program, or in the build tree. What cannot be looked at is neither. */
static viv_status
plugin_folder(struct vh_app *app, const char **ret_path, struct viv_error *err)
{
    char *path = vh_arena_format(app->arena, "%s/../lib/vivarium/1", app->program_folder);
    bool here = is_folder(app, path);
    if (path && !here && errno == EIO) {
        return vh_error_errno(err, VIV_E_IO, "host", "cannot look at '%s'", path);
    }
    *ret_path = here ? path : vh_arena_format(app->arena, "%s/../plugins", app->program_folder);
    return *ret_path ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
}

/* A project that was moved says so once; its tasks follow it: see vh_run_place. */
static viv_status
find_places(struct vh_app *app, const char *path, struct viv_error *err)
{
    struct viv_str project, places;
    struct vh_json *list = NULL, *data = vh_json_object(app->arena);
    struct vh_state_ops state = vh_store_state(app->store);
    viv_status status = state.get_fact(state.data, app->arena, "project", &project, err);
    if (status == VIV_OK && !vh_str_is(project, app->project)) {
        vh_json_set_str(app->arena, data, "from", project);
        vh_json_set_text(app->arena, data, "to", app->project);
        vh_store_close(app->store);
        app->store = NULL;
        status = vh_app_record(app, "home.moved", data, err);
        status = status ? status : vh_store_open(app->arena, path, NULL, &app->store, err);
        state = vh_store_state(app->store);
    }
    status = status ? status : state.get_fact(state.data, app->arena, "places", &places, err);
    if (status == VIV_OK && places.len) {
        status = vh_json_read(app->arena, places, &list, err);
    }
    app->run.places = list;
    app->run.tools.origin = list && list->child ? vh_arena_text_of(app->arena, list->child->text) : NULL;
    return !status && list && !app->run.tools.origin ? vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start")
                                                     : status;
}

static viv_status
open_store(struct vh_app *app, struct viv_error *err)
{
    struct vh_sequencer_options options = { .pid = app->user.pid, .uid = app->user.uid };
    char *path = vh_arena_format(app->arena, "%s/vivarium.db", app->home_path);
    viv_status status = path ? vh_migrate(app->seam, app->arena, path, err)
                             : vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    status = status ? status : vh_store_open(app->arena, path, NULL, &app->store, err);
    status = status ? status : find_places(app, path, err);
    if (status == VIV_OK) {
        status = vh_sequencer_start(app->seam, app->store, app->arena, &options, &app->run.sequencer, err);
    }
    return status ? status : vh_switch_load(&app->run, err);
}

/* `store`: the home's, or NULL. */
static viv_status
open_places(struct vh_app *app, const char *store, struct viv_error *err)
{
    struct vh_run *run = &app->run;
    run->rules.trust.bundled = vh_bundled;
    run->rules.trust.bundled_count = vh_bundled_count;
    const char *keys = app->user.keys;
    viv_status status = keys && is_folder(app, keys)
                            ? vh_trust_read_key(app->seam, AT_FDCWD, keys, &run->rules.trust, err)
                            : VIV_OK;
    const char *bundled = NULL;
    status = status ? status : plugin_folder(app, &bundled, err);
    struct vh_registry_places places = {
        .store = store,
        .user_store = app->user.plugins,
        .plugin_folder = bundled,
        .bundled = vh_bundled,
        .bundled_count = vh_bundled_count,
    };
    /* Its own memory: it grows under the registry's lock, whoever asks. */
    struct vh_arena *arena = vh_app_arena(app);
    if (!arena) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    return status ? status : vh_registry_open(app->seam, arena, &places, &run->registry, err);
}

static viv_status
open_registry(struct vh_app *app, struct viv_error *err)
{
    struct vh_run *run = &app->run;
    const struct vh_registry_refusal *refusal = NULL;
    char *store = vh_arena_format(app->arena, "%s/store/plugins", app->home_path);
    run->router = vh_router_create(app->arena, app->seam);
    run->skill_files = vh_skill_files_create(app->arena, app->seam);
    if (!store || !run->router || !run->skill_files) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    viv_status status = open_places(app, store, err);
    status = status ? status : vh_registry_refusals(run->registry, app->arena, &refusal, err);
    for (; status == VIV_OK && refusal; refusal = refusal->next) {
        vh_log(VH_LOG_WARNING, "plugin", "'%s' is refused: %s", refusal->path, refusal->reason);
    }
    return status;
}

viv_status
vh_app_user_registry(struct vh_app *app, struct viv_error *err)
{
    if (!app->user.plugins) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "plugin",
                            "there is no folder for your plugins: neither HOME nor XDG_DATA_HOME is an absolute path");
    }
    return open_places(app, NULL, err);
}

static viv_status
prepare_run(struct vh_app *app, struct viv_error *err)
{
    struct vh_run *run = &app->run;
    struct vh_policy_source *source = vh_arena_alloc(app->arena, sizeof *source);
    pthread_mutex_t *locks = vh_arena_array(app->arena, 3, sizeof *locks);
    struct vh_tree_users *trees = vh_arena_alloc(app->arena, sizeof *trees);
    if (!source || !locks || !trees) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory to start");
    }
    pthread_mutex_init(&source->lock, NULL);
    pthread_mutex_init(&locks[0], NULL);
    pthread_mutex_init(&locks[1], NULL);
    pthread_mutex_init(&locks[2], NULL);
    vh_tree_users_init(trees, VIV_TREES_MAX);
    source->user_path =
        app->user.config ? vh_arena_format(app->arena, "%s/" VH_POLICY_OWN_FILE, app->user.config) : NULL;
    source->trusted = trusts;
    source->safety = vh_app_load_safety;
    source->data = app;
    run->seam = app->seam;
    run->arena = app->arena;
    run->home = app->home;
    run->home_path = app->home_path;
    run->project = app->project;
    run->fail_step = app->fail_step;
    run->policy_source = source;
    run->line_lock = &locks[0];
    run->registry_lock = &locks[1];
    run->collect_lock = &locks[2];
    run->trees = trees;
    run->actor_name = vh_str(app->user.name);
    run->uid = app->user.uid;
    run->pid = app->user.pid;
    run->tools = (struct vh_git_tools){
        .seam = app->seam,
        .git = &run->git,
        .home = app->home,
        .home_path = app->home_path,
        .project = app->project,
        .user_home = app->user.home,
        .user_config = app->user.xdg_config,
    };
    return VIV_OK;
}

viv_status
vh_app_build_store(struct vh_app *app, struct viv_error *err)
{
    viv_status status = prepare_run(app, err);
    vh_map_reserve(app->lock); /* the store's thread is the first */
    if (status == VIV_OK) {
        status = open_store(app, err);
    }
    return status ? status : vh_workspace_clean(&app->run, err);
}

viv_status
vh_app_build(struct vh_app *app, enum vh_app_need need, struct viv_error *err)
{
    viv_status status = open_registry(app, err);
    if (status == VIV_OK && need == VH_APP_WORK) {
        status = vh_app_load_plugins(app, err);
    }
    return status;
}

viv_status
vh_app_build_view(struct vh_app *app, struct viv_error *err)
{
    viv_status status = prepare_run(app, err);
    return status ? status : open_registry(app, err);
}

void
vh_app_unbuild(struct vh_app *app)
{
    const struct vh_run_plugins *plugins = &app->run.plugins;
    vh_store_close(app->store);
    app->store = NULL;
    for (uint32_t i = 0; i < plugins->gate_count; i++) {
        if (plugins->gates[i].plan) {
            app->seam->close(app->seam->data, plugins->gates[i].plan->plugin_fd);
        }
    }
    vh_app_models_end(app);
    if (app->run.policy_source) {
        vh_policy_end(&app->run);
        app->run.policy_source = NULL;
    }
}

/* ---- recovery ---- */

#define HELD_MAX 4096 /* leases of one host: it has at most 64 workers */

struct held {
    struct vh_arena *arena; /* all rows are read, whatever their number */
    struct viv_str *id;
    int64_t *lease;
    size_t count;
};

static bool
take_held(void *data, const struct vh_task *task)
{
    struct held *held = data;
    if (task->leased && held->count < HELD_MAX) {
        held->id[held->count] = task->id;
        held->lease[held->count++] = task->lease;
    }
    return true;
}

static viv_status
read_held(void *data, struct vh_store *store, struct viv_error *err)
{
    struct held *held = data;
    return vh_reader_tasks(store, held->arena, (struct viv_str){ NULL, 0 }, 0, take_held, held, err);
}

static viv_status
expire(struct vh_app *app, struct vh_arena *arena, struct viv_str task, int64_t lease, struct viv_error *err)
{
    struct vh_json *data = vh_json_object(arena);
    vh_json_set_int(arena, data, "lease", lease);
    vh_json_set_text(arena, data, "reason", "the host that held it ended");
    struct vh_command command = { .kind = VH_STR("lease.expired"),
                                  .task = task,
                                  .actor = { VH_STR("host"), VH_STR("vivhost"), app->user.uid, app->user.pid },
                                  .data = data };
    struct vh_answer answer;
    return vh_sequencer_call(app->run.sequencer, &command, false, arena, &answer, err);
}

/* Every lease of an earlier host is over: its launcher died with it, and with that everything it ran. */
viv_status
vh_app_recover(struct vh_app *app, struct viv_error *err)
{
    struct held held = { .arena = vh_arena_create(NULL, 0) };
    viv_status status = held.arena ? VIV_OK : VIV_E_MEMORY;
    if (status == VIV_OK) {
        held.id = vh_arena_array(held.arena, HELD_MAX, sizeof *held.id);
        held.lease = vh_arena_array(held.arena, HELD_MAX, sizeof *held.lease);
        status = held.id && held.lease ? VIV_OK : VIV_E_MEMORY;
    }
    if (status) {
        vh_arena_destroy(held.arena);
        return vh_error_set(err, status, "host", "no memory to recover");
    }
    status = vh_sequencer_read(app->run.sequencer, read_held, &held, err);
    for (size_t i = 0; i < held.count && status == VIV_OK; i++) {
        vh_log(VH_LOG_INFO, "recover", "task '%.*s' was held by a host that ended", VH_STR_ARGS(held.id[i]));
        status = expire(app, held.arena, held.id[i], held.lease[i], err);
    }
    vh_arena_destroy(held.arena);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "run/guard.h"
#include "run/policy_merge.h"
#include <viv_interfaces.h>

/* No layer the safety plugin can read: its calls fail, and a failed verdict is a deny. */
static const char no_layers[] = "[]stopped";

struct source_file {
    const char *path;
    uint32_t scope; /* VIV_POLICY_* */
    bool trusted;
    struct viv_str text;
};

/* One file by the safety plugin; a missing file is the empty policy. */
static viv_status
compile(struct vh_run *run, struct vh_arena *arena, const struct source_file *file, struct vh_json **ret_policy,
        struct viv_error *err)
{
    struct viv_safety_compile_request request = {
        .size = (uint32_t)sizeof request,
        .rev = 1,
        .text = file->text,
        .origin = vh_str(file->path),
        .scope = file->scope,
        .trusted = file->trusted,
    };
    struct viv_safety_compile_answer answer = { 0 };
    struct vh_work work = { .run = run, .arena = arena, .policy = run->policy };
    struct vh_guard_call call = { .plugin = run->plugins.safety,
                                  .interface = VIV_INDEX_SAFETY,
                                  .method = VIV_METHOD_SAFETY_COMPILE,
                                  .request = &request };
    viv_status status = vh_guard_call(&work, &call, &answer, err);
    return status ? status : vh_json_import(arena, answer.policy_json, ret_policy, err);
}

static viv_status
read_file(struct vh_run *run, struct vh_arena *arena, const char *path, struct viv_str *ret_text, struct stat *ret_stat,
          struct viv_error *err)
{
    *ret_text = (struct viv_str){ NULL, 0 };
    *ret_stat = (struct stat){ 0 };
    if (!path) {
        return VIV_OK;
    }
    if (run->seam->stat(run->seam->data, AT_FDCWD, path, ret_stat, 0)) {
        int code = errno;
        *ret_stat = (struct stat){ 0 };
        errno = code;
        /* One that is there and cannot be read may forbid what nothing else does. */
        return code == ENOENT || code == ENOTDIR ? VIV_OK
                                                 : vh_error_errno(err, VIV_E_IO, "policy", "cannot look at '%s'", path);
    }
    return vh_fs_read(run->seam, arena, AT_FDCWD, path, VH_POLICY_BYTES_MAX, ret_text, err);
}

/* The user's own policy must be the user's: nobody else may write to it. */
static viv_status
check_owner(struct vh_run *run, const char *path, const struct stat *stat, struct viv_error *err)
{
    if (stat->st_ino == 0) {
        return VIV_OK;
    }
    if (stat->st_uid != (uid_t)run->uid && stat->st_uid != 0) {
        return vh_error_set(err, VIV_E_DENIED, "policy", "'%s' belongs to user %u, allowed: %lld or root", path,
                            (unsigned)stat->st_uid, (long long)run->uid);
    }
    if (stat->st_mode & 022) {
        return vh_error_set(err, VIV_E_DENIED, "policy", "'%s' has mode %03o, others may write; run 'chmod go-w %s'",
                            path, (unsigned)stat->st_mode & 0777, path);
    }
    return VIV_OK;
}

static struct vh_json *
ids_of(struct vh_arena *arena, const struct vh_run_plugins *plugins)
{
    struct vh_json *list = vh_json_array(arena);
    for (uint32_t i = 0; i < plugins->gate_count; i++) {
        vh_json_push(list, vh_json_string(arena, vh_str(plugins->gates[i].plugin->id)));
    }
    return list;
}

static void
add_plugin(struct vh_arena *arena, struct vh_json *list, const struct vh_plugin *plugin)
{
    struct vh_json *item = plugin ? vh_json_object(arena) : NULL;
    if (item) {
        vh_json_set_text(arena, item, "digest", plugin->digest_hex);
        vh_json_set_text(arena, item, "id", plugin->id);
        vh_json_set_text(arena, item, "version", plugin->version);
        vh_json_push(list, item);
    }
}

/* What the core needs to know of the policy, and what an auditor wants: digests, bound plugins, profile. */
static viv_status
record(struct vh_run *run, struct vh_arena *arena, const struct vh_run_policy *policy, struct viv_error *err)
{
    const struct vh_run_plugins *p = &run->plugins;
    struct vh_json *data = vh_json_object(arena);
    struct vh_json *gates = vh_json_object(arena);
    struct vh_json *critics = vh_json_array(arena);
    struct vh_json *plugins = vh_json_array(arena);
    static const char *const stages[] = { "needs_qa", "integration", "e2e" };
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        vh_json_set(gates, stages[i], ids_of(arena, p));
    }
    if (p->critic) {
        vh_json_push(critics, vh_json_string(arena, vh_str(p->critic->id)));
    }
    const struct vh_plugin *all[] = { p->safety, p->economy, p->decompose, p->critic, p->executor, p->goals };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        add_plugin(arena, plugins, all[i]);
    }
    for (uint32_t i = 0; i < p->gate_count; i++) {
        add_plugin(arena, plugins, p->gates[i].plugin);
    }
    for (uint32_t i = 0; i < p->model_count; i++) {
        add_plugin(arena, plugins, p->models[i]);
    }
    const struct vh_json *threshold = vh_run_setting(policy, "critic.threshold_permille");
    if (threshold) {
        vh_json_set_int(arena, data, "critic_threshold_permille", threshold->integer);
    }
    vh_json_set(data, "critics", critics);
    vh_json_set_str(arena, data, "digest", policy->digest);
    vh_json_set(data, "gates", gates);
    vh_json_set(data, "plugins", plugins);
    vh_json_set_text(arena, data, "profile", run->profile_text ? run->profile_text : "none");
    vh_json_set_int(arena, data, "project_trusted", policy->project_trusted);
    struct vh_command command = {
        .kind = VH_STR("policy.loaded"),
        .actor = { VH_STR("host"), VH_STR("vivhost"), run->uid, run->pid },
        .data = data,
    };
    struct vh_answer answer;
    return vh_sequencer_call(run->sequencer, &command, false, arena, &answer, err);
}

/* The caller holds the source's lock. */
static void
drop(struct vh_run_policy *policy)
{
    if (policy && --policy->users == 0) {
        vh_arena_destroy(policy->arena);
    }
}

static viv_status
put_in_force(struct vh_run *run, struct vh_json *root, struct viv_str layers, bool trusted, struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_run_policy *policy = arena ? vh_arena_alloc(arena, sizeof *policy) : NULL;
    struct viv_str text = policy ? vh_json_print(arena, root) : (struct viv_str){ NULL, 0 };
    char *hex = policy ? vh_arena_alloc(arena, VH_HASH_HEX) : NULL;
    char *copy = policy ? vh_arena_text_of(arena, layers) : NULL;
    char *both = text.data && copy ? vh_arena_format(arena, "%.*s\n%s", VH_STR_ARGS(text), copy) : NULL;
    if (both && hex) {
        vh_hash_text(vh_str(both), hex);
        *policy = (struct vh_run_policy){ text, (struct viv_str){ copy, layers.len }, vh_str(hex),
                                          vh_json_clone(arena, root), trusted, arena, 1 };
    }
    if (!both || !hex || !hex[0] || !policy->root || policy->root->failed) {
        vh_arena_destroy(arena);
        return vh_error_set(err, VIV_E_MEMORY, "policy", "no memory for the policy");
    }
    drop(run->policy);
    run->policy = policy;
    return VIV_OK;
}

/* Both files as they lie there; zero for one that is not there or cannot be looked at. */
static void
look(struct vh_run *run, struct stat *ret_user, struct stat *ret_project)
{
    const struct vh_policy_source *source = run->policy_source;
    char path[VIV_PATH_MAX + 1];
    snprintf(path, sizeof path, "%s/" VH_POLICY_FILE, run->project);
    if (!source->user_path || run->seam->stat(run->seam->data, AT_FDCWD, source->user_path, ret_user, 0)) {
        *ret_user = (struct stat){ 0 };
    }
    if (run->seam->stat(run->seam->data, AT_FDCWD, path, ret_project, 0)) {
        *ret_project = (struct stat){ 0 };
    }
}

/* The files' digest decides about trust; the caller holds the source's lock. */
static viv_status
load(struct vh_run *run, struct viv_error *err)
{
    struct vh_policy_source *source = run->policy_source;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str user_text, project_text;
    struct vh_json *user = NULL, *project = NULL;
    char hex[VH_HASH_HEX] = "";
    struct stat stat;
    char path[VIV_PATH_MAX + 1];
    snprintf(path, sizeof path, "%s/" VH_POLICY_FILE, run->project);
    look(run, &source->user_stat, &source->project_stat); /* before they are read: a change meanwhile is seen later */
    viv_status status = arena ? read_file(run, arena, source->user_path, &user_text, &stat, err)
                              : vh_error_set(err, VIV_E_MEMORY, "policy", "no memory for the policy");
    if (status == VIV_OK) {
        status = check_owner(run, source->user_path ? source->user_path : "", &stat, err);
    }
    if (status == VIV_OK) {
        status = read_file(run, arena, path, &project_text, &stat, err);
    }
    bool trusted = false;
    if (status == VIV_OK && project_text.len) {
        vh_hash_text(project_text, hex);
        trusted = source->trusted(source->data, hex);
    }
    memcpy(source->project_hex, hex, sizeof hex);
    if (status == VIV_OK) {
        const struct source_file file = { source->user_path ? source->user_path : "(built in)", VIV_POLICY_USER, true,
                                          user_text };
        status = compile(run, arena, &file, &user, err);
    }
    if (status == VIV_OK) {
        const struct source_file file = { VH_POLICY_FILE, VIV_POLICY_PROJECT, trusted, project_text };
        status = compile(run, arena, &file, &project, err);
    }
    if (status == VIV_OK) {
        struct vh_json *layers = vh_json_array(arena);
        vh_json_push(layers, vh_json_clone(arena, user));
        vh_json_push(layers, vh_json_clone(arena, project));
        struct viv_str text = vh_json_print(arena, layers);
        (trusted ? vh_policy_merge_trusted : vh_policy_merge_narrowing)(arena, user, project);
        status = text.data ? put_in_force(run, user, text, trusted, err)
                           : vh_error_set(err, VIV_E_MEMORY, "policy", "no memory for the policy");
    }
    vh_arena_destroy(arena);
    return status;
}

/* The policy in force, which was read whole and is recorded. */
static void
remember(struct vh_run *run)
{
    struct vh_policy_source *source = run->policy_source;
    drop(source->good);
    source->good = run->policy;
    source->good->users++;
    snprintf(source->seen, sizeof source->seen, "%s", run->policy->digest.data);
    memcpy(source->good_hex, source->project_hex, sizeof source->good_hex);
}

static viv_status
load_and_record(struct vh_run *run, struct viv_error *err)
{
    viv_status status = load(run, err);
    struct vh_policy_source *source = run->policy_source;
    const struct vh_run_policy *policy = run->policy;
    if (status) {
        return status;
    }
    if (strncmp(source->seen, policy->digest.data, sizeof source->seen) != 0) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        status = arena ? record(run, arena, policy, err) : vh_error_set(err, VIV_E_MEMORY, "policy", "no memory");
        vh_arena_destroy(arena);
    }
    if (status == VIV_OK) {
        remember(run);
    }
    return status;
}

/* Digest of what the plugins are given at start, and at start only. */
static void
hash_settings(struct vh_run *run, char *ret_hex)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    const struct vh_json *plugins = run->policy ? vh_run_setting(run->policy, "plugins") : NULL;
    struct viv_str text = arena && plugins ? vh_json_print(arena, plugins) : (struct viv_str){ "", 0 };
    ret_hex[0] = '\0';
    if (text.len) {
        vh_hash_text(text, ret_hex);
    }
    vh_arena_destroy(arena);
}

viv_status
vh_policy_read(struct vh_run *run, struct viv_error *err)
{
    pthread_mutex_lock(&run->policy_source->lock);
    viv_status status = load(run, err);
    if (status == VIV_OK) {
        hash_settings(run, run->policy_source->settings);
    }
    pthread_mutex_unlock(&run->policy_source->lock);
    return status;
}

viv_status
vh_policy_load(struct vh_run *run, struct viv_error *err)
{
    pthread_mutex_lock(&run->policy_source->lock);
    run->policy_source->seen[0] = '\0';
    viv_status status = load_and_record(run, err);
    memcpy(run->policy_source->told, run->policy_source->seen, sizeof run->policy_source->told);
    pthread_mutex_unlock(&run->policy_source->lock);
    return status;
}

static bool
same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool
unchanged(struct vh_run *run)
{
    const struct vh_policy_source *source = run->policy_source;
    struct stat user, project;
    look(run, &user, &project);
    const struct vh_run_policy *policy = run->policy;
    return same(&user, &source->user_stat) && same(&project, &source->project_stat) &&
           policy && policy->project_trusted == source->trusted(source->data, source->project_hex);
}

/* Everything is denied. */
static void
stop(struct vh_run *run)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *nothing = arena ? vh_json_object(arena) : NULL;
    if (!nothing || put_in_force(run, nothing, vh_str(no_layers), false, &err)) {
        vh_log(VH_LOG_ERROR, "policy", "no memory to put a policy in force that denies");
        drop(run->policy);
        run->policy = NULL; /* nobody can claim without one */
    }
    vh_arena_destroy(arena);
    run->policy_source->seen[0] = '\0';
}

struct vh_run_policy *
vh_policy_now(struct vh_run *run)
{
    struct viv_error err = VIV_ERROR_INIT;
    pthread_mutex_lock(&run->policy_source->lock);
    if (!unchanged(run) && load_and_record(run, &err)) {
        if (strcmp(err.text, run->policy_source->fault) != 0) {
            vh_log(VH_LOG_ERROR, "policy", "%s; everything is denied until it is mended", err.text);
            snprintf(run->policy_source->fault, sizeof run->policy_source->fault, "%s", err.text);
        }
        stop(run);
    } else if (run->policy && !vh_str_is(run->policy->layers, no_layers)) {
        run->policy_source->fault[0] = '\0';
    }
    struct vh_run_policy *policy = run->policy;
    if (policy) {
        policy->users++;
    }
    pthread_mutex_unlock(&run->policy_source->lock);
    return policy;
}

viv_status
vh_policy_look(struct vh_run *run, struct vh_run_policy **ret_policy, struct viv_error *err)
{
    struct vh_policy_source *source = run->policy_source;
    pthread_mutex_lock(&source->lock);
    bool works = source->good != NULL;
    viv_status status = works || run->plugins.safety ? VIV_OK : source->safety(source->data, err);
    if (!works && status == VIV_OK) {
        status = load(run, err);
    }
    if (!works && status == VIV_OK) {
        *ret_policy = run->policy;
        run->policy->users++;
    }
    pthread_mutex_unlock(&source->lock);
    *ret_policy = works ? vh_policy_now(run) : *ret_policy;
    return works && !*ret_policy ? vh_error_set(err, VIV_E_MEMORY, "policy", "no memory for the policy") : status;
}

/* Put the last good one in force again; false when there is none that still may be. */
static bool
keep_good(struct vh_run *run)
{
    struct vh_policy_source *source = run->policy_source;
    struct vh_run_policy *good = source->good;
    if (!good || (good->project_trusted && !source->trusted(source->data, source->good_hex))) {
        return false;
    }
    good->users++;
    drop(run->policy);
    run->policy = good;
    snprintf(source->seen, sizeof source->seen, "%s", good->digest.data);
    memcpy(source->project_hex, source->good_hex, sizeof source->project_hex); /* trust in that one is looked at now */
    return true;
}

viv_status
vh_policy_reload(struct vh_run *run, struct vh_policy_reloaded *ret_reloaded, struct viv_error *err)
{
    struct vh_policy_source *source = run->policy_source;
    struct vh_policy_reloaded reloaded = { .digest = "" };
    char settings[VH_HASH_HEX];
    pthread_mutex_lock(&source->lock);
    viv_status status = load_and_record(run, err);
    if (status && !keep_good(run)) {
        stop(run);
    }
    hash_settings(run, settings);
    snprintf(reloaded.digest, sizeof reloaded.digest, "%s", source->seen);
    reloaded.changed = strcmp(source->told, source->seen) != 0;
    reloaded.settings = status == VIV_OK && strcmp(settings, source->settings) != 0;
    memcpy(source->told, source->seen, sizeof source->told);
    pthread_mutex_unlock(&source->lock);
    *ret_reloaded = reloaded;
    return status;
}

viv_status
vh_policy_try(struct vh_run *run, struct viv_str text, uint32_t scope, bool trusted, struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    const struct source_file file = { scope == VIV_POLICY_USER ? VH_POLICY_OWN_FILE : VH_POLICY_FILE, scope, trusted,
                                      text };
    struct vh_json *policy = NULL;
    viv_status status = arena ? compile(run, arena, &file, &policy, err)
                              : vh_error_set(err, VIV_E_MEMORY, "policy", "no memory for the policy");
    vh_arena_destroy(arena);
    return status;
}

void
vh_policy_give(struct vh_run *run, struct vh_run_policy *policy)
{
    pthread_mutex_lock(&run->policy_source->lock);
    drop(policy);
    pthread_mutex_unlock(&run->policy_source->lock);
}

void
vh_policy_end(struct vh_run *run)
{
    drop(run->policy);
    drop(run->policy_source->good);
    run->policy = run->policy_source->good = NULL;
}

bool
vh_policy_reads_all(const struct vh_run_policy *policy, struct vh_arena *arena, struct viv_str capability)
{
    struct vh_json *layers = NULL, *able = NULL;
    if (!policy || vh_json_import(arena, policy->layers, &layers, NULL) || layers->type != VH_JSON_ARRAY) {
        return false;
    }
    for (const struct vh_json *layer = layers->child; layer; layer = layer->next) {
        if (vh_json_get(vh_json_get(layer, "paths"), "read")) {
            return false;
        }
    }
    if (capability.len == 0) {
        return true;
    }
    const struct vh_json *read = vh_json_import(arena, capability, &able, NULL) ? NULL : vh_json_get(able, "read");
    return read && read->count == 1 && vh_str_is(read->child->text, "**");
}

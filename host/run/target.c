/* SPDX-License-Identifier: Apache-2.0 */
/* Finds out what a path is. The repository is found by reading `.git`, not by asking git: discovery would trust the
 * folder's owner and environment, and refuse root on other people's folders. */
#include "repository.h"
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/str.h"
#include <viv/limits.h>

#define SMALL_FILE 4096
#define STAGE_PREFIX ".viv-stage-" /* also in move_stage.c */

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "target", "no memory to describe the target");
}

bool
vh_target_below(struct viv_str path, const char *folder)
{
    size_t len = strlen(folder);
    return vh_str_starts(path, folder) && (path.len == len || path.data[len] == '/');
}

/* ---- configuration ---- */

struct settings {
    const char *name;
    const char *email;
    const char *excludes;
    const char *format;
    bool bare;
    bool no_mode;
    bool other_refs;
};

static void
one_setting(struct settings *settings, const char *key, const char *value)
{
    const char *found = value ? value : "true";
    bool on = strcasecmp(found, "true") == 0 || strcasecmp(found, "yes") == 0 || strcmp(found, "1") == 0 ||
              strcasecmp(found, "on") == 0;
    if (strcmp(key, "user.name") == 0) {
        settings->name = found;
    } else if (strcmp(key, "user.email") == 0) {
        settings->email = found;
    } else if (strcmp(key, "core.excludesfile") == 0) {
        settings->excludes = found;
    } else if (strcmp(key, "extensions.objectformat") == 0) {
        settings->format = found;
    } else if (strcmp(key, "extensions.refstorage") == 0) {
        settings->other_refs = strcmp(found, "files") != 0;
    } else if (strcmp(key, "core.bare") == 0) {
        settings->bare = on;
    } else if (strcmp(key, "core.filemode") == 0) {
        settings->no_mode = !on;
    }
}

/* "key\nvalue\0key\0": a key without value has no line break. */
static viv_status
read_settings(struct vh_target *target, struct vh_arena *arena, struct settings *settings, struct viv_error *err)
{
    struct vh_git_result result;
    const char *words[] = { "config", "--includes", "-z", "--list", NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_USER, .words = words };
    viv_status status = vh_git_run(target, arena, &ask, &result, err);
    if (status) {
        return status;
    }
    for (uint64_t at = 0; at < result.output.len;) {
        char *line = vh_arena_text(arena, result.output.data + at);
        if (!line) {
            return no_memory(err);
        }
        at += strlen(line) + 1;
        char *value = strchr(line, '\n');
        if (value) {
            *value++ = '\0';
        }
        one_setting(settings, line, value);
    }
    return VIV_OK;
}

/* Identities end up in a commit's head: no line breaks, no brackets. */
static const char *
clean_identity(struct vh_arena *arena, const char *text, const char *otherwise)
{
    char *clean = vh_arena_text(arena, text && *text ? text : otherwise);
    for (char *c = clean; c && *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == '<' || *c == '>') {
            *c = ' ';
        }
    }
    return clean;
}

/* One that is there and cannot be looked at is an error: a task would see what it shall not. One that the user may not
 * read is none, to git as well. */
static viv_status
add_excludes(struct vh_target *target, const char *path, size_t *count, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    struct stat stat;
    if (!path) {
        return no_memory(err);
    }
    if (seam->stat(seam->data, AT_FDCWD, path, &stat, 0) == 0) {
        target->excludes[(*count)++] = path;
        return VIV_OK;
    }
    return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP
               ? VIV_OK
               : vh_error_errno(err, VIV_E_IO, "target", "cannot look at '%s'", path);
}

static viv_status
find_excludes(struct vh_target *target, struct vh_arena *arena, const char *set, struct viv_error *err)
{
    const struct vh_git_tools *tools = target->tools;
    const char *user = set ? set : "";
    size_t count = 0;
    if (set && strncmp(set, "~/", 2) == 0 && tools->user_home) {
        user = vh_arena_format(arena, "%s/%s", tools->user_home, set + 2);
    } else if (!set && tools->user_config) {
        user = vh_arena_format(arena, "%s/git/ignore", tools->user_config);
    } else if (!set && tools->user_home) {
        user = vh_arena_format(arena, "%s/.config/git/ignore", tools->user_home);
    }
    const char *info = vh_arena_format(arena, "%s/info/exclude", target->common_dir);
    viv_status status = add_excludes(target, info, &count, err);
    return status || (user && *user != '/') ? status : add_excludes(target, user, &count, err);
}

static viv_status
set_up_repository(struct vh_target *target, struct vh_arena *arena, struct viv_error *err)
{
    struct settings settings = { .format = "sha1" };
    viv_status status = read_settings(target, arena, &settings, err);
    if (status) {
        return status;
    }
    if (settings.bare) {
        return vh_error_set(err, VIV_E_INVALID, "target", "'%s' is a bare repository; name a working tree",
                            target->root);
    }
    if (settings.other_refs || (strcmp(settings.format, "sha1") && strcmp(settings.format, "sha256"))) {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "target",
                            "'%s' uses object format '%.16s' or a reference store other than files", target->root,
                            settings.format);
    }
    target->kind = VH_TARGET_REPOSITORY;
    target->hex_len = strcmp(settings.format, "sha256") == 0 ? 64 : 40;
    target->trust_mode = !settings.no_mode;
    target->author_fallback = !settings.email || !*settings.email;
    target->author_name = clean_identity(arena, target->author_fallback ? NULL : settings.name, "Vivarium");
    target->author_email = clean_identity(arena, settings.email, "vivarium@localhost");
    target->object_dir = vh_arena_format(arena, "%s/objects", target->common_dir);
    const char *shallow = vh_arena_format(arena, "%s/shallow", target->common_dir);
    if (!target->author_name || !target->author_email || !target->object_dir || !shallow) {
        return no_memory(err);
    }
    bool is_shallow = false;
    status = vh_fs_there(target->tools->seam, AT_FDCWD, shallow, &is_shallow, err);
    target->shallow = is_shallow ? shallow : NULL;
    status = status ? status : find_excludes(target, arena, settings.excludes, err);
    return status ? status : vh_git_private(target->tools, arena, settings.format, &target->private_dir, err);
}

static viv_status
set_up_folder(struct vh_target *target, struct vh_arena *arena, const char *path, struct viv_error *err)
{
    char key[VH_HASH_HEX];
    const struct vh_git_tools *tools = target->tools;
    bool moved = tools->origin && vh_target_below(vh_str(path), tools->project);
    const char *first = moved ? vh_arena_format(arena, "%s%s", tools->origin, path + strlen(tools->project)) : path;
    if (!first) {
        return no_memory(err);
    }
    vh_hash_text(vh_str(first), key);
    viv_status status = vh_git_private(tools, arena, "sha1", &target->private_dir, err);
    if (status) {
        return status;
    }
    target->kind = VH_TARGET_FOLDER;
    target->root = path;
    target->prefix = "";
    target->git_dir = target->private_dir;
    target->common_dir = target->private_dir;
    target->hex_len = 40;
    target->trust_mode = true;
    target->author_fallback = true;
    target->author_name = "Vivarium";
    target->author_email = "vivarium@localhost";
    target->branch = vh_arena_format(arena, "refs/viv/folder/%.16s", key);
    target->line = vh_arena_format(arena, "refs/viv/line/%.16s", key);
    return target->branch && target->line ? VIV_OK : no_memory(err);
}

viv_status
vh_target_open(const struct vh_git_tools *tools, struct vh_arena *arena, const char *path,
               struct vh_target *ret_target, struct viv_error *err)
{
    struct vh_target target = { .tools = tools };
    const char *real = NULL;
    bool repository = false;
    viv_status status = vh_repository_folder(tools->seam, arena, path, &real, err);
    if (status) {
        return status;
    }
    if (vh_target_below(vh_str(real), tools->home_path)) {
        return vh_error_set(err, VIV_E_INVALID, "target", "'%s' lies in the home '%s'; name the project", real,
                            tools->home_path);
    }
    status = vh_repository_find(&target, arena, real, &repository, err);
    if (status == VIV_OK) {
        status = repository ? set_up_repository(&target, arena, err) : set_up_folder(&target, arena, real, err);
    }
    if (status == VIV_OK) {
        status = vh_target_refresh(&target, arena, err);
    }
    if (status == VIV_OK) {
        *ret_target = target;
    }
    return status;
}

viv_status
vh_target_root(const struct vh_git_tools *tools, struct vh_arena *arena, const char *path, const char **ret_root,
               struct viv_error *err)
{
    struct vh_target target = { .tools = tools };
    const char *real = NULL;
    bool repository = false;
    viv_status status = vh_repository_folder(tools->seam, arena, path, &real, err);
    if (status == VIV_OK) {
        status = vh_repository_find(&target, arena, real, &repository, err);
    }
    *ret_root = repository ? target.root : real;
    return status;
}

static const char detached_prefix[] = "refs/viv/detached/";

/* HEAD as a file: "ref: refs/heads/x" or an object name. */
static viv_status
read_head(struct vh_target *target, struct vh_arena *arena, struct viv_error *err)
{
    struct viv_str text;
    const char *path = vh_arena_format(arena, "%s/HEAD", target->git_dir);
    if (!path) {
        return no_memory(err);
    }
    viv_status status = vh_fs_read(target->tools->seam, arena, AT_FDCWD, path, SMALL_FILE, &text, err);
    if (status) {
        return status;
    }
    static const char heads[] = "ref: refs/heads/";
    if (vh_str_starts(text, heads)) {
        int len = (int)strcspn(text.data + sizeof heads - 1, "\n");
        target->branch = vh_arena_format(arena, "refs/heads/%.*s", len, text.data + sizeof heads - 1);
        target->line = vh_arena_format(arena, "refs/viv/line/%.*s", len, text.data + sizeof heads - 1);
        return target->branch && target->line ? VIV_OK : no_memory(err);
    }
    target->branch = NULL;
    if (!vh_git_parse_id(text, &target->head)) {
        return vh_error_set(err, VIV_E_UNSUPPORTED, "target", "HEAD of '%s' is neither a branch nor a commit",
                            target->root);
    }
    target->line = vh_arena_format(arena, "%s%s", detached_prefix, target->head.hex);
    return target->line ? VIV_OK : no_memory(err);
}

static void
to_pin(struct vh_target *target)
{
    target->away = strcmp(target->line, target->pin_line) != 0;
    target->line = target->pin_line;
    target->branch = target->pin_branch;
    if (!target->branch && vh_str_starts(vh_str(target->line), detached_prefix)) {
        (void)vh_git_parse_id(vh_str(target->line + sizeof detached_prefix - 1), &target->head); /* as we named it */
    }
}

viv_status
vh_target_refresh(struct vh_target *target, struct vh_arena *arena, struct viv_error *err)
{
    viv_status status = target->kind == VH_TARGET_FOLDER ? VIV_OK : read_head(target, arena, err);
    if (status == VIV_OK && target->pin_line) {
        to_pin(target);
    }
    if (status || !target->branch) {
        return status;
    }
    return vh_target_ref(target, arena, target->branch, &target->head, err);
}

bool
vh_target_hidden(const struct vh_target *target, const char *name)
{
    (void)target;
    return strcasecmp(name, ".git") == 0 || strcasecmp(name, "git~1") == 0 || strcmp(name, ".vivarium") == 0 ||
           strncmp(name, ".vivarium.restore-", 18) == 0 || strncmp(name, ".vivarium.init-", 15) == 0 ||
           strncmp(name, STAGE_PREFIX, sizeof STAGE_PREFIX - 1) == 0;
}

bool
vh_target_hides(const struct vh_target *target, struct viv_str path)
{
    const char *end = path.data + path.len;
    for (const char *at = path.data; at < end; at += strcspn(at, "/") + 1) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "/"), at);
        if (vh_target_hidden(target, name)) {
            return true;
        }
    }
    return false;
}

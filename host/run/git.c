/* SPDX-License-Identifier: Apache-2.0 */
/* Builds each command line and environment for git; read git.h for the two modes. No other file of the host names
 * git's options that keep it from running anything or waiting for anybody. */
#include "git.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/fs.h"
#include "base/str.h"
#include "target.h"

#define STALE_LOCK_S 3 /* git holds the lock of a reference for milliseconds */
#define WORDS_MAX 96
#define OUTPUT_MAX (256u << 20)           /* the list of a tree of two million files */
#define TIMEOUT_NS INT64_C(600000000000)  /* ten minutes: a first import of a large folder */

/* Against hooks, monitors, network, housekeeping and half-written objects (settled.md b8, c7). */
static const char *const settings[] = {
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.untrackedCache=keep",
    "core.attributesFile=/dev/null", "core.sshCommand=false", "core.pager=cat", "core.quotePath=false",
    "core.fsync=committed,loose-object,reference", "protocol.allow=never", "gc.auto=0", "maintenance.auto=false",
    "submodule.recurse=false",
    "fastimport.unpackLimit=8", /* more objects than this stay one pack: two syncs instead of one for each */
    NULL,
};

static const char *const attributes =
    "# Contents pass unchanged: no filter, conversion or merge driver that a tree names applies here.\n"
    "* -text !eol !ident -filter !working-tree-encoding !merge !diff !delta !export-subst !conflict-marker-size\n";

struct words {
    const char *word[WORDS_MAX];
    size_t count;
    bool failed;
};

static void
add(struct words *words, const char *word)
{
    if (!word || words->count + 1 >= WORDS_MAX) {
        words->failed = true;
        return;
    }
    words->word[words->count++] = word;
}

static const char *
joined(struct vh_arena *arena, const char *name, const char *value)
{
    return vh_arena_format(arena, "%s=%s", name, value);
}

static void
command_line(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_ask *ask,
             struct words *argv)
{
    add(argv, "git");
    add(argv, "--no-optional-locks");
    add(argv, "--no-replace-objects");
    bool ours = ask->mode == VH_GIT_OBJECTS || ask->mode == VH_GIT_KEEP;
    const char *git_dir = ours ? target->private_dir : target->git_dir;
    add(argv, vh_arena_format(arena, "--git-dir=%s", git_dir));
    for (size_t i = 0; settings[i]; i++) {
        add(argv, "-c");
        add(argv, settings[i]);
    }
    if (ask->setting) {
        add(argv, "-c");
        add(argv, ask->setting);
    }
    for (size_t i = 0; ask->words[i]; i++) {
        add(argv, ask->words[i]);
    }
}

/* An element of a path list: quoted, since a path may hold the list's own mark. */
static const char *
quoted(struct vh_arena *arena, const char *path)
{
    struct vh_buf buf;
    vh_buf_init(&buf, arena, 2 * strlen(path) + 2);
    vh_buf_char(&buf, '"');
    for (; *path; path++) {
        if (*path == '"' || *path == '\\') {
            vh_buf_char(&buf, '\\');
        }
        vh_buf_char(&buf, *path);
    }
    vh_buf_char(&buf, '"');
    return buf.failed ? NULL : buf.data;
}

/* Whose objects are written and whose are only read. A folder has but one place for them. */
static void
object_places(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_ask *ask,
              struct words *env)
{
    if (!target->object_dir || (ask->mode != VH_GIT_OBJECTS && ask->mode != VH_GIT_KEEP)) {
        return;
    }
    const char *own = vh_arena_format(arena, "%s/objects", target->private_dir);
    bool keep = ask->mode == VH_GIT_KEEP || target->keep;
    const char *other = own ? quoted(arena, keep ? target->object_dir : own) : NULL;
    const char *first = keep ? own : target->object_dir;
    add(env, first ? joined(arena, "GIT_OBJECT_DIRECTORY", first) : NULL);
    add(env, other ? joined(arena, "GIT_ALTERNATE_OBJECT_DIRECTORIES", other) : NULL);
    if (target->shallow) {
        add(env, joined(arena, "GIT_SHALLOW_FILE", target->shallow));
    }
}

static void
environment(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_ask *ask,
            struct words *env)
{
    const struct vh_git_tools *tools = target->tools;
    bool user = ask->mode == VH_GIT_USER && tools->user_home;
    add(env, "PATH=/usr/local/bin:/usr/bin:/bin");
    add(env, "LC_ALL=C");
    add(env, "GIT_CONFIG_NOSYSTEM=1");
    add(env, "GIT_ATTR_NOSYSTEM=1");
    add(env, "GIT_TERMINAL_PROMPT=0");
    add(env, "GIT_OPTIONAL_LOCKS=0");
    add(env, user ? joined(arena, "HOME", tools->user_home) : "HOME=/nonexistent");
    if (!user) {
        add(env, "GIT_CONFIG_GLOBAL=/dev/null");
    } else if (tools->user_config) {
        add(env, joined(arena, "XDG_CONFIG_HOME", tools->user_config));
    }
    if (target->author_name) {
        add(env, joined(arena, "GIT_COMMITTER_NAME", target->author_name));
        add(env, joined(arena, "GIT_COMMITTER_EMAIL", target->author_email));
    }
    object_places(target, arena, ask, env);
    if (ask->index) {
        add(env, joined(arena, "GIT_INDEX_FILE", ask->index));
    }
    if (ask->work_tree) {
        add(env, joined(arena, "GIT_WORK_TREE", ask->work_tree));
    }
}

/* What git tells of the machine and not of the repository. */
static bool
is_machines(struct viv_str text)
{
    static const char *const words[] = { "No space left on device", "Disk quota exceeded", "Input/output error",
                                         "Read-only file system", "Cannot allocate memory", "ut of memory",
                                         "Too many open files", "Resource temporarily unavailable" };
    for (size_t i = 0; i < sizeof words / sizeof *words && text.len; i++) {
        if (memmem(text.data, (size_t)text.len, words[i], strlen(words[i]))) {
            return true;
        }
    }
    return false;
}

static viv_status
explain(const struct vh_git_ask *ask, const struct vh_git_result *result, struct viv_error *err)
{
    struct viv_str text = result->errors;
    viv_status status = is_machines(text) ? VIV_E_UNAVAILABLE : VIV_E_IO;
    const char *end = text.len ? memchr(text.data, '\n', (size_t)text.len) : NULL;
    int len = end ? (int)(end - text.data) : (int)text.len;
    return vh_error_set(err, status, "git", "'git %s' ended with %d: %.*s", ask->words[0], result->exit_code,
                        len > 300 ? 300 : len, text.len ? text.data : "");
}

/* Input texts go through an unlinked file: no pipe can fill up, and large ones take the same way. */
static viv_status
input_of(const struct vh_target *target, const struct vh_git_ask *ask, int *ret_fd, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    *ret_fd = -1;
    if (ask->input_fd > 0) {
        *ret_fd = ask->input_fd;
        return VIV_OK;
    }
    if (!ask->input.len) {
        return VIV_OK;
    }
    int fd = vh_git_scratch(target->tools, err);
    if (fd < 0) {
        return VIV_E_IO;
    }
    viv_status status = VIV_OK;
    for (uint64_t at = 0; at < ask->input.len && status == VIV_OK;) {
        ssize_t put = seam->pwrite(seam->data, fd, ask->input.data + at, (size_t)(ask->input.len - at), (off_t)at);
        if (put <= 0 && errno != EINTR) {
            status = vh_error_errno(err, VIV_E_IO, "git", "cannot write what git shall read");
        } else if (put > 0) {
            at += (uint64_t)put;
        }
    }
    if (status) {
        seam->close(seam->data, fd);
        return status;
    }
    *ret_fd = fd;
    return VIV_OK;
}

/* VIV_E_IO says that git said no: callers make a conflict of it, or look what stands there now. */
static viv_status
not_gits(viv_status status, struct viv_error *err)
{
    if (status == VIV_E_IO && err) {
        err->status = VIV_E_UNAVAILABLE;
    }
    return status == VIV_E_IO ? VIV_E_UNAVAILABLE : status;
}

viv_status
vh_git_run(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_ask *ask,
           struct vh_git_result *ret_result, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    const struct vh_git *git = target->tools->git;
    struct words argv = { 0 };
    struct words env = { 0 };
    struct vh_git_result result = { 0 };
    command_line(target, arena, ask, &argv);
    environment(target, arena, ask, &env);
    if (argv.failed || env.failed) {
        return vh_error_set(err, VIV_E_MEMORY, "git", "no room for the words of 'git %s'", ask->words[0]);
    }
    int input = -1;
    viv_status status = not_gits(input_of(target, ask, &input, err), err);
    if (status) {
        return status;
    }
    struct vh_git_call call = { .argv = argv.word, .env = env.word, .input_fd = input, .output_fd = -1,
                                .output_max = OUTPUT_MAX, .timeout_ns = TIMEOUT_NS };
    if (ask->output_fd > 0) {
        call.output_fd = ask->output_fd;
    }
    status = not_gits(git->run(git->data, arena, &call, &result, err), err);
    if (input >= 0 && input != ask->input_fd) {
        seam->close(seam->data, input);
    }
    if (status == VIV_OK && result.exit_code && result.exit_code != ask->allow_exit) {
        status = explain(ask, &result, err);
    }
    if (status == VIV_OK && ret_result) {
        *ret_result = result;
    }
    return status;
}

int
vh_git_scratch(const struct vh_git_tools *tools, struct viv_error *err)
{
    const struct vh_seam *seam = tools->seam;
    uint64_t tag = 0;
    char name[64];
    if (seam->random(seam->data, &tag, sizeof tag)) {
        vh_error_errno(err, VIV_E_IO, "git", "no random bytes for a scratch file");
        return -1;
    }
    snprintf(name, sizeof name, "work/.scratch-%016llx", (unsigned long long)tag);
    if (seam->mkdir(seam->data, tools->home, "work", 0700) && errno != EEXIST) {
        vh_error_errno(err, VIV_E_IO, "git", "cannot make folder 'work' in the home");
        return -1;
    }
    int fd = seam->open(seam->data, tools->home, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0 || seam->unlink(seam->data, tools->home, name, 0)) {
        vh_error_errno(err, VIV_E_IO, "git", "cannot make a scratch file in the home");
        if (fd >= 0) {
            seam->close(seam->data, fd);
        }
        return -1;
    }
    return fd;
}

static viv_status
private_files(const struct vh_git_tools *tools, struct vh_arena *arena, const char *folder, const char *format,
              struct viv_error *err)
{
    static const char *const folders[] = { "objects/info", "objects/pack", "refs/heads", "refs/viv", "info" };
    const struct vh_seam *seam = tools->seam;
    viv_status status = VIV_OK;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && status == VIV_OK; i++) {
        status = vh_fs_keep_folders(seam, tools->home, vh_arena_format(arena, "%s/%s", folder, folders[i]), 0700,
                                    err);
    }
    bool plain = strcmp(format, "sha1") == 0;
    const char *config = vh_arena_format(arena,
                                         "[core]\n\trepositoryformatversion = %d\n\tfilemode = true\n"
                                         "\tsymlinks = true\n\tlogallrefupdates = false\n%s%s%s",
                                         plain ? 0 : 1, plain ? "" : "[extensions]\n\tobjectformat = ",
                                         plain ? "" : format, plain ? "" : "\n");
    const char *names[] = { "info/attributes", "config", "HEAD" }; /* HEAD last: with it the directory is one */
    const char *texts[] = { attributes, config, "ref: refs/heads/none\n" };
    for (size_t i = 0; i < 3 && status == VIV_OK; i++) {
        const char *path = vh_arena_format(arena, "%s/%s", folder, names[i]);
        if (!path || !texts[i]) {
            return vh_error_set(err, VIV_E_MEMORY, "git", "no memory for the private git directory");
        }
        status = vh_fs_replace(seam, tools->home, path, vh_str(texts[i]), 0600, err);
    }
    return status;
}

viv_status
vh_git_private(const struct vh_git_tools *tools, struct vh_arena *arena, const char *format, const char **ret_path,
               struct viv_error *err)
{
    const char *folder = strcmp(format, "sha1") == 0 ? "store/folder.git" : "store/folder-sha256.git";
    const char *head = vh_arena_format(arena, "%s/HEAD", folder);
    const char *path = vh_arena_format(arena, "%s/%s", tools->home_path, folder);
    if (!head || !path) {
        return vh_error_set(err, VIV_E_MEMORY, "git", "no memory for the private git directory");
    }
    bool there = false;
    viv_status status = vh_fs_there(tools->seam, tools->home, head, &there, err);
    if (status == VIV_OK && !there) {
        status = private_files(tools, arena, folder, format, err);
    }
    if (status) {
        return status;
    }
    *ret_path = path;
    return VIV_OK;
}

bool
vh_git_parse_id(struct viv_str text, struct vh_git_id *ret_id)
{
    struct vh_git_id id = { { 0 } };
    size_t len = 0;
    while (len < text.len && isxdigit((unsigned char)text.data[len])) {
        if (len >= VH_GIT_HEX - 1) {
            return false;
        }
        id.hex[len] = text.data[len];
        len++;
    }
    if ((len != 40 && len != 64) || (len < text.len && !strchr("\n \t", text.data[len]) && text.data[len])) {
        return false;
    }
    *ret_id = id;
    return true;
}

bool
vh_git_next(struct viv_str output, uint64_t *at, struct viv_str *ret_text)
{
    const char *start = *at < output.len ? output.data + *at : NULL;
    const char *end = start ? memchr(start, '\0', (size_t)(output.len - *at)) : NULL;
    if (!end) {
        return false;
    }
    *ret_text = (struct viv_str){ start, (uint64_t)(end - start) };
    *at += ret_text->len + 1;
    return true;
}

void
vh_git_unlock(const struct vh_target *target, struct vh_arena *arena, const char *ref)
{
    const struct vh_seam *seam = target->tools->seam;
    struct stat stat;
    char *path = ref ? vh_arena_format(arena, "%s/%s.lock", target->common_dir, ref) : NULL;
    if (!path || seam->stat(seam->data, AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW)) {
        return;
    }
    if (seam->wall_us(seam->data) / 1000000 - (int64_t)stat.st_mtim.tv_sec > STALE_LOCK_S) {
        vh_log(VH_LOG_WARNING, "git", "a killed git left '%s'; it is removed", path);
        (void)seam->unlink(seam->data, AT_FDCWD, path, 0); /* git says so itself when it stays */
    }
}

void
vh_git_drop(const struct vh_target *target, struct vh_arena *arena, const char *ref)
{
    const struct vh_seam *seam = target->tools->seam;
    char *path = ref ? vh_arena_format(arena, "%s/%s", target->common_dir, ref) : NULL;
    if (path && seam->unlink(seam->data, AT_FDCWD, path, 0) && errno != ENOENT) {
        vh_log(VH_LOG_WARNING, "git", "reference '%s' stays: it only keeps its objects alive", ref);
    }
}

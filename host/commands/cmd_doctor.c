/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: everything a host needs, looked at once, each with what is wrong and the cure. The exit
 * code is not 0 when something needed is missing. */
#include "cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "app_checkpoint.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "line_check.h"
#include "run/policy.h"

enum level { FINE, NOTE, MISSING };

struct doctor {
    struct vh_cli *cli;
    struct vh_json *checks;
    bool missing;
    bool foreign; /* the home is not this user's */
};

static void
check(struct doctor *d, const char *name, enum level level, const char *text)
{
    static const char *const levels[] = {"ok", "note", "missing"};
    struct vh_cli *cli = d->cli;
    const char *line = vh_cli_line(cli, vh_str(text), 460);
    struct vh_json *item = vh_json_object(cli->arena);
    vh_json_set_text(cli->arena, item, "name", name);
    vh_json_set_text(cli->arena, item, "state", levels[level]);
    vh_json_set_text(cli->arena, item, "text", line);
    vh_json_push(d->checks, item);
    d->missing = d->missing || level == MISSING;
    if (!cli->json) {
        bool loud = cli->color && level != FINE;
        printf("%-9s %s%-8s%s %s\n", name, loud ? (level == MISSING ? "\033[31m" : "\033[33m") : "",
               levels[level], loud ? "\033[0m" : "", line);
    }
}

/* ---- the machine ---- */

static const char *
find_program(struct vh_cli *cli, const char *name)
{
    const char *path = getenv("PATH");
    for (const char *at = path ? path : "/usr/bin:/bin"; *at;) {
        size_t len = strcspn(at, ":");
        struct stat stat;
        char *full = vh_arena_format(cli->arena, "%.*s/%s", (int)len, at, name);
        if (full && len &&
            cli->app.seam->stat(cli->app.seam->data, AT_FDCWD, full, &stat, 0) == 0 &&
            S_ISREG(stat.st_mode) && (stat.st_mode & 0111)) {
            return full;
        }
        at += len + (at[len] == ':');
    }
    return NULL;
}

static void
check_tools(struct doctor *d)
{
    const char *git = find_program(d->cli, "git");
    const char *gcc = find_program(d->cli, "gcc");
    const char *ld = find_program(d->cli, "ld");
    check(d, "git", git ? FINE : MISSING,
          git ? git : "not on PATH; install it: apt-get install git");
    check(d, "compiler", gcc && ld ? FINE : NOTE,
          gcc && ld ? gcc
                    : "no gcc or ld on PATH; only learning new skills needs them: apt-get install "
                      "gcc binutils");
}

static struct viv_str
read_line(struct vh_cli *cli, const char *path)
{
    struct viv_str text = {NULL, 0};
    int fd = cli->app.seam->open(cli->app.seam->data, AT_FDCWD, path, O_RDONLY, 0);
    char *bytes = vh_arena_alloc(cli->arena, 4097);
    ssize_t got = fd >= 0 && bytes ? cli->app.seam->read(cli->app.seam->data, fd, bytes, 4096) : -1;
    if (fd >= 0) {
        cli->app.seam->close(cli->app.seam->data, fd);
    }
    if (got > 0) {
        text = (struct viv_str){bytes, (uint64_t)got};
        text.len -= text.data[text.len - 1] == '\n';
    }
    return text;
}

static void
check_kernel(struct doctor *d)
{
    struct utsname name;
    struct vh_cli *cli = d->cli;
    struct viv_str lsm = read_line(cli, "/sys/kernel/security/lsm");
    struct viv_str spaces = read_line(cli, "/proc/sys/user/max_user_namespaces");
    struct viv_str unprivileged = read_line(cli, "/proc/sys/kernel/unprivileged_userns_clone");
    struct viv_str apparmor =
        read_line(cli, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    check(d, "kernel", FINE,
          uname(&name) == 0 ? vh_arena_text(cli->arena, name.release) : "unknown");
    if (vh_str_is(spaces, "0") || vh_str_is(unprivileged, "0") || vh_str_is(apparmor, "1")) {
        check(d, "kernel", NOTE,
              vh_str_is(spaces, "0")
                  ? "user namespaces are off: sysctl user.max_user_namespaces is 0"
              : vh_str_is(apparmor, "1")
                  ? "AppArmor keeps ordinary users from user namespaces: sysctl "
                    "kernel.apparmor_restrict_unprivileged_userns is 1"
                  : "only root may make user namespaces: sysctl kernel.unprivileged_userns_clone "
                    "is 0");
    }
    if (lsm.len && !strstr(lsm.data, "landlock")) {
        check(d, "kernel", NOTE,
              "Landlock is not among the security modules; add it to lsm= on the kernel's command "
              "line");
    }
}

/* ---- the sandbox ---- */

static void
check_profile(struct doctor *d, const struct vh_sandbox_profile *profile, const char *text)
{
    static const struct {
        uint32_t bit;
        const char *lacks;
    } rows[] = {
        {VH_PROFILE_USERNS, "user namespace"},
        {VH_PROFILE_MOUNTNS, "mount namespace"},
        {VH_PROFILE_PIDNS, "process namespace"},
        {VH_PROFILE_NETNS, "network namespace"},
        {VH_PROFILE_OVERLAY, "overlay (a copy is made)"},
        {VH_PROFILE_PIVOT, "a root of its own"},
        {VH_PROFILE_LANDLOCK, "Landlock"},
        {VH_PROFILE_PROCESSES, "bound on processes"},
    };
    struct vh_buf buf;
    check(d, "sandbox", FINE, text);
    vh_buf_init(&buf, d->cli->arena, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!(profile->bits & rows[i].bit)) {
            vh_buf_text(&buf, buf.len ? ", " : "this machine does not give: ");
            vh_buf_text(&buf, rows[i].lacks);
        }
    }
    if (buf.len && !buf.failed) {
        check(d, "sandbox", NOTE, buf.data);
    }
    if (profile->variant == VH_SANDBOX_REDUCED_COPY) {
        check(d, "sandbox", NOTE,
              "programs of tasks cannot change modes, owners and times by path, nor open sockets: chmod, install and "
              "'git init' fail there, and a result's executable bits stay as they were");
    }
}

static void
check_sandbox(struct doctor *d)
{
    struct vh_cli *cli = d->cli;
    struct viv_error err = VIV_ERROR_INIT;
    if (cli->app.client || !cli->app.threads) {
        check(d, "sandbox", NOTE,
              cli->app.client ? "the vivhost that has the home holds it; see its 'work' line"
                              : "not tried, since the home is only read");
        return;
    }
    if (vh_app_need_sandbox(&cli->app, &err)) {
        check(d, "sandbox", MISSING, err.text);
        return;
    }
    check_profile(d, &cli->app.run.profile, cli->app.run.profile_text);
}

/* ---- the home ---- */

static struct vh_json *
ask(struct doctor *d, const char *op, const char *name)
{
    struct vh_json *response = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_app_ask(&d->cli->app, vh_cli_request(d->cli, op), d->cli->arena, &response, &err)) {
        check(d, name, MISSING, err.text);
        return NULL;
    }
    return response;
}

static void
check_disk(struct doctor *d, const struct vh_json *response)
{
    struct vh_cli *cli = d->cli;
    int64_t bound = vh_json_int(response, "disk_bound", 0), used = vh_json_int(response, "disk_bytes", 0);
    const char *most = bound ? vh_arena_format(cli->arena, "allowed %.1f MiB", (double)bound / 1048576)
                             : "without a bound: 'limits: disk' of the policy sets one";
    check(d, "disk", bound && used > bound ? NOTE : FINE,
          vh_arena_format(cli->arena, "the home takes %.1f MiB, %s%s", (double)used / 1048576, most ? most : "",
                          bound && used > bound ? "; no new task is taken in: 'vivhost gc' makes room" : ""));
}

static void
check_plugins(struct doctor *d)
{
    struct vh_cli *cli = d->cli;
    struct vh_json *response = ask(d, "audit", "plugins");
    const struct vh_json *problems = vh_json_get(response, "problems");
    if (!response) {
        return;
    }
    check(d, "plugins", vh_json_int(response, "plugins", 0) ? FINE : MISSING,
          vh_json_int(response, "plugins", 0)
              ? vh_arena_format(cli->arena, "%lld known, %u cannot be used",
                                (long long)vh_json_int(response, "plugins", 0),
                                problems ? problems->count : 0)
              : "none; the folder lib/vivarium beside the program is missing: install Vivarium "
                "again");
    check_disk(d, response);
    for (const struct vh_json *p = problems ? problems->child : NULL; p; p = p->next) {
        check(d, "plugin", NOTE,
              vh_arena_format(cli->arena, "%.*s %.*s: %.*s", VH_STR_ARGS(vh_json_str(p, "id")),
                              VH_STR_ARGS(vh_json_str(p, "version")),
                              VH_STR_ARGS(vh_json_str(p, "problem"))));
    }
    if (vh_json_int(response, "damaged", 0)) {
        check(d, "plugins", NOTE,
              vh_arena_format(cli->arena, "%lld entries of the stores are refused, see 'vivhost plugin list'; "
                                          "the first: %.*s",
                              (long long)vh_json_int(response, "damaged", 0),
                              VH_STR_ARGS(vh_json_str(response, "damage"))));
    }
}

static void
check_store(struct doctor *d)
{
    struct vh_cli *cli = d->cli;
    struct vh_json *response = ask(d, "verify", "log");
    int64_t bad = vh_json_int(response, "bad", 0);
    if (response) {
        check(d, "log", bad ? MISSING : FINE,
              bad ? vh_arena_format(cli->arena, "event %lld is bad: %.*s", (long long)bad,
                                    VH_STR_ARGS(vh_json_str(response, "problem")))
                  : vh_arena_format(cli->arena, "%lld events, chain unbroken, head %.*s",
                                    (long long)vh_json_int(response, "events", 0),
                                    VH_STR_ARGS(vh_json_str(response, "head"))));
    }
    const struct vh_json *first = vh_json_get(response, "unmatched_first");
    if (first && first->child) {
        check(d, "log", NOTE,
              vh_arena_format(cli->arena, "%lld effects were announced and have no outcome, as a crash leaves them; "
                              "the first: '%.*s' of %.*s; 'vivhost log verify' names more",
                              (long long)vh_json_int(response, "unmatched", 0),
                              VH_STR_ARGS(vh_json_str(first->child, "effect")),
                              VH_STR_ARGS(vh_json_str(first->child, "task"))));
    }
}

/* The newest checkpoint in the home is of this log; it is extended here, and nothing is written. */
static void
check_checkpoint(struct doctor *d)
{
    struct vh_cli *cli = d->cli;
    struct vh_app *app = &cli->app;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_checkpoint newest, now;
    struct vh_store *store = NULL;
    char *path = vh_arena_format(cli->arena, "%s/vivarium.db", app->home_path);
    viv_status status = vh_app_checkpoint_newest(app, &newest, &err);
    if (status == VIV_OK && newest.events == 0) {
        check(d, "log", app->user.keys ? FINE : NOTE,
              app->user.keys ? "no checkpoint yet; a host writes one at its end"
                             : "no checkpoint is written: there is no folder for your key, neither HOME nor "
                               "XDG_DATA_HOME is an absolute path");
        return;
    }
    status = status || !path ? status : vh_store_open_read(cli->arena, path, &store, &err);
    status = status || !store ? status : vh_checkpoint_make(store, &newest, &now, &err);
    vh_store_close(store);
    check(d, "log", status ? MISSING : FINE,
          status ? err.text
                 : vh_arena_format(cli->arena,
                                   "it extends the newest of " VH_APP_CHECKPOINTS ", of %lld events; keep copies where "
                                   "nobody who writes here gets at them",
                                   (long long)newest.events));
}

static void
say_line(void *data, const char *text)
{
    check(data, "lines", NOTE, text);
}

/* Only a host has git; a client of one asks nobody. */
static void
check_lines(struct doctor *d)
{
    struct vh_cli *cli = d->cli;
    struct viv_error err = VIV_ERROR_INIT;
    if (!cli->app.threads || vh_app_need_sandbox(&cli->app, &err)) {
        return; /* the sandbox's row says why */
    }
    int bad = 0;
    int lines = vh_line_check(cli, say_line, d, &bad);
    if (bad == 0) {
        check(d, "lines", FINE, vh_arena_format(cli->arena, "%d, where the log left them", lines));
    }
}

static void
check_trust(struct doctor *d)
{
    struct viv_str text;
    char hex[VH_HASH_HEX];
    struct vh_cli *cli = d->cli;
    char *path = vh_arena_format(cli->arena, "%s/" VH_POLICY_FILE, cli->app.project);
    viv_status status = path ? vh_fs_read(cli->app.seam, cli->arena, AT_FDCWD, path,
                                          VH_POLICY_BYTES_MAX, &text, NULL)
                             : VIV_E_MEMORY;
    if (status) {
        check(d, "policy", status == VIV_E_NOT_FOUND ? FINE : NOTE,
              status == VIV_E_NOT_FOUND ? "the project has none; yours and the built-in rules hold"
                                        : "the project's " VH_POLICY_FILE " cannot be read");
        return;
    }
    struct viv_error err = VIV_ERROR_INIT;
    vh_hash_text(text, hex);
    bool trusted = vh_app_trusts(&cli->app, hex);
    /* Trust would mend what it may not do without. */
    status = vh_app_try_policy(&cli->app, text, VIV_POLICY_PROJECT, true, &err);
    status = status ? status : vh_app_try_policy(&cli->app, text, VIV_POLICY_PROJECT, trusted, &err);
    if (status) {
        check(d, "policy", MISSING, err.text);
        return;
    }
    check(
        d, "policy", trusted ? FINE : NOTE,
        trusted ? VH_POLICY_FILE " is trusted"
                : VH_POLICY_FILE
            " is not trusted: it only narrows, its checks do not run; 'vivhost trust' allows them");
}

/* The whole host without a worker; else only reading. False when not even that. */
static bool
open_home(struct doctor *d)
{
    struct vh_cli *cli = d->cli;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = vh_app_find(&cli->app, cli->project, &err);
    if (status) {
        check(d, "home", status == VIV_E_NOT_FOUND ? NOTE : MISSING, err.text);
        return false;
    }
    status = vh_app_open(&cli->app, VH_APP_WORK, 0, &err);
    if (status == VIV_OK) {
        check(d, "home", FINE, cli->app.home_path);
        return true;
    }
    struct viv_error ignored = VIV_ERROR_INIT;
    d->foreign = cli->app.read_only || vh_app_check_home(&cli->app, &ignored) == VIV_E_DENIED;
    bool home = cli->app.read_only || d->foreign || status == VIV_E_STORE || status == VIV_E_VERSION;
    check(d, home ? "home" : "host", MISSING, err.text);
    return vh_app_open(&cli->app, VH_APP_READ, 0, &err) == VIV_OK;
}

int
vh_cli_doctor(struct vh_cli *cli)
{
    struct doctor d = {.cli = cli, .checks = vh_json_array(cli->arena)};
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    check_tools(&d);
    check_kernel(&d);
    if (open_home(&d)) {
        check_sandbox(&d);
        check_plugins(&d);
        check_store(&d);
        check_checkpoint(&d);
        check_lines(&d);
        check_trust(&d);
        vh_cli_close(cli);
    }
#ifdef VH_SANITIZED
    check(&d, "build", NOTE, "with a sanitizer: for tests only");
#endif
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set(value, "checks", d.checks);
        vh_json_set_int(cli->arena, value, "ok", !d.missing);
        vh_cli_print_json(cli, value);
    }
    return d.foreign ? VH_EXIT_HOME : d.missing ? VH_EXIT_FAILED : VH_EXIT_OK;
}

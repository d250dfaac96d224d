/* SPDX-License-Identifier: Apache-2.0 */
/* policy check, explain: whether a policy can be used, and what the one in force says of a command. */
#include "cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "cmd_run.h"
#include "run/policy.h"

/* The user's own policy may say what no project's may. It is known by its place, by whatever name that is reached. */
static uint32_t
scope_of(struct vh_cli *cli, const char *path)
{
    const struct vh_app *app = &cli->app;
    const char *own = app->user.config ? vh_arena_format(cli->arena, "%s/" VH_POLICY_OWN_FILE, app->user.config) : NULL;
    struct stat one, other;
    bool same = own && path && app->seam->stat(app->seam->data, AT_FDCWD, own, &one, 0) == 0 &&
                app->seam->stat(app->seam->data, AT_FDCWD, path, &other, 0) == 0 && one.st_dev == other.st_dev &&
                one.st_ino == other.st_ino;
    return same ? VIV_POLICY_USER : VIV_POLICY_PROJECT;
}

static int
check(struct vh_cli *cli)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str text = { NULL, 0 };
    if (!vh_cli_no_more_options(cli, 0, 1)) {
        return VH_EXIT_USAGE;
    }
    viv_status status = vh_app_find(&cli->app, cli->project, &err);
    if (status) {
        (void)vh_cli_fail(cli, status, &err); /* what is wrong with a home has a code of its own */
        return VH_EXIT_HOME;
    }
    char *path = cli->argc ? cli->argv[0] : vh_arena_format(cli->arena, "%s/" VH_POLICY_FILE, cli->app.project);
    status = path ? vh_fs_read(cli->app.seam, cli->arena, AT_FDCWD, path, VH_POLICY_BYTES_MAX, &text, &err)
                  : vh_error_set(&err, VIV_E_MEMORY, "policy", "no memory");
    if (status == VIV_E_NOT_FOUND) {
        status = vh_error_set(&err, status, "policy", "there is no '%s'; name a file", path);
    }
    status = status ? status : vh_app_try_policy(&cli->app, text, scope_of(cli, path), true, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    if (cli->json) {
        char hex[VH_HASH_HEX];
        struct vh_json *value = vh_json_object(cli->arena);
        vh_hash_text(text, hex);
        vh_json_set_text(cli->arena, value, "digest", hex);
        vh_json_set_text(cli->arena, value, "file", path);
        vh_cli_print_json(cli, value);
    } else {
        printf("%s can be used\n", path);
    }
    return VH_EXIT_OK;
}

static void
print_checks(struct vh_cli *cli, const char *what, const struct vh_json *said)
{
    int64_t allowed = 0;
    const struct vh_json *checks = vh_json_get(said, "checks");
    printf("%-9s %.*s\n", what, VH_STR_ARGS(vh_json_str(said, "verdict")));
    for (const struct vh_json *c = checks ? checks->child : NULL; c; c = c->next) {
        int64_t verdict = vh_json_int(c, "verdict", VIV_VERDICT_DENY);
        struct viv_str cure = vh_json_str(c, "cure");
        allowed += verdict == VIV_VERDICT_ALLOW;
        if (verdict != VIV_VERDICT_ALLOW) {
            printf("          %s  %s: %s\n", verdict == VIV_VERDICT_ASK ? "ask " : "deny",
                   vh_cli_line(cli, vh_json_str(c, "id"), 100), vh_cli_line(cli, vh_json_str(c, "reason"), 400));
        }
        if (verdict != VIV_VERDICT_ALLOW && cure.len) {
            printf("                to allow it: %s\n", vh_cli_line(cli, cure, 300));
        }
    }
    if (allowed) {
        printf("          %lld check%s allowed it\n", (long long)allowed, allowed == 1 ? "" : "s");
    }
}

static int
explain(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    const char *goal = vh_cli_option(cli, "--goal");
    struct vh_json *command = vh_cli_command_words(cli);
    if (!command) {
        return vh_cli_usage(cli, "a command is missing: vivhost policy explain -- COMMAND ...");
    }
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_WORK, 1, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "explain");
    vh_json_set(request, "command", command);
    if (goal) {
        vh_json_set_text(cli->arena, request, "goal", goal);
    }
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    struct viv_str verdict = vh_json_str(response, "verdict");
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        printf("verdict   %.*s\n", VH_STR_ARGS(verdict));
        print_checks(cli, "task", vh_json_get(response, "task"));
        print_checks(cli, "command", vh_json_get(response, "command"));
    }
    vh_cli_close(cli);
    return !response                       ? code
           : vh_str_is(verdict, "allow") ? VH_EXIT_OK
           : vh_str_is(verdict, "ask")   ? VH_EXIT_ASK
                                           : VH_EXIT_FAILED;
}

const struct vh_cli_verb vh_cli_policy_verbs[] = {
    { "check", "[FILE]", "whether a policy can be used", check },
    { "explain", "[--goal GOAL] -- COMMAND ...", "what the policy says of a command; nothing is run", explain },
    { NULL, NULL, NULL, NULL },
};

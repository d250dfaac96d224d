/* SPDX-License-Identifier: Apache-2.0 */
/* init, trust: the home and what this user allows. */
#include "cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "run/policy.h"

int
vh_cli_init(struct vh_cli *cli)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (!vh_cli_no_more_options(cli, 0, 1)) {
        return VH_EXIT_USAGE;
    }
    viv_status status = vh_app_init(&cli->app, cli->argc ? cli->argv[0] : cli->project, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_text(cli->arena, value, "home", cli->app.home_path);
        vh_cli_print_json(cli, value);
    } else {
        printf("home made in %s\n", cli->app.home_path);
    }
    return VH_EXIT_OK;
}

/* Digest and text of the project's policy; NULL text when there is none. */
static viv_status
read_policy(struct vh_cli *cli, struct viv_str *ret_text, char ret_hex[VH_HASH_HEX], struct viv_error *err)
{
    char *path = vh_arena_format(cli->arena, "%s/" VH_POLICY_FILE, cli->app.project);
    viv_status status = path ? vh_fs_read(cli->app.seam, cli->arena, AT_FDCWD, path, VH_POLICY_BYTES_MAX, ret_text, err)
                             : vh_error_set(err, VIV_E_MEMORY, "policy", "no memory");
    if (status == VIV_OK) {
        vh_hash_text(*ret_text, ret_hex);
    }
    return status;
}

/* What became of it, in words or as JSON. */
static int
tell(struct vh_cli *cli, const char *subject, const char *state, const char *words)
{
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_text(cli->arena, value, "state", state);
        vh_json_set_text(cli->arena, value, "subject", subject);
        vh_cli_print_json(cli, value);
    } else {
        puts(words);
    }
    return VH_EXIT_OK;
}

static int
trust_policy(struct vh_cli *cli, bool show)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str text = { NULL, 0 };
    char hex[VH_HASH_HEX] = "";
    viv_status status = read_policy(cli, &text, hex, &err);
    if (status == VIV_E_NOT_FOUND) {
        status = vh_error_set(&err, status, "policy", "there is no '%s/" VH_POLICY_FILE "', nothing to trust",
                              cli->app.project);
    }
    if (status == VIV_OK && !show) {
        status = vh_app_try_policy(&cli->app, text, VIV_POLICY_PROJECT, true, &err);
        status = status ? vh_error_extend(&err, status, "not trusted, it cannot be used") : VIV_OK;
    }
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    bool trusted = vh_app_trusts(&cli->app, hex);
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set_text(cli->arena, value, "digest", hex);
        vh_json_set_text(cli->arena, value, "state", trusted || !show ? "trusted" : "not trusted");
        vh_json_set_text(cli->arena, value, "subject", VH_POLICY_FILE);
        vh_cli_print_json(cli, value);
    } else {
        printf("%s, SHA-256 %s, %s:\n%.*s", VH_POLICY_FILE, hex, trusted ? "trusted" : "not trusted",
               VH_STR_ARGS(text));
    }
    if (show) {
        return VH_EXIT_OK;
    }
    status = vh_app_trust_policy(&cli->app, hex, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    if (!cli->json) {
        puts("trusted: what stands above may now run and grant, until the file changes");
    }
    return VH_EXIT_OK;
}

int
vh_cli_trust(struct vh_cli *cli)
{
    struct viv_error err = VIV_ERROR_INIT;
    bool show = vh_cli_flag(cli, "--show");
    bool home = vh_cli_flag(cli, "--home");
    bool withdraw = vh_cli_flag(cli, "--withdraw");
    if (show + home + withdraw > 1) {
        return vh_cli_usage(cli, "'--show', '--home' and '--withdraw' exclude each other");
    }
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    viv_status status = vh_app_find(&cli->app, cli->project, &err);
    if (status) {
        (void)vh_cli_fail(cli, status, &err); /* what is wrong with a home has a code of its own */
        return VH_EXIT_HOME;
    }
    if (home) {
        status = vh_app_trust_home(&cli->app, &err);
        return status ? vh_cli_fail(cli, status, &err) : tell(cli, "home", "trusted", "this home is yours now");
    }
    if (withdraw) {
        status = vh_app_trust_policy(&cli->app, "", &err);
        return status ? vh_cli_fail(cli, status, &err)
                      : tell(cli, VH_POLICY_FILE, "not trusted", "the project's policy is not trusted any more");
    }
    return trust_policy(cli, show);
}

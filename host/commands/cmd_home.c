/* SPDX-License-Identifier: Apache-2.0 */
/* init, trust, doctor: the home and what this user allows. */
#include "cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "run/policy.h"
#include "run/socket.h"

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

int
vh_cli_trust(struct vh_cli *cli)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str text = { NULL, 0 };
    char hex[VH_HASH_HEX] = "";
    bool show = vh_cli_flag(cli, "--show");
    bool home = vh_cli_flag(cli, "--home");
    bool withdraw = vh_cli_flag(cli, "--withdraw");
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    viv_status status = vh_app_find(&cli->app, cli->project, &err);
    if (status) {
        vh_cli_fail(cli, status, &err);
        return VH_EXIT_HOME;
    }
    if (home) {
        status = vh_app_trust_home(&cli->app, &err);
        if (status == VIV_OK) {
            printf("home %s is yours now\n", cli->app.home_path);
        }
        return status ? vh_cli_fail(cli, status, &err) : VH_EXIT_OK;
    }
    if (withdraw) {
        status = vh_app_trust_policy(&cli->app, "", &err);
        if (status) {
            return vh_cli_fail(cli, status, &err);
        }
        puts("the project's policy is not trusted any more");
        return VH_EXIT_OK;
    }
    status = read_policy(cli, &text, hex, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    printf("%s, SHA-256 %s, %s:\n%.*s", VH_POLICY_FILE, hex, vh_app_trusts(&cli->app, hex) ? "trusted" : "not trusted",
           VH_STR_ARGS(text));
    if (show) {
        return VH_EXIT_OK;
    }
    status = vh_app_trust_policy(&cli->app, hex, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    printf("trusted: what stands above may now run and grant, until the file changes\n");
    return VH_EXIT_OK;
}

int
vh_cli_doctor(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    struct viv_error err = VIV_ERROR_INIT;
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    if (!cli->app.client && vh_app_need_sandbox(&cli->app, &err)) {
        fprintf(stderr, "vivhost: no sandbox: %s\n", err.text);
    }
    struct vh_json *response = vh_cli_ask(cli, vh_cli_request(cli, "status"), &code);
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        printf("home      %s\nprofile   %.*s\nevents    %lld\nhead      %.*s\nhost      pid %lld, epoch %lld\n",
               cli->app.home_path, VH_STR_ARGS(vh_json_str(response, "profile")),
               (long long)vh_json_int(response, "seq", 0), VH_STR_ARGS(vh_json_str(response, "head")),
               (long long)vh_json_int(response, "pid", 0), (long long)vh_json_int(response, "epoch", 0));
#ifdef VH_SANITIZED
        puts("build     with a sanitizer: for tests only");
#endif
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

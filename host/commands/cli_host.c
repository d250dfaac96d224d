/* SPDX-License-Identifier: Apache-2.0 */
/* The home from a command's side: open it as host, client or reader; ask; close it. */
#include "cli.h"

#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "run/socket.h"

bool
vh_cli_open(struct vh_cli *cli, enum vh_app_need need, int workers, int *ret_exit)
{
    struct viv_error err = VIV_ERROR_INIT;
    cli->app.fail_step = cli->fail_step;
    viv_status status = vh_app_find(&cli->app, cli->project, &err);
    if (status == VIV_OK) {
        status = vh_app_open(&cli->app, need, workers, &err);
    }
    if (status == VIV_OK) {
        return true;
    }
    (void)vh_cli_fail(cli, status, &err); /* the exit code of a home is told by what is wrong with it */
    *ret_exit = status == VIV_E_NOT_FOUND || status == VIV_E_DENIED ? VH_EXIT_HOME : VH_EXIT_SYSTEM;
    return false;
}

void
vh_cli_close(struct vh_cli *cli)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (cli->app.socket) {
        vh_socket_drain(cli->app.socket, &vh_cli_stop); /* a command line that became host stays for its clients */
    }
    if (vh_app_close(&cli->app, &err)) {
        fprintf(stderr, "vivhost: %s\n", err.text);
    }
}

struct vh_json *
vh_cli_request(struct vh_cli *cli, const char *op)
{
    struct vh_json *request = vh_json_object(cli->arena);
    vh_json_set_text(cli->arena, request, "op", op);
    return request;
}

struct vh_json *
vh_cli_ask(struct vh_cli *cli, struct vh_json *request, int *ret_exit)
{
    struct vh_json *response = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = vh_app_ask(&cli->app, request, cli->arena, &response, &err);
    if (status) {
        *ret_exit = vh_cli_fail(cli, status, &err);
        return NULL;
    }
    return response;
}

struct vh_json *
vh_cli_query(struct vh_cli *cli, struct vh_json *request, int *ret_exit)
{
    if (!vh_cli_open(cli, VH_APP_READ, 0, ret_exit)) {
        return NULL;
    }
    struct vh_json *response = vh_cli_ask(cli, request, ret_exit);
    if (response) {
        *ret_exit = VH_EXIT_OK;
    }
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    }
    return response;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* route, skill, plugin: what there is and what would answer. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

int
vh_cli_route(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "route");
    vh_json_set_text(cli->arena, request, "goal", cli->argv[0]);
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    struct viv_str skill = vh_json_str(response, "skill");
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        printf("%.*s%s%.*s\n%.*s\n", VH_STR_ARGS(skill.len ? skill : VH_STR("no route")), skill.len ? " with " : "",
               VH_STR_ARGS(vh_json_str(response, "input")), VH_STR_ARGS(vh_json_str(response, "reason")));
        const struct vh_json *list = vh_json_get(response, "candidates");
        for (const struct vh_json *c = list ? list->child : NULL; c; c = c->next) {
            printf("  %.*s \"%.*s\": %.*s\n", VH_STR_ARGS(vh_json_str(c, "skill")),
                   VH_STR_ARGS(vh_json_str(c, "template")), VH_STR_ARGS(vh_json_str(c, "why")));
        }
    }
    vh_cli_close(cli);
    return !response ? code : skill.len ? VH_EXIT_OK : VH_EXIT_FAILED;
}

static int
list(struct vh_cli *cli, const char *kind, const char *id)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "plugins");
    if (strcmp(kind, "skill") == 0) {
        vh_json_set_text(cli->arena, request, "kind", kind);
    }
    if (id) {
        vh_json_set_text(cli->arena, request, "id", id);
        vh_json_set_int(cli->arena, request, "manifest", 1);
    }
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    const struct vh_json *plugins = vh_json_get(response, "plugins");
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    }
    for (const struct vh_json *p = plugins && !cli->json ? plugins->child : NULL; p; p = p->next) {
        printf("%-24.*s %-8.*s %-7.*s %.*s\n", VH_STR_ARGS(vh_json_str(p, "id")),
               VH_STR_ARGS(vh_json_str(p, "version")), VH_STR_ARGS(vh_json_str(p, "kind")),
               VH_STR_ARGS(vh_json_str(p, "description")));
        if (id) {
            printf("digest   %.*s\nmanifest %.*s\n", VH_STR_ARGS(vh_json_str(p, "digest")),
                   VH_STR_ARGS(vh_json_str(p, "manifest")));
        }
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

static int
call(struct vh_cli *cli, const char *input)
{
    int code = VH_EXIT_SYSTEM;
    struct vh_json *value = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (vh_json_import(cli->arena, vh_str(input ? input : "{}"), &value, &err)) {
        return vh_cli_usage(cli, "option '--input' is no JSON: %s", err.text);
    }
    if (!vh_cli_open(cli, VH_APP_WORK, 1, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "call");
    vh_json_set(request, "input", value);
    vh_json_set_text(cli->arena, request, "skill", cli->argv[1]);
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        struct viv_str text = vh_json_str(response, "text");
        printf("%.*s%s", VH_STR_ARGS(text), text.len && text.data[text.len - 1] == '\n' ? "" : "\n");
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

int
vh_cli_skill(struct vh_cli *cli)
{
    const char *input = vh_cli_option(cli, "--input");
    if (!vh_cli_no_more_options(cli, 1, 2)) {
        return VH_EXIT_USAGE;
    }
    if (strcmp(cli->argv[0], "list") == 0) {
        return list(cli, "skill", NULL);
    }
    if (cli->argc == 2 && strcmp(cli->argv[0], "info") == 0) {
        return list(cli, "skill", cli->argv[1]);
    }
    if (cli->argc == 2 && strcmp(cli->argv[0], "call") == 0) {
        return call(cli, input);
    }
    return vh_cli_usage(cli, "there is no 'skill %s', or an id is missing", cli->argv[0]);
}

int
vh_cli_plugin(struct vh_cli *cli)
{
    if (!vh_cli_no_more_options(cli, 1, 2)) {
        return VH_EXIT_USAGE;
    }
    if (strcmp(cli->argv[0], "list") == 0) {
        return list(cli, "plugin", NULL);
    }
    if (cli->argc == 2 && strcmp(cli->argv[0], "info") == 0) {
        return list(cli, "plugin", cli->argv[1]);
    }
    return vh_cli_usage(cli, "there is no 'plugin %s', or an id is missing", cli->argv[0]);
}

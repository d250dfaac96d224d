/* SPDX-License-Identifier: Apache-2.0 */
/* model list: the models of the policy, by tier, with their prices. */
#include "cli.h"

#include <stdio.h>

#include "base/str.h"

static void
print_model(struct vh_cli *cli, const struct vh_json *model)
{
    const struct vh_json *price = vh_json_get(model, "price");
    printf("%-20s %-10s %14s %14s %10lld  %s at %s%s%s\n", vh_cli_line(cli, vh_json_str(model, "name"), 64),
           vh_cli_line(cli, vh_json_str(model, "tier"), 32), vh_cli_money(cli, vh_json_int(price, "input_micro", 0)),
           vh_cli_money(cli, vh_json_int(price, "output_micro", 0)), (long long)vh_json_int(model, "context", 0),
           vh_cli_line(cli, vh_json_str(model, "model"), 80), vh_cli_line(cli, vh_json_str(model, "base_url"), 120),
           vh_json_str(model, "secret").len ? ", key: secret " : ", without a key",
           vh_cli_line(cli, vh_json_str(model, "secret"), 64));
}

static int
list(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    struct vh_json *response = vh_cli_query(cli, vh_cli_request(cli, "models"), &code);
    if (!response) {
        return code;
    }
    const struct vh_json *models = vh_json_get(response, "models");
    if (!cli->json && models && models->count == 0) {
        puts("no model: your policy names none; 'models' in docs/operate.md says how, 'vivhost policy check' tries it");
    } else if (!cli->json) {
        printf("%-20s %-10s %14s %14s %10s\n", "name", "tier", "input/million", "output/million", "context");
        for (const struct vh_json *m = models ? models->child : NULL; m; m = m->next) {
            print_model(cli, m);
        }
    }
    vh_cli_close(cli);
    return VH_EXIT_OK;
}

const struct vh_cli_verb vh_cli_model_verbs[] = {
    { "list", "", "name, tier and price of each", list },
    { NULL, NULL, NULL, NULL },
};

/* SPDX-License-Identifier: Apache-2.0 */
/* budget show: what may be spent, what is held and what was spent, by account. */
#include "cli.h"

#include <stdio.h>

#include "base/str.h"

static void
print_account(struct vh_cli *cli, const struct vh_json *account)
{
    int64_t limit = vh_json_int(account, "limit_micro", 0), held = vh_json_int(account, "reserved_micro", 0);
    int64_t spent = vh_json_int(account, "settled_micro", 0);
    printf("%-32s %14s %14s %14s %14s\n", vh_cli_line(cli, vh_json_str(account, "account"), 80),
           vh_cli_money(cli, spent), vh_cli_money(cli, held), vh_cli_money(cli, limit),
           vh_cli_money(cli, limit - spent - held));
}

static void
print_page(struct vh_cli *cli, const struct vh_json *list, bool first)
{
    if (first && list->count == 0) {
        puts("nothing was held or spent yet; what may be is said by 'limits' of the policies");
    } else if (first) {
        printf("%-32s %14s %14s %14s %14s\n", "account", "spent", "held", "limit", "left");
    }
    for (const struct vh_json *a = list->child; a; a = a->next) {
        print_account(cli, a);
    }
}

static int
show(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    struct viv_str after = { NULL, 0 };
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_READ, 0, &code)) {
        return code;
    }
    for (bool more = true, first = true; more; first = false) {
        struct vh_json *request = vh_cli_request(cli, "accounts");
        vh_json_set_str(cli->arena, request, "account", after);
        struct vh_json *response = vh_cli_ask(cli, request, &code);
        const struct vh_json *list = vh_json_get(response, "accounts");
        if (!list) {
            break;
        }
        if (cli->json) {
            vh_cli_print_json(cli, response);
        } else {
            print_page(cli, list, first);
        }
        for (const struct vh_json *a = list->child; a; a = a->next) {
            after = vh_json_str(a, "account");
        }
        more = vh_json_int(response, "more", 0) != 0;
        code = VH_EXIT_OK;
    }
    vh_cli_close(cli);
    return code;
}

const struct vh_cli_verb vh_cli_budget_verbs[] = {
    { "show", "", "what each account may spend, holds and has spent", show },
    { NULL, NULL, NULL, NULL },
};

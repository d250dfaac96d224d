/* SPDX-License-Identifier: Apache-2.0 */
/* budget show: what may be spent, what is held and what was spent, by account. budget set: less than the policy
 * allows. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

static void
print_account(struct vh_cli *cli, const struct vh_json *account)
{
    int64_t limit = vh_json_int(account, "limit_micro", 0), held = vh_json_int(account, "reserved_micro", 0);
    int64_t spent = vh_json_int(account, "settled_micro", 0), cap = vh_json_int(account, "cap_micro", INT64_MAX);
    limit = cap < limit ? cap : limit;
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

/* "2.50" in micro-units; -1 for anything else. */
static int64_t
read_money(const char *text)
{
    int64_t micro = 0, place = 1000000;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && at - text < 8; at++) {
        micro = micro * 10 + (*at - '0');
    }
    micro *= 1000000;
    bool good = at > text;
    if (good && *at == '.') {
        good = at[1] != '\0';
        for (at++; *at >= '0' && *at <= '9' && place > 1; at++) {
            place /= 10;
            micro += (*at - '0') * place;
        }
    }
    return good && *at == '\0' ? micro : -1;
}

static int
set(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 2, 2)) {
        return VH_EXIT_USAGE;
    }
    const char *account = cli->argv[0], *amount = cli->argv[1];
    bool none = strcmp(amount, "none") == 0;
    int64_t micro = none ? -1 : read_money(amount);
    if (!none && micro < 0) {
        return vh_cli_usage(cli, "'%s' is no amount, allowed: money with at most six decimals like 2.50, or none",
                            vh_cli_line(cli, vh_str(amount), 40));
    }
    if (!vh_cli_open(cli, VH_APP_WRITE, 0, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "cap");
    vh_json_set_text(cli->arena, request, "account", account);
    vh_json_set_int(cli->arena, request, "limit_micro", micro);
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response && none) {
        printf("account '%s' has the policy's limit again\n", account);
    } else if (response) {
        printf("account '%s' may spend %s in all, or what the policy says where that is less\n", account,
               vh_cli_money(cli, micro));
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

const struct vh_cli_verb vh_cli_budget_verbs[] = {
    { "show", "", "what each account may spend, holds and has spent", show },
    { "set", "ACCOUNT MONEY|none", "limit an account further than the policy does, from now on", set },
    { NULL, NULL, NULL, NULL },
};

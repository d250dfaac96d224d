/* SPDX-License-Identifier: Apache-2.0 */
/* What a task's commands sent and received: the sum over the outcomes of its effects. */
#include "cmd_task.h"

#include <stdio.h>

#include "base/str.h"

#define LINE_BYTES 200
#define LISTED_MAX 64

/* The member of `list` with the same texts as `item`, made when it is not there; NULL: there is no room. */
static struct vh_json *
like(struct vh_cli *cli, struct vh_json *list, const struct vh_json *item)
{
    struct viv_str host = vh_json_str(item, "host"), why = vh_json_str(item, "why");
    for (struct vh_json *one = list ? list->child : NULL; one; one = one->next) {
        if (vh_str_equal(vh_json_str(one, "host"), host) && vh_str_equal(vh_json_str(one, "why"), why)) {
            return one;
        }
    }
    if (!list || list->count >= LISTED_MAX) {
        return NULL;
    }
    struct vh_json *one = vh_json_object(cli->arena);
    const char *name = vh_arena_text_of(cli->arena, host), *reason = vh_arena_text_of(cli->arena, why);
    vh_json_set_text(cli->arena, one, "host", name);
    if (why.len) {
        vh_json_set_text(cli->arena, one, "why", reason);
    }
    vh_json_push(list, one);
    return one;
}

static void
add(struct vh_cli *cli, struct vh_json *to, const struct vh_json *from)
{
    static const char *const numbers[] = { "bytes_in", "bytes_out", "connections", "lost", "times" };
    for (size_t i = 0; to && i < sizeof numbers / sizeof *numbers; i++) {
        int64_t more = vh_json_int(from, numbers[i], 0);
        if (more > 0) {
            int64_t sum = vh_json_int(to, numbers[i], 0) + more;
            vh_json_set_int(cli->arena, to, numbers[i], sum > VH_JSON_INTEGER_MAX ? VH_JSON_INTEGER_MAX : sum);
        }
    }
}

static void
add_lists(struct vh_cli *cli, struct vh_json *to, const struct vh_json *from)
{
    static const char *const lists[] = { "hosts", "refused" };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct vh_json *more = vh_json_get(from, lists[i]);
        struct vh_json *list = NULL;
        for (struct vh_json *m = to->child; m; m = m->next) {
            list = vh_str_is(m->key, lists[i]) ? m : list;
        }
        for (const struct vh_json *item = more ? more->child : NULL; item; item = item->next) {
            add(cli, like(cli, list, item), item);
        }
    }
}

/* One page; false at the end, or after a complaint. */
static bool
take_page(struct vh_cli *cli, struct vh_arena *kept, int64_t *after, struct vh_json *traffic, int *ret_exit)
{
    struct vh_json *request = vh_cli_request(cli, "events");
    vh_json_set_text(cli->arena, request, "task", cli->argv[0]);
    vh_json_set_int(cli->arena, request, "after", *after);
    struct vh_json *response = vh_cli_ask(cli, request, ret_exit);
    const struct vh_json *events = vh_json_get(response, "events");
    struct vh_arena *own = cli->arena;
    cli->arena = kept;
    for (const struct vh_json *e = events ? events->child : NULL; e; e = e->next) {
        const struct vh_json *event = vh_json_get(e, "event");
        const struct vh_json *network = vh_json_get(vh_json_get(event, "data"), "network");
        if (network && vh_str_is(vh_json_str(event, "kind"), "effect.finished")) {
            vh_json_set_int(kept, traffic, "commands", vh_json_int(traffic, "commands", 0) + 1);
            add(cli, traffic, network);
            add_lists(cli, traffic, network);
        }
    }
    cli->arena = own;
    int64_t last = vh_json_int(response, "last", *after);
    bool more = events && events->count > 0 && last > *after;
    *after = last;
    return more;
}

struct vh_json *
vh_cli_traffic(struct vh_cli *cli, int *ret_exit)
{
    struct vh_arena *kept = cli->arena;
    struct vh_json *traffic = vh_json_object(kept);
    int64_t after = 0;
    bool more = true;
    int code = VH_EXIT_OK;
    vh_json_set(traffic, "hosts", vh_json_array(kept));
    vh_json_set(traffic, "refused", vh_json_array(kept));
    while (more && traffic) {
        cli->arena = vh_arena_create(NULL, 0);
        more = cli->arena && take_page(cli, kept, &after, traffic, &code);
        vh_arena_destroy(cli->arena);
        cli->arena = kept;
    }
    if (code != VH_EXIT_OK) {
        *ret_exit = code;
        return NULL;
    }
    return traffic;
}

struct vh_json *
vh_cli_with_traffic(struct vh_cli *cli, const struct vh_json *task, const struct vh_json *traffic)
{
    struct vh_json *whole = vh_json_clone(cli->arena, task);
    if (vh_json_int(traffic, "commands", 0)) {
        vh_json_set(whole, "network", vh_json_clone(cli->arena, traffic));
    }
    return whole;
}

void
vh_cli_say_traffic(struct vh_cli *cli, const struct vh_json *traffic)
{
    const struct vh_json *hosts = vh_json_get(traffic, "hosts"), *refused = vh_json_get(traffic, "refused");
    int64_t lost = vh_json_int(traffic, "lost", 0);
    if (!vh_json_int(traffic, "commands", 0)) {
        return;
    }
    printf("%-11s %lld bytes in, %lld out, by %lld connections\n", "network",
           (long long)vh_json_int(traffic, "bytes_in", 0), (long long)vh_json_int(traffic, "bytes_out", 0),
           (long long)vh_json_int(traffic, "connections", 0));
    for (const struct vh_json *h = hosts ? hosts->child : NULL; h; h = h->next) {
        printf("%-11s %s: %lld bytes in, %lld out\n", "", vh_cli_line(cli, vh_json_str(h, "host"), LINE_BYTES),
               (long long)vh_json_int(h, "bytes_in", 0), (long long)vh_json_int(h, "bytes_out", 0));
    }
    for (const struct vh_json *r = refused ? refused->child : NULL; r; r = r->next) {
        printf("%-11s refused %lld times: %s (%s)\n", "", (long long)vh_json_int(r, "times", 0),
               vh_cli_line(cli, vh_json_str(r, "host"), LINE_BYTES),
               vh_cli_line(cli, vh_json_str(r, "why"), LINE_BYTES));
    }
    if (lost) {
        printf("%-11s what %lld commands sent and received is not known: the proxy ended\n", "", (long long)lost);
    }
}

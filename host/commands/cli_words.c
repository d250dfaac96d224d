/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a command line: options, verbs, and what to say about those nobody knows. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "load/nearest.h"

#define NAMES_MAX 64

static void
remove_words(struct vh_cli *cli, int at, int count)
{
    for (int i = at; i + count <= cli->argc; i++) {
        cli->argv[i] = cli->argv[i + count];
    }
    cli->argc -= count;
}

const char *
vh_cli_option(struct vh_cli *cli, const char *name)
{
    size_t len = strlen(name);
    for (int i = 0; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++) {
        char *word = cli->argv[i];
        bool has_value = i + 1 < cli->argc && strcmp(cli->argv[i + 1], "--") != 0;
        if (strcmp(word, name) == 0 && has_value) {
            char *value = cli->argv[i + 1];
            remove_words(cli, i, 2);
            return value;
        }
        if (strncmp(word, name, len) == 0 && word[len] == '=') {
            remove_words(cli, i, 1);
            return word + len + 1;
        }
    }
    return NULL;
}

bool
vh_cli_flag(struct vh_cli *cli, const char *name)
{
    for (int i = 0; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++) {
        if (strcmp(cli->argv[i], name) == 0) {
            remove_words(cli, i, 1);
            return true;
        }
    }
    return false;
}

bool
vh_cli_number(struct vh_cli *cli, const char *name, int64_t fallback, int64_t min, int64_t max, int64_t *ret_number)
{
    const char *text = vh_cli_option(cli, name);
    *ret_number = fallback;
    if (!text) {
        return true;
    }
    char *end = NULL;
    long long value = strtoll(text, &end, 10);
    bool digits = (*text >= '0' && *text <= '9') || (*text == '-' && text[1] >= '0' && text[1] <= '9');
    if (!digits || *end != '\0' || strlen(text) > 18 || value < min || value > max) {
        vh_cli_usage(cli, "option '%s' is '%s', allowed %lld to %lld", name, text, (long long)min, (long long)max);
        return false;
    }
    *ret_number = value;
    return true;
}

/* ---- what nobody knows ---- */

static size_t
add_options(const struct vh_cli_option *options, const char **names, size_t count)
{
    for (; options && options->name && count < NAMES_MAX; options++) {
        names[count++] = options->name;
    }
    return count;
}

static const struct vh_cli_option *
known_option(const struct vh_cli *cli, const char *word, size_t len)
{
    const struct vh_cli_option *lists[] = { cli->command->options, vh_cli_everywhere };
    for (size_t i = 0; i < 2; i++) {
        for (const struct vh_cli_option *o = lists[i]; o && o->name; o++) {
            if (strlen(o->name) == len && strncmp(o->name, word, len) == 0) {
                return o;
            }
        }
    }
    return NULL;
}

/* The word at `at`, which nobody took. */
static void
say_option(const struct vh_cli *cli, int at)
{
    const char *word = cli->argv[at];
    bool last = at + 1 == cli->argc || strcmp(cli->argv[at + 1], "--") == 0;
    const char *names[NAMES_MAX + 1] = { NULL };
    size_t len = strcspn(word, "=");
    const struct vh_cli_option *option = known_option(cli, word, len);
    if (option && option->value && word[len] == '\0' && last) {
        vh_cli_usage(cli, "option '%s' needs its %s", option->name, option->value);
        return;
    }
    if (option && !option->value && word[len] == '=') {
        vh_cli_usage(cli, "option '%s' takes no value", option->name);
        return;
    }
    if (option) {
        vh_cli_usage(cli, "option '%s' is not for '%s%s%s', or stands there twice", option->name, cli->command->name,
                     cli->verb ? " " : "", cli->verb ? cli->verb->name : "");
        return;
    }
    names[add_options(vh_cli_everywhere, names, add_options(cli->command->options, names, 0))] = NULL;
    char plain[64];
    snprintf(plain, sizeof plain, "%.*s", (int)(len < sizeof plain ? len : sizeof plain - 1), word);
    const char *near = vh_nearest(names, plain);
    vh_cli_usage(cli, "there is no option '%s'%s%s%s; 'vivhost %s --help' lists all", plain,
                 near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "", cli->command->name);
}

bool
vh_cli_no_more_options(struct vh_cli *cli, int words_min, int words_max)
{
    int words = 0;
    for (; words < cli->argc && strcmp(cli->argv[words], "--") != 0; words++) {
        if (cli->argv[words][0] == '-' && cli->argv[words][1] != '\0') {
            say_option(cli, words);
            return false;
        }
    }
    if (words < words_min) {
        vh_cli_usage(cli, "something is missing after '%s%s%s'", cli->command->name, cli->verb ? " " : "",
                     cli->verb ? cli->verb->name : "");
        return false;
    }
    if (words > words_max) {
        vh_cli_usage(cli, "'%s' is one word too many%s", cli->argv[words_max],
                     words_max == 1 && !cli->verb ? "; put a text of several words in quotes" : "");
        return false;
    }
    return true;
}

static void
say_verb(const struct vh_cli *cli, const char *word)
{
    const char *names[NAMES_MAX + 1] = { NULL };
    char list[256] = "";
    size_t count = 0, len = 0;
    for (const struct vh_cli_verb *v = cli->command->verbs; v->name && count < NAMES_MAX; v++) {
        names[count++] = v->name;
        int put = snprintf(list + len, sizeof list - len, "%s%s", len ? ", " : "", v->name);
        len += put > 0 && (size_t)put < sizeof list - len ? (size_t)put : 0;
    }
    const char *near = word ? vh_nearest(names, word) : NULL;
    if (!word) {
        vh_cli_usage(cli, "'%s' wants one of: %s", cli->command->name, list);
        return;
    }
    vh_cli_usage(cli, "there is no '%s %s'%s%s%s; there are: %s", cli->command->name, word,
                 near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "", list);
}

bool
vh_cli_take_verb(struct vh_cli *cli)
{
    const char *word = cli->argc ? cli->argv[0] : NULL;
    for (const struct vh_cli_verb *v = cli->command->verbs; v->name && word; v++) {
        if (strcmp(v->name, word) == 0) {
            cli->verb = v;
            remove_words(cli, 0, 1);
            return true;
        }
    }
    say_verb(cli, word);
    return false;
}

bool
vh_cli_words_ok(const struct vh_cli *cli)
{
    for (int i = 0; i < cli->argc; i++) {
        if (!vh_str_utf8(vh_str(cli->argv[i]))) {
            vh_cli_usage(cli, "'%.64s' is not UTF-8, and what is recorded must be; write it in UTF-8", cli->argv[i]);
            return false;
        }
    }
    if (!vh_str_utf8(vh_str(cli->project))) {
        vh_cli_usage(cli, "folder '%.64s' is not UTF-8; give it by another name", cli->project);
        return false;
    }
    return true;
}

const struct vh_cli_command *
vh_cli_find(const char *name)
{
    for (size_t i = 0; i < vh_cli_command_count; i++) {
        if (strcmp(vh_cli_commands[i].name, name) == 0) {
            return &vh_cli_commands[i];
        }
    }
    return NULL;
}

int
vh_cli_unknown_command(const struct vh_cli *cli, const char *word)
{
    const char *names[NAMES_MAX + 1] = { NULL };
    char plain[64];
    (void)cli;
    snprintf(plain, sizeof plain, "%s", word);
    vh_str_clean(plain);
    for (size_t i = 0; i < vh_cli_command_count && i < NAMES_MAX; i++) {
        names[i] = vh_cli_commands[i].name;
    }
    const char *near = vh_nearest(names, plain);
    fprintf(stderr, "vivhost: there is no command '%s'%s%s%s; 'vivhost --help' lists all\n", plain,
            near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    return VH_EXIT_USAGE;
}

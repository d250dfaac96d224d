/* SPDX-License-Identifier: Apache-2.0 */
/* schema, completion: what other programs need to know about this one, out of what is compiled in. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "load/nearest.h"
#include "schemas.h"

static int
list_schemas(struct vh_cli *cli)
{
    struct vh_json *list = vh_json_array(cli->arena);
    for (const struct vh_schema_text *s = vh_schema_texts; s->name; s++) {
        if (cli->json) {
            vh_json_push(list, vh_json_string(cli->arena, vh_str(s->name)));
        } else {
            printf("%-10s %s\n", s->name, s->title);
        }
    }
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        vh_json_set(value, "schemas", list);
        vh_cli_print_json(cli, value);
    }
    return VH_EXIT_OK;
}

int
vh_cli_schema(struct vh_cli *cli)
{
    const char *names[64] = { NULL };
    size_t count = 0;
    if (!vh_cli_no_more_options(cli, 0, 1)) {
        return VH_EXIT_USAGE;
    }
    if (cli->argc == 0) {
        return list_schemas(cli);
    }
    for (const struct vh_schema_text *s = vh_schema_texts; s->name; s++) {
        if (strcmp(s->name, cli->argv[0]) == 0) {
            fwrite(s->text, 1, s->len, stdout);
            return VH_EXIT_OK;
        }
        names[count] = s->name;
        count += count + 2 < sizeof names / sizeof *names;
    }
    const char *near = vh_nearest(names, cli->argv[0]);
    return vh_cli_usage(cli, "there is no schema '%.64s'%s%s%s; 'vivhost schema' lists all", cli->argv[0],
                        near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* ---- completion ---- */

static void
print_names(const struct vh_cli_option *options, const char *before)
{
    for (const struct vh_cli_option *o = options; o && o->name; o++) {
        printf("%s%s", before, o->name);
    }
}

static void
bash(void)
{
    puts("# bash completion for vivhost, made by 'vivhost completion bash'\n_vivhost() {\n"
         "    local word=\"${COMP_WORDS[COMP_CWORD]}\" command=\"${COMP_WORDS[1]}\" words=\"\"\n"
         "    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    printf("        words=\"help --help --version");
    for (size_t i = 0; i < vh_cli_command_count; i++) {
        printf(" %s", vh_cli_commands[i].name);
    }
    puts("\"\n    else\n        case \"$command\" in");
    for (size_t i = 0; i < vh_cli_command_count; i++) {
        const struct vh_cli_command *command = &vh_cli_commands[i];
        printf("        %s) words=\"", command->name);
        print_names(command->options, " ");
        print_names(vh_cli_everywhere, " ");
        printf("\"\n");
        if (command->verbs) {
            printf("            if [ \"$COMP_CWORD\" -eq 2 ]; then words=\"");
            for (const struct vh_cli_verb *v = command->verbs; v->name; v++) {
                printf(" %s", v->name);
            }
            puts(" --help\"; fi");
        }
        puts("            ;;");
    }
    puts("        esac\n    fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
         "complete -o default -F _vivhost vivhost");
}

/* Single quotes inside end the quoting. */
static void
print_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else {
            putchar(*text);
        }
    }
    putchar('\'');
}

static void
zsh(void)
{
    puts("#compdef vivhost\n# zsh completion for vivhost, made by 'vivhost completion zsh'\n_vivhost() {\n"
         "    local -a offers\n    if (( CURRENT == 2 )); then\n        offers=(");
    for (size_t i = 0; i < vh_cli_command_count; i++) {
        printf("            %s:", vh_cli_commands[i].name);
        print_quoted(vh_cli_commands[i].summary);
        putchar('\n');
    }
    puts("        )\n        _describe command offers\n        return\n    fi\n    case \"$words[2]\" in");
    for (size_t i = 0; i < vh_cli_command_count; i++) {
        const struct vh_cli_command *command = &vh_cli_commands[i];
        printf("    %s) offers=(", command->name);
        for (const struct vh_cli_verb *v = command->verbs; v && v->name; v++) {
            printf(" %s", v->name);
        }
        print_names(command->options, " ");
        print_names(vh_cli_everywhere, " ");
        puts(") ;;");
    }
    puts("    esac\n    compadd -- $offers\n    _files\n}\ncompdef _vivhost vivhost");
}

static void
fish_options(const char *command, const struct vh_cli_option *options)
{
    for (const struct vh_cli_option *o = options; o && o->name; o++) {
        bool word = strncmp(o->name, "--", 2) == 0;
        printf("complete -c vivhost -n '__fish_seen_subcommand_from %s' %s %s%s -d ", command, word ? "-l" : "-s",
               o->name + (word ? 2 : 1), o->value ? " -r" : "");
        print_quoted(o->text);
        putchar('\n');
    }
}

static void
fish(void)
{
    puts("# fish completion for vivhost, made by 'vivhost completion fish'");
    for (size_t i = 0; i < vh_cli_command_count; i++) {
        const struct vh_cli_command *command = &vh_cli_commands[i];
        printf("complete -c vivhost -n __fish_use_subcommand -f -a %s -d ", command->name);
        print_quoted(command->summary);
        putchar('\n');
        for (const struct vh_cli_verb *v = command->verbs; v && v->name; v++) {
            printf("complete -c vivhost -n '__fish_seen_subcommand_from %s' -f -a %s -d ", command->name, v->name);
            print_quoted(v->text);
            putchar('\n');
        }
        fish_options(command->name, command->options);
        fish_options(command->name, vh_cli_everywhere);
    }
}

int
vh_cli_completion(struct vh_cli *cli)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(cli->argv[0], shells[i].name) == 0) {
            shells[i].print();
            return VH_EXIT_OK;
        }
    }
    return vh_cli_usage(cli, "there is no completion for '%.32s', allowed: bash, zsh, fish", cli->argv[0]);
}

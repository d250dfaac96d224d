/* SPDX-License-Identifier: Apache-2.0 */
#include "shell_words.h"

#include <string.h>

#include "base/str.h"

/* First words that are not programs, or behave otherwise in a shell; quoted or not, a builtin stays
 * one. */
static const char *
not_a_program(struct viv_str word)
{
    static const char *const words[] = {
        "if",      "then",    "else",    "elif",     "fi",       "for",     "while",    "until",
        "do",      "done",    "case",    "esac",     "in",       "select",  "function", "time",
        "coproc",  "cd",      "chdir",   "export",   "set",      "unset",   "exec",     "eval",
        "source",  ".",       ":",       "read",     "return",   "exit",    "trap",     "umask",
        "ulimit",  "alias",   "unalias", "shift",    "wait",     "jobs",    "fg",       "bg",
        "command", "type",    "local",   "readonly", "getopts",  "hash",    "builtin",  "declare",
        "typeset", "let",     "pushd",   "popd",     "dirs",     "shopt",   "break",    "continue",
        "times",   "kill",    "caller",  "compgen",  "complete", "compopt", "disown",   "enable",
        "suspend", "history", "logout",  "help",     "fc",       "bind",    "mapfile",  "readarray",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (vh_str_is(word, words[i])) {
            return "a word of the shell itself";
        }
    }
    return NULL;
}

static bool
is_assignment(struct viv_str word)
{
    for (uint64_t i = 0; i < word.len; i++) {
        char c = word.data[i];
        if (c == '=') {
            return i > 0;
        }
        if (!(c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (i && c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return false;
}

/* Only %s %d %%, and \n \t \\: the rest is read differently from shell to shell. */
static bool
plain_format(struct viv_str format)
{
    for (uint64_t i = 0; i < format.len; i++) {
        char c = format.data[i], next_one = i + 1 < format.len ? format.data[i + 1] : '\0';
        if ((c == '%' && (next_one == '\0' || !strchr("sd%", next_one))) ||
            (c == '\\' && (next_one == '\0' || !strchr("nt\\", next_one)))) {
            return false;
        }
        i += c == '%' || c == '\\';
    }
    return true;
}

/* The operators that every test has. */
static bool
plain_test(struct viv_str word)
{
    static const char *const options[] = {"-e", "-f", "-d",  "-s",  "-r",  "-w",  "-x",  "-n", "-z",
                                          "-L", "-h", "-eq", "-ne", "-lt", "-le", "-gt", "-ge"};
    bool option = vh_str_starts(word, "-");
    for (size_t i = 0; option && i < sizeof options / sizeof *options; i++) {
        if (vh_str_is(word, options[i])) {
            return true;
        }
    }
    return !option && !vh_str_is(word, "==") && !vh_str_is(word, "=~");
}

/* Options and escapes that a shell's own echo, printf and test take otherwise than the programs of
 * that name. */
static const char *
other_builtin(const struct vh_json *argv, struct viv_str word)
{
    struct viv_str program = argv->child ? argv->child->text : (struct viv_str){NULL, 0};
    bool escapes = word.len && memchr(word.data, '\\', (size_t)word.len);
    bool option = vh_str_starts(word, "-");
    if (vh_str_is(program, "echo") && (escapes || option)) {
        return "an echo with a backslash or an option";
    }
    if (vh_str_is(program, "printf") && argv->count == 1 && (option || !plain_format(word))) {
        return "a printf whose format shells read differently";
    }
    if (vh_str_is(program, "test") && !plain_test(word)) {
        return "a test that shells read differently";
    }
    if (vh_str_is(program, "pwd")) {
        return "a pwd with words";
    }
    bool own =
        vh_str_is(program, "true") || vh_str_is(program, "false") || vh_str_is(program, "printf");
    return own && vh_str_starts(word, "--") ? "an option that a shell does not know" : NULL;
}

const char *
vh_shell_words_outside(const struct vh_json *argv, struct viv_str word)
{
    if (argv->count) {
        return other_builtin(argv, word);
    }
    return is_assignment(word) ? "an assignment" : not_a_program(word);
}

bool
vh_shell_words_inside(struct viv_str path)
{
    if (vh_str_is(path, "/dev/null")) {
        return true;
    }
    for (uint64_t at = 0; at < path.len;) {
        const char *slash = memchr(path.data + at, '/', (size_t)(path.len - at));
        uint64_t end = slash ? (uint64_t)(slash - path.data) : path.len;
        struct viv_str part = {path.data + at, end - at};
        if ((at == 0 && part.len == 0) || vh_str_is(part, "..")) {
            return false;
        }
        at = end + 1;
    }
    return path.len > 0;
}

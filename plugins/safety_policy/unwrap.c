/* SPDX-License-Identifier: Apache-2.0 */
/* Each wrapper has a row: options whose value is a word of its own, and how many words come before
 * the command. An option that is not understood may shift the words, so the values a program could
 * take are listed in full. */
#include "unwrap.h"

#include <string.h>

#include "programs.h"

struct wrapper {
    const char *programs;
    const char *with_value;
    uint32_t skip; /* words between options and command */
    uint32_t assignments;
};

static const struct wrapper wrappers[] = {
    {"env", "-u -C --unset --chdir --default-signal --ignore-signal --block-signal", 0, 1},
    {"nice", "-n --adjustment", 0, 0},
    {"nohup setsid command exec builtin ccache sccache fakeroot catchsegv unbuffer eatmydata "
     "busybox toybox sudo doas "
     "stdbuf-run linux32 linux64 i386 x86_64 setarch chronic ts caffeinate",
     "-u -g -C -h -p -U -a", 0, 0},
    {"timeout gtimeout", "-k --kill-after -s --signal", 1, 0},
    {"stdbuf", "-i -o -e --input --output --error", 0, 0},
    {"time", "-f -o --format --output", 0, 0},
    {"ionice", "-c -n -p --class --classdata", 0, 0},
    {"chrt", "-p -T -P -D", 1, 0},
    {"taskset", "", 1, 0},
    {"xargs gxargs",
     "-I -n -P -L -d -a -E -s --max-args --max-procs --max-lines --delimiter --arg-file --replace "
     "--max-chars",
     0, 0},
    {"strace ltrace", "-o -e -p -s -u -E -a -O -S -P -I -X -b", 0, 0},
    {"valgrind", "", 0, 0},
    {"prlimit", "-p --pid -o --output", 0, 0},
    {"numactl", "-m -N -C -i -p --membind --cpunodebind --physcpubind --interleave --preferred", 0,
     0},
    {"chroot", "--userspec --groups", 1, 0},
    {"unshare nsenter", "-t --target -S -G -R -w --root --wd --setuid --setgid", 0, 0},
    {"firejail bwrap", "", 0, 0},
};

static void
push(struct unwrapped *list, uint32_t *count, struct unwrapped one)
{
    if (*count < UNWRAP_MAX) {
        list[(*count)++] = one;
    } else {
        list[UNWRAP_MAX - 1] = (struct unwrapped){.kind = UNWRAP_UNREAD};
    }
}

static void
push_words(const struct argv *argv, struct unwrapped *list, uint32_t *count, uint32_t from,
           uint32_t to)
{
    if (from < to && to <= argv->count) {
        push(list, count, (struct unwrapped){.kind = UNWRAP_WORDS, .from = from, .to = to});
    }
}

static void
push_text(const struct argv *argv, struct unwrapped *list, uint32_t *count, uint32_t at)
{
    if (at < argv->count) {
        push(list, count, (struct unwrapped){.kind = UNWRAP_TEXT, .text = argv->words[at]});
    } else {
        push(list, count, (struct unwrapped){.kind = UNWRAP_UNREAD});
    }
}

/* "-c", "-lc", "-euxc": the text follows. Without it a script or, with no words at all, standard
 * input. */
static void
find_shell(const struct argv *argv, struct unwrapped *list, uint32_t *count)
{
    uint32_t at = 1;
    uint32_t text = 0;
    for (; at < argv->count && argv->words[at].len > 1 &&
           (argv->words[at].data[0] == '-' || argv->words[at].data[0] == '+');
         at++) {
        struct viv_str word = argv->words[at];
        if (rules_is_one(word, "--rcfile --init-file")) {
            at++;
        } else if (rules_is(word, "--")) {
            at++;
            break;
        } else if (word.data[1] != '-') {
            text |= memchr(word.data, 'c', (size_t)word.len) != NULL;
            at += memchr(word.data, 'o', (size_t)word.len) != NULL && !text;
            if (memchr(word.data, 's', (size_t)word.len)) {
                push(list, count, (struct unwrapped){.kind = UNWRAP_STDIN});
            }
        }
    }
    if (text) {
        push_text(argv, list, count, at);
    } else if (at >= argv->count) {
        push(list, count, (struct unwrapped){.kind = UNWRAP_STDIN});
    } else if (rules_is_one(argv->words[at], "/dev/stdin - /dev/fd/0 /proc/self/fd/0")) {
        push(list, count, (struct unwrapped){.kind = UNWRAP_STDIN});
    }
}

/* Interpreters: `-c TEXT` and `-e TEXT` are code in another language; no words at all is code from
 * standard input. */
static void
find_interpreter(const struct argv *argv, struct unwrapped *list, uint32_t *count)
{
    if (argv->count == 1 || (argv->count == 2 && rules_is(argv->words[1], "-"))) {
        push(list, count, (struct unwrapped){.kind = UNWRAP_STDIN});
        return;
    }
    if (rules_is_one(argv->words[1], "-c -e -E -p -pe -ne -r --eval --print")) {
        push(list, count, (struct unwrapped){.kind = UNWRAP_UNREAD});
    }
}

static void
find_find(const struct argv *argv, struct unwrapped *list, uint32_t *count)
{
    for (uint32_t i = 1; i < argv->count; i++) {
        if (rules_is_one(argv->words[i], "-fprint -fprint0 -fprintf -fls") && i + 1 < argv->count) {
            push(list, count, (struct unwrapped){.kind = UNWRAP_FILE, .text = argv->words[i + 1]});
        }
        if (!rules_is_one(argv->words[i], "-exec -execdir -ok -okdir"))
            continue;
        uint32_t end = i + 1;
        while (end < argv->count && !rules_is_one(argv->words[end], "; +")) {
            end++;
        }
        push_words(argv, list, count, i + 1, end);
        i = end;
    }
}

static void
find_git(const struct argv *argv, struct unwrapped *list, uint32_t *count)
{
    for (uint32_t i = 1; i + 1 < argv->count; i++) {
        if (rules_is(argv->words[i], "bisect") && rules_is(argv->words[i + 1], "run")) {
            push_words(argv, list, count, i + 2, argv->count);
        } else if (rules_is_one(argv->words[i], "-x --exec") && i > 1) {
            push_text(argv, list, count, i + 1);
        } else if (rules_is(argv->words[i], "foreach")) {
            push_text(argv, list, count, i + 1);
        }
    }
}

/* Programs whose command is one word of text, or all words joined as one text for a shell. */
static uint32_t
find_text(const struct argv *argv, struct viv_str program, struct unwrapped *list, uint32_t *count)
{
    if (rules_is_one(program,
                     "eval watch parallel ssh-agent tmux screen entr inotifywait gdb expect")) {
        if (rules_is(program, "eval") && argv->count == 2) {
            push_text(argv, list, count, 1);
        } else if (argv->count > 1) {
            uint32_t at = programs_skip_options(argv, 1, "-n --interval -j --jobs -c -S -L -s");
            push_words(argv, list, count, at, argv->count);
            push(list, count, (struct unwrapped){.kind = UNWRAP_UNREAD});
        }
        return 1;
    }
    if (rules_is_one(program, "script flock")) {
        uint32_t at = programs_skip_options(argv, 1, "-w -E --wait --timeout --conflict-exit-code");
        for (uint32_t i = 1; i < argv->count; i++) {
            if (rules_is_one(argv->words[i], "-c --command")) {
                push_text(argv, list, count, i + 1);
                return 1;
            }
        }
        push_words(argv, list, count, at + 1, argv->count);
        return 1;
    }
    return 0;
}

static void
find_wrapped(const struct argv *argv, const struct wrapper *wrapper, struct unwrapped *list,
             uint32_t *count)
{
    for (uint32_t i = 1; i < argv->count; i++) {
        struct viv_str word = argv->words[i];
        if (rules_is_one(word, "-S --split-string") && wrapper->assignments) {
            push_text(argv, list, count, i + 1);
            return;
        }
        if ((rules_starts(word, "--split-string=") || (rules_starts(word, "-S") && word.len > 2)) &&
            wrapper->assignments) {
            uint64_t skip = word.data[1] == '-' ? 15 : 2;
            push(list, count,
                 (struct unwrapped){.kind = UNWRAP_TEXT,
                                    .text = {word.data + skip, word.len - skip}});
            return;
        }
        if (word.len == 0 || word.data[0] != '-')
            break;
    }
    uint32_t at = programs_skip_options(argv, 1, wrapper->with_value) + wrapper->skip;
    while (wrapper->assignments && at < argv->count &&
           memchr(argv->words[at].data, '=', (size_t)argv->words[at].len)) {
        at++;
    }
    push_words(argv, list, count, at, argv->count);
}

uint32_t
unwrap_find(const struct argv *argv, struct unwrapped *ret_list)
{
    uint32_t count = 0;
    struct viv_str program = rules_program(argv);
    if (argv->count == 0) {
        return 0;
    }
    if (programs_is_shell(program)) {
        find_shell(argv, ret_list, &count);
    } else if (programs_is_interpreter(program)) {
        find_interpreter(argv, ret_list, &count);
    } else if (rules_is(program, "find")) {
        find_find(argv, ret_list, &count);
    } else if (rules_is(program, "git")) {
        find_git(argv, ret_list, &count);
    } else if (!find_text(argv, program, ret_list, &count)) {
        for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
            if (rules_is_one(program, wrappers[i].programs)) {
                find_wrapped(argv, &wrappers[i], ret_list, &count);
            }
        }
    }
    return count;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* git by its subcommand. A task has its own HEAD, index and references, so what stays in them is
 * free; what reaches a remote, rewrites history for others, or makes git run a program asks a
 * person. */
#include <string.h>

#include "programs.h"

#define ASK VIV_VERDICT_ASK
#define GLOBAL_VALUES                                                                              \
    "-C -c --git-dir --work-tree --namespace --config-env --super-prefix --exec-path "             \
    "--attr-source"

struct row {
    const char *commands;
    const char *words; /* one of these must follow; NULL: any */
    struct finding finding;
};

static const struct row rows[] = {
    {"push send-pack send-email http-push p4 svn cvsserver daemon instaweb",
     NULL,
     {"exec.git-remote", ASK, 0, "sends to, or serves, other repositories"}},
    {"fetch pull clone ls-remote fetch-pack http-fetch request-pull",
     NULL,
     {"exec.git-remote", ASK, 0, "talks to another repository"}},
    {"remote",
     "add set-url update prune rename remove rm set-head",
     {"exec.git-remote", ASK, 0, "changes remotes"}},
    {"submodule",
     "add update sync init",
     {"exec.git-remote", ASK, 0, "fetches other repositories"}},
    {"archive", "--remote --exec", {"exec.git-remote", ASK, 0, "talks to another repository"}},
    {"lfs", "push pull fetch", {"exec.git-remote", ASK, 0, "talks to another repository"}},
    {"credential credential-store credential-cache",
     NULL,
     {"exec.credentials", ASK, 0, "handles credentials"}},
    {"filter-branch filter-repo replace", NULL, {"exec.git-history", ASK, 0, "rewrites history"}},
    {"push",
     "--force -f --force-with-lease --delete -d --mirror --prune",
     {"exec.git-history", ASK, 0, "overwrites or deletes history elsewhere"}},
    {"reflog",
     "expire delete",
     {"exec.git-history", ASK, 0, "deletes what a mistake could be undone with"}},
    {"update-ref", "-d --stdin", {"exec.git-history", ASK, 0, "deletes references"}},
    {"gc prune repack",
     "--prune=now --prune=all --expire=now",
     {"exec.git-history", ASK, 0, "deletes objects for good"}},
    {"config",
     "--global --system",
     {"exec.git-config", ASK, 0, "changes settings outside the workspace"}},
    {"grep",
     "-O --open-files-in-pager",
     {"exec.hidden-program", ASK, 0, "starts another program by an option"}},
    {"difftool mergetool",
     "-x --extcmd",
     {"exec.hidden-program", ASK, 0, "starts another program by an option"}},
};

static uint32_t
lower_is_one(struct viv_str text, const char *list)
{
    char lower[64];
    if (text.len >= sizeof lower) {
        return 0;
    }
    for (uint64_t i = 0; i < text.len; i++) {
        lower[i] =
            text.data[i] >= 'A' && text.data[i] <= 'Z' ? (char)(text.data[i] + 32) : text.data[i];
    }
    return rules_is_one((struct viv_str){lower, text.len}, list);
}

/* A setting whose value git runs as a program. */
static uint32_t
runs_program(struct viv_str setting)
{
    const char *equals = memchr(setting.data, '=', (size_t)setting.len);
    struct viv_str key = {setting.data, equals ? (uint64_t)(equals - setting.data) : setting.len};
    if (lower_is_one(key, "core.pager core.editor core.sshcommand core.fsmonitor core.hookspath "
                          "core.askpass core.gitproxy "
                          "sequence.editor diff.external credential.helper gpg.program "
                          "gpg.ssh.program uploadpack.packobjectshook "
                          "interactive.difffilter protocol.ext.allow")) {
        return 1;
    }
    uint64_t dot = 0;
    while (dot < key.len && key.data[dot] != '.') {
        dot++;
    }
    if (lower_is_one((struct viv_str){key.data, dot},
                     "alias filter pager browser man include includeif")) {
        return 1;
    }
    uint64_t last = key.len;
    while (last > 0 && key.data[last - 1] != '.') {
        last--;
    }
    return lower_is_one(
        (struct viv_str){key.data + last, key.len - last},
        "cmd command textconv driver clean smudge process path editor pager hookspath insteadof");
}

static uint32_t
follows(const struct argv *argv, uint32_t from, const char *list)
{
    for (uint32_t i = from; i < argv->count; i++) {
        const char *equals = memchr(argv->words[i].data, '=', (size_t)argv->words[i].len);
        struct viv_str head = {argv->words[i].data,
                               equals ? (uint64_t)(equals - argv->words[i].data) : 0};
        if (rules_is_one(argv->words[i], list) || (head.len > 0 && rules_is_one(head, list))) {
            return 1;
        }
    }
    return 0;
}

/* "git grep -Oprogram": the option and its value in one word. */
static uint32_t
opens_with_program(const struct argv *argv, uint32_t command)
{
    for (uint32_t i = command + 1; rules_is(argv->words[command], "grep") && i < argv->count; i++) {
        if (rules_is(argv->words[i], "--")) {
            return 0;
        }
        if (rules_starts(argv->words[i], "-O") && argv->words[i].len > 2) {
            return 1;
        }
    }
    return 0;
}

static uint32_t
sets_program(const struct argv *argv, uint32_t command)
{
    for (uint32_t i = 1; i < command; i++) {
        if (rules_is_one(argv->words[i], "-c --config-env") && i + 1 < command &&
            runs_program(argv->words[i + 1])) {
            return 1;
        }
        if (rules_starts(argv->words[i], "--exec-path=") ||
            (rules_starts(argv->words[i], "--config-env=") &&
             runs_program((struct viv_str){argv->words[i].data + 13, argv->words[i].len - 13}))) {
            return 1;
        }
    }
    if (command < argv->count && rules_is_one(argv->words[command], "config")) {
        for (uint32_t i = command + 1; i < argv->count; i++) {
            if (runs_program(argv->words[i]) && i + 1 < argv->count) {
                return 1;
            }
        }
    }
    return 0;
}

uint32_t
programs_find_git(const struct argv *argv, struct finding *ret_findings, uint32_t max)
{
    uint32_t count = 0;
    uint32_t command = programs_skip_options(argv, 1, GLOBAL_VALUES);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && command < argv->count; i++) {
        if (count < max && rules_is_one(argv->words[command], rows[i].commands) &&
            (!rows[i].words || follows(argv, command + 1, rows[i].words))) {
            ret_findings[count++] = rows[i].finding;
        }
    }
    if (count < max && command < argv->count && opens_with_program(argv, command)) {
        ret_findings[count++] =
            (struct finding){"exec.hidden-program", ASK, 0, "starts another program by an option"};
    }
    if (count < max && sets_program(argv, command)) {
        ret_findings[count++] =
            (struct finding){"exec.git-config", ASK, 0, "makes git run a program by a setting"};
    }
    return count;
}

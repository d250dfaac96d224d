/* SPDX-License-Identifier: Apache-2.0 */
/* Order on one program: the user's rules first, since one that allows lifts what built-in rules
 * would only ask; a deny is never lifted. Then what it runs in turn, to a bounded depth; beyond it
 * a person is asked. */
#include "exec.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "programs.h"
#include "shell.h"
#include "unwrap.h"

#define DENY VIV_VERDICT_DENY
#define ASK VIV_VERDICT_ASK
#define ALLOW VIV_VERDICT_ALLOW

static void judge_argv(struct exec_judge *judge, const struct argv *argv, uint32_t from_pipe);

static int
shown(struct viv_str text)
{
    return (int)(text.len < 100 ? text.len : 100);
}

/* One line for the user's policy that would allow just this. */
static void
write_cure(const struct argv *argv, const struct finding *finding, char *cure, size_t size)
{
    struct viv_str program = rules_program(argv);
    struct viv_str second = argv->count > 1 ? argv->words[1] : (struct viv_str){NULL, 0};
    if (finding->verdict == DENY) {
        (void)snprintf(cure, size, "no rule allows it; run it yourself, outside of a task");
        return;
    }
    int plain = second.len > 0 && second.len < 40 && second.data[0] != '-' &&
                strspn(second.data, "abcdefghijklmnopqrstuvwxyz") >= second.len;
    (void)snprintf(cure, size, "commands: [{id: allow-%.*s, match: [%.*s%s%.*s], verdict: allow}]",
                   shown(program), program.data, shown(program), program.data, plain ? ", " : "",
                   plain ? (int)second.len : 0, plain ? second.data : "");
}

static void
add_findings(struct exec_judge *judge, const struct argv *argv, uint32_t lifted)
{
    struct finding list[PROGRAMS_FINDINGS_MAX];
    uint32_t count = programs_find(argv, list);
    struct viv_str program = rules_program(argv);
    for (uint32_t i = 0; i < count; i++) {
        char cure[320];
        write_cure(argv, &list[i], cure, sizeof cure);
        viv_verdict verdict = list[i].verdict;
        const char *because = "";
        if (verdict == DENY && judge->guess) {
            verdict = ASK;
            because = ", if that part of the shell text is a command";
        } else if (verdict == ASK && lifted) {
            verdict = ALLOW;
            because = ", which your policy allows";
        } else if (judge->has_hosts && judge->full_profile &&
                   strcmp(list[i].id, "exec.network") == 0) {
            verdict = ALLOW;
            because = ", and reaches the hosts of this task alone";
        }
        report_add(judge->report, list[i].id, verdict, verdict == ALLOW ? "" : cure, "'%.*s' %s%s",
                   shown(program), program.data, list[i].reason, because);
    }
}

/* What the bounded grammar cannot read: the whole sandbox holds it, less than that asks. */
static void
add_unread(struct exec_judge *judge, const char *id, struct viv_str program, const char *reason,
           uint32_t lifted)
{
    viv_verdict verdict = judge->full_profile || lifted ? ALLOW : ASK;
    report_add(judge->report, id, verdict,
               verdict == ALLOW ? "" : "write it as plain commands, or approve it once",
               "'%.*s' %s%s", shown(program), program.data ? program.data : "", reason,
               judge->full_profile ? "; the full sandbox bounds it" : "");
}

static void
judge_text(struct exec_judge *judge, struct viv_str program, struct viv_str text, uint32_t lifted)
{
    struct shell *shell = NULL;
    if (judge->depth >= EXEC_DEPTH_MAX) {
        report_add(judge->report, "exec.depth", ASK, "write it as plain commands",
                   "commands inside commands are nested more than %d deep", EXEC_DEPTH_MAX);
        return;
    }
    if (shell_read(judge->call, text, &shell) != VIV_OK) {
        judge->memory = 1;
        return;
    }
    if (shell->unread) {
        add_unread(judge, "exec.shell", program,
                   "runs shell text that cannot be read as plain commands", lifted);
    }
    uint32_t guess = judge->guess;
    judge->guess |= shell->unread;
    judge->depth++;
    uint32_t download = 0;
    for (uint32_t i = 0; i < shell->count; i++) {
        const struct shell_stage *stage = &shell->stages[i];
        download = stage->piped ? download : 0;
        judge_argv(judge, &stage->argv, stage->piped ? 1 + download : 0);
        download |= programs_is_download(rules_program(&stage->argv));
        for (uint32_t j = 0; j < stage->output_count; j++) {
            exec_judge_path(judge, stage->outputs[j], PATHS_WRITE);
        }
        for (uint32_t j = 0; j < stage->input_count; j++) {
            exec_judge_path(judge, stage->inputs[j], PATHS_READ);
        }
    }
    judge->depth--;
    judge->guess = guess;
}

/* `from_pipe`: 0 no pipe, 1 a pipe, 2 a pipe that a download feeds. */
static void
judge_stdin(struct exec_judge *judge, struct viv_str program, uint32_t from_pipe, uint32_t lifted)
{
    if (from_pipe == 2) {
        report_add(judge->report, "exec.pipe-to-shell", judge->guess ? ASK : DENY,
                   "download to a file, read it, and run that",
                   "'%.*s' runs what a download brings", shown(program), program.data);
    } else if (from_pipe == 1) {
        report_add(judge->report, "exec.stdin-program", lifted ? ALLOW : ASK,
                   lifted ? "" : "write the program to a file and run that",
                   "'%.*s' runs what the program before it prints", shown(program), program.data);
    }
}

static void
judge_inside(struct exec_judge *judge, const struct argv *argv, uint32_t from_pipe, uint32_t lifted)
{
    struct unwrapped list[UNWRAP_MAX];
    struct viv_str program = rules_program(argv);
    uint32_t count = unwrap_find(argv, list);
    for (uint32_t i = 0; i < count; i++) {
        struct argv inner = {argv->words + list[i].from, list[i].to - list[i].from, 0};
        switch (list[i].kind) {
        case UNWRAP_WORDS:
            judge->depth++;
            judge_argv(judge, &inner, from_pipe);
            judge->depth--;
            break;
        case UNWRAP_TEXT:
            judge_text(judge, program, list[i].text, lifted);
            break;
        case UNWRAP_STDIN:
            judge_stdin(judge, program, from_pipe, lifted);
            break;
        case UNWRAP_UNREAD:
            add_unread(judge, "exec.code", program, "runs code that is not read here", lifted);
            break;
        case UNWRAP_FILE:
            exec_judge_path(judge, list[i].text, PATHS_WRITE);
            break;
        }
    }
}

static void
judge_capability(struct exec_judge *judge, const struct argv *argv)
{
    struct viv_str mode = viv_tree_text(judge->capability, "exec");
    struct viv_str program = rules_program(argv);
    const json_t *commands = json_object_get(judge->capability, "commands");
    if (!judge->capability || rules_is(mode, "any")) {
        return;
    }
    for (size_t i = 0; rules_is(mode, "list") && i < json_array_size(commands); i++) {
        const char *name = json_string_value(json_array_get(commands, i));
        if (name && rules_is(program, name))
            return;
    }
    report_add(judge->report, "exec.outside-capability", rules_is(mode, "list") ? ASK : DENY,
               "vivhost task approve TASK", "'%.*s' is not among the commands of this task",
               shown(program), program.data);
}

static void
judge_argv(struct exec_judge *judge, const struct argv *argv, uint32_t from_pipe)
{
    if (argv->count == 0)
        return;
    if (judge->depth >= EXEC_DEPTH_MAX) {
        report_add(judge->report, "exec.depth", ASK, "write it as plain commands",
                   "commands inside commands are nested more than %d deep", EXEC_DEPTH_MAX);
        return;
    }
    struct viv_str first = argv->words[0];
    if (first.len == 0 || rules_starts(first, "-")) {
        report_add(judge->report, "exec.program", judge->guess ? ASK : DENY, "name the program",
                   "'%.*s' is not the name of a program", shown(first),
                   first.data ? first.data : "");
    }
    judge_capability(judge, argv);
    uint32_t lifted = policy_judge_argv(judge->call, judge->policy, argv, judge->report);
    add_findings(judge, argv, lifted);
    judge_inside(judge, argv, from_pipe, lifted);
}

/* Variables by which a program becomes another one. */
static void
judge_env(struct exec_judge *judge, const json_t *env)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)env, name, value)
    {
        struct viv_str text = {name, strlen(name)};
        if (rules_starts(text, "LD_") || rules_starts(text, "DYLD_") ||
            rules_starts(text, "GIT_") ||
            rules_is_one(text, "PATH IFS ENV BASH_ENV PROMPT_COMMAND PYTHONSTARTUP PERL5OPT "
                               "RUBYOPT NODE_OPTIONS PAGER EDITOR")) {
            report_add(judge->report, "exec.environment", ASK,
                       "leave the variable out, or approve it once",
                       "variable '%.64s' changes which programs run", name);
        }
    }
}

/* Members of a stage that name files: all texts but the ones known to be none. */
static void
judge_stage_files(struct exec_judge *judge, json_t *stage)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(stage, name, value)
    {
        struct viv_str text = {json_string_value(value), json_string_length(value)};
        if (!json_is_string(value) || text.len == 0)
            continue;
        int input = strstr(name, "input") || strstr(name, "stdin");
        exec_judge_path(judge, text, input ? PATHS_READ : PATHS_WRITE);
    }
    const json_t *list = json_object_get(stage, "redirects");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        struct viv_str path = viv_tree_text(one, "path");
        struct viv_str mode = viv_tree_text(one, "mode");
        if (path.len > 0) {
            exec_judge_path(judge, path, rules_is(mode, "read") ? PATHS_READ : PATHS_WRITE);
        }
    }
}

/* The words of a stage in the call's memory; a stage without them cannot be judged. */
static int
words_of(struct exec_judge *judge, const json_t *stage, struct argv *ret_argv)
{
    const json_t *list = json_object_get(stage, "argv");
    size_t count = json_array_size(list);
    if (count == 0 || count > VIV_ARGV_MAX) {
        report_add(judge->report, "exec.malformed", DENY, "",
                   "a stage has %zu words, allowed 1 to %d", count, VIV_ARGV_MAX);
        return 0;
    }
    struct viv_str *words = judge->call->alloc(judge->call, count * sizeof *words);
    if (!words) {
        judge->memory = 1;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *word = json_array_get(list, i);
        if (!json_is_string(word)) {
            report_add(judge->report, "exec.malformed", DENY, "",
                       "word %zu of a stage is not a text", i + 1);
            return 0;
        }
        words[i] = (struct viv_str){json_string_value(word), json_string_length(word)};
    }
    *ret_argv = (struct argv){words, (uint32_t)count, 0};
    return 1;
}

static void
judge_pipeline(struct exec_judge *judge, const json_t *pipeline)
{
    const json_t *stages = json_object_get(pipeline, "stages");
    size_t count = json_array_size(stages);
    struct viv_str cwd = viv_tree_text(pipeline, "cwd");
    uint32_t download = 0;
    if (count == 0 || count > VIV_STAGES_MAX) {
        report_add(judge->report, "exec.malformed", DENY, "",
                   "a pipeline has %zu stages, allowed 1 to %d", count, VIV_STAGES_MAX);
        return;
    }
    if (cwd.len > 0 && paths_fault(cwd)) {
        report_add(judge->report, "path.outside", DENY, "use a folder of the workspace",
                   "working folder '%.*s' %s", shown(cwd), cwd.data, paths_fault(cwd));
    }
    judge_env(judge, json_object_get(pipeline, "env"));
    for (size_t i = 0; i < count; i++) {
        json_t *stage = json_array_get(stages, i);
        struct argv argv;
        if (!words_of(judge, stage, &argv))
            continue;
        judge_argv(judge, &argv, i > 0 ? 1 + download : 0);
        download |= programs_is_download(rules_program(&argv));
        judge_env(judge, json_object_get(stage, "env"));
        judge_stage_files(judge, stage);
    }
}

void
exec_judge_spec(struct exec_judge *judge, const struct json_t *spec)
{
    static const struct viv_str sh = {"sh", 2};
    const json_t *pipelines = json_object_get(spec, "pipelines");
    struct viv_str text = viv_tree_text(spec, "shell");
    if (text.len > 0) {
        struct viv_str words[] = {sh, {"-c", 2}, text};
        struct argv argv = {words, 3, 0};
        judge_argv(judge, &argv, 0);
    }
    for (size_t i = 0; i < json_array_size(pipelines); i++) {
        judge_pipeline(judge, json_array_get(pipelines, i));
    }
    if (json_object_get(spec, "stages") || (text.len == 0 && json_array_size(pipelines) == 0)) {
        judge_pipeline(judge, spec);
    }
}

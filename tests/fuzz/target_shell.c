/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, what the host runs without a shell is not what the text says, or the safety plugin judges other words
 * than those that run. The input is the text of `sh -c`. */
#include "fuzz.h"

#include <jansson.h>
#include <string.h>

#include "../../plugins/safety_policy/exec.h"
#include "../../plugins/safety_policy/shell.h"
#include "base/str.h"
#include "commands/queue_write.h"
#include "fake_host.h"
#include "run/shell.h"

#define TEXT_MAX ((size_t)16 << 20)

/* The stages as the queue file's shell text, read again. */
static void
write_and_read(struct vh_arena *arena, const struct vh_json *stages)
{
    struct vh_json *command = vh_json_object(arena);
    struct vh_json *task = vh_json_object(arena);
    struct vh_json *document = NULL;
    struct vh_buf buf;
    struct viv_error err = VIV_ERROR_INIT;
    const char *why = NULL;
    vh_json_set(command, "stages", vh_json_clone(arena, stages));
    vh_json_set_text(arena, task, "id", "a");
    vh_json_set(task, "command", command);
    vh_buf_init(&buf, arena, TEXT_MAX);
    vh_queue_write_task(&buf, arena, task, "pending");
    FUZZ_MUST(!buf.failed && vh_json_import(arena, vh_buf_view(&buf), &document, &err) == VIV_OK,
              "a command cannot be written to a queue file: %s", err.text);
    struct viv_str text = vh_json_str(document, "command");
    const struct vh_json *argv = vh_json_get(stages->child, "argv");
    if (stages->count == 1 && argv->count == 3 && vh_str_is(argv->child->text, "sh") &&
        vh_str_is(argv->child->next->text, "-c")) {
        return; /* written as what the shell is given */
    }
    struct vh_json *again = vh_shell_parse(arena, text, &why);
    FUZZ_MUST(again, "written as '%.*s' it is outside: %s", VH_STR_ARGS(text), why ? why : "");
    const struct vh_json *pipelines = vh_json_get(again, "pipelines");
    FUZZ_MUST(pipelines && pipelines->count == 1, "written as '%.*s' it is %u pipelines", VH_STR_ARGS(text),
              pipelines ? pipelines->count : 0);
    struct viv_str wanted = vh_json_print(arena, stages);
    struct viv_str found = vh_json_print(arena, vh_json_get(pipelines->child, "stages"));
    FUZZ_MUST(vh_str_equal(wanted, found), "%.*s became %.*s", VH_STR_ARGS(wanted), VH_STR_ARGS(found));
}

static bool
writes_or_reads(const struct viv_str *files, uint32_t count, struct viv_str path)
{
    for (uint32_t i = 0; i < count; i++) {
        if (vh_str_equal(files[i], path)) {
            return true;
        }
    }
    return path.len == 0;
}

/* One stage that runs, and the same as the policy saw it. */
static void
same_stage(const struct vh_json *stage, const struct shell_stage *seen)
{
    const struct vh_json *argv = vh_json_get(stage, "argv");
    FUZZ_MUST(argv && argv->count > 0, "a stage runs nothing");
    FUZZ_MUST(seen->argv.count == argv->count, "%u words run, %u are judged", argv->count, seen->argv.count);
    uint32_t i = 0;
    for (const struct vh_json *word = argv->child; word; word = word->next, i++) {
        FUZZ_MUST(vh_str_equal(word->text, seen->argv.words[i]), "'%.*s' runs, '%.*s' is judged",
                  VH_STR_ARGS(word->text), VH_STR_ARGS(seen->argv.words[i]));
    }
    struct viv_str null = VH_STR("/dev/null"); /* needs no judging */
    struct viv_str output = vh_json_str(stage, "output_path");
    struct viv_str error = vh_json_str(stage, "error_path");
    struct viv_str input = vh_json_str(stage, "input_path");
    FUZZ_MUST(vh_str_equal(output, null) || writes_or_reads(seen->outputs, seen->output_count, output),
              "writing '%.*s' is not judged", VH_STR_ARGS(output));
    FUZZ_MUST(vh_str_equal(error, null) || writes_or_reads(seen->outputs, seen->output_count, error),
              "writing '%.*s' is not judged", VH_STR_ARGS(error));
    FUZZ_MUST(vh_str_equal(input, null) || writes_or_reads(seen->inputs, seen->input_count, input),
              "reading '%.*s' is not judged", VH_STR_ARGS(input));
}

/* Whether it could read the text. */
static bool
as_the_policy_sees_it(struct viv_str text, const struct vh_json *pipelines)
{
    struct fake_host host;
    struct fake_call call;
    struct shell *shell = NULL;
    fake_host_init(&host);
    fake_call_init(&call, &host);
    FUZZ_MUST(shell_read(&call.call, text, &shell) == VIV_OK, "no memory");
    FUZZ_MUST(shell->count <= SHELL_STAGES_MAX, "%u stages", shell->count);
    uint32_t i = 0;
    for (const struct vh_json *p = pipelines ? pipelines->child : NULL; p && !shell->unread; p = p->next) {
        const struct vh_json *stages = vh_json_get(p, "stages");
        for (const struct vh_json *stage = stages->child; stage; stage = stage->next, i++) {
            FUZZ_MUST(i < shell->count, "stage %u is not judged", i);
            same_stage(stage, &shell->stages[i]);
        }
    }
    bool read = !shell->unread;
    FUZZ_MUST(!pipelines || !read || i == shell->count, "%u stages run, %u are judged", i, shell->count);
    fake_call_finish(&call);
    return read;
}

static viv_verdict
judge(const json_t *spec)
{
    struct fake_host host;
    struct fake_call call;
    struct policy *policy = NULL;
    struct report report;
    struct viv_error err = VIV_ERROR_INIT;
    fake_host_init(&host);
    fake_call_init(&call, &host);
    FUZZ_MUST(policy_open(VH_STR("[]"), &policy, &err) == VIV_OK, "%s", err.text);
    report_begin(&report);
    struct exec_judge judge = { .call = &call.call, .policy = policy, .report = &report, .full_profile = 1 };
    exec_judge_spec(&judge, spec);
    viv_verdict verdict = report.verdict;
    report_drop(&report);
    policy_close(policy);
    fake_call_finish(&call);
    return verdict;
}

/* The text for a shell never gets by where the pipelines it consists of would not. (The other way round it may be
 * stopped: the text is looked at as a word of the shell's as well.) */
static void
no_looser(struct vh_arena *arena, struct viv_str text, const struct vh_json *parsed)
{
    struct viv_str printed = vh_json_print(arena, parsed);
    json_t *plain = json_loadb(printed.data, (size_t)printed.len, JSON_ALLOW_NUL, NULL);
    json_t *shell = json_pack("{s:[{s:[s,s,s%]}]}", "stages", "argv", "sh", "-c", text.data, (size_t)text.len);
    FUZZ_MUST(plain && shell, "no memory");
    viv_verdict as_plain = judge(plain);
    viv_verdict as_shell = judge(shell);
    FUZZ_MUST(as_shell <= as_plain, "verdict %u as pipelines %.*s, %u as text '%.*s'", as_plain, VH_STR_ARGS(printed),
              as_shell, VH_STR_ARGS(text));
    json_decref(plain);
    json_decref(shell);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vh_arena *arena = fuzz_arena();
    struct viv_str text = fuzz_text(data, size);
    const char *why = NULL;
    if (!vh_str_utf8(text)) { /* a command comes in JSON */
        vh_arena_destroy(arena);
        return 0;
    }
    struct vh_json *parsed = vh_shell_parse(arena, text, &why);
    const struct vh_json *pipelines = vh_json_get(parsed, "pipelines");
    bool read = as_the_policy_sees_it(text, pipelines);
    if (parsed) {
        FUZZ_MUST(vh_json_canonical(parsed) && pipelines && pipelines->count, "a parse that cannot be recorded");
        for (const struct vh_json *p = pipelines->child; p; p = p->next) {
            write_and_read(arena, vh_json_get(p, "stages"));
        }
        /* A sign at the front is an option to a shell, which then runs nothing; what is not read is asked about. */
        if (read && text.data[0] != '-' && text.data[0] != '+') {
            no_looser(arena, text, parsed);
        }
        fuzz_count.accepted++;
    } else {
        FUZZ_MUST(why, "it is outside, and nothing says why");
        fuzz_line(why, "what is outside");
        fuzz_count.refused++;
    }
    vh_arena_destroy(arena);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, what the host runs without a shell is not what the text says, or the safety plugin judges other words
 * than those that run. The input is the text of `sh -c`. */
#include "fuzz.h"

#include <string.h>

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

static void
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
    FUZZ_MUST(!pipelines || shell->unread || i == shell->count, "%u stages run, %u are judged", i, shell->count);
    fake_call_finish(&call);
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
    if (parsed) {
        FUZZ_MUST(vh_json_canonical(parsed) && pipelines && pipelines->count, "a parse that cannot be recorded");
        for (const struct vh_json *p = pipelines->child; p; p = p->next) {
            write_and_read(arena, vh_json_get(p, "stages"));
        }
        fuzz_count.accepted++;
    } else {
        FUZZ_MUST(why, "it is outside, and nothing says why");
        fuzz_line(why, "what is outside");
        fuzz_count.refused++;
    }
    as_the_policy_sees_it(text, pipelines);
    vh_arena_destroy(arena);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a model's tool does another thing at the door than its name says, or the model is not told why it did
 * nothing. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_bench.h"

struct asked {
    uint32_t kind; /* 0: none */
    const char *path;
    const char *target;
    const char *bytes;
    const char *spec_json;
};

/* One call, what the door must be asked, what it does, and what the model is told. */
struct use {
    const char *name;
    const char *input;
    struct asked asked[2];
    struct fake_effect done[2];
    const char *told;
    int error;
};

static void
play(const struct use *use)
{
    struct bench bench;
    uint32_t count = 0;
    bench_open(&bench);
    bench_call(&bench, use->name, use->input);
    for (; count < 2 && use->asked[count].kind; count++) {
        bench_effect(&bench, use->done[count]);
    }
    bench_done(&bench);
    assert_int_equal(bench_run(&bench), VIV_OK);
    for (uint32_t i = 0; i < count; i++) {
        const struct asked *wanted = &use->asked[i];
        const struct fake_request *asked = &bench.host.requests[1 + i];
        assert_int_equal(asked->kind, wanted->kind);
        assert_int_equal(asked->flags, 0);
        assert_string_equal(asked->path, wanted->path ? wanted->path : "");
        assert_string_equal(asked->target, wanted->target ? wanted->target : "");
        assert_string_equal(asked->bytes, wanted->bytes ? wanted->bytes : "");
        assert_string_equal(asked->spec_json, wanted->spec_json ? wanted->spec_json : "");
    }
    assert_int_equal(bench.host.requested, 2 + count);
    bench_told(&bench, 1 + count, 0, use->told, use->error);
    assert_int_equal(bench.answer.done, 1);
    bench_close(&bench);
}

#define EXEC(words) { .kind = VIV_EFFECT_EXEC, .spec_json = "{\"stages\":[{\"argv\":[" words "]}]}" }
#define GREP(words) EXEC("\"grep\",\"-rnIF\",\"--exclude-dir=.git\",\"-e\"," words)

static void
files_are_read_by_lines(void **state)
{
    (void)state;
    static const struct use uses[] = {
        { "read_file", "{\"path\":\"a.c\"}", { { .kind = VIV_EFFECT_READ, .path = "a.c" } },
          { { .output = "one\ntwo\n" } }, "one\ntwo\n", 0 },
        { "read_file", "{\"path\":\"a\"}", { { .kind = VIV_EFFECT_READ, .path = "a" } }, { { .output = "" } }, "", 0 },
        { "read_file", "{\"path\":\"a\",\"from_line\":2,\"lines\":1}", { { .kind = VIV_EFFECT_READ, .path = "a" } },
          { { .output = "one\ntwo\nthree" } }, "two\n\n[lines 2 to 2 of 3]", 0 },
        { "read_file", "{\"path\":\"a\",\"from_line\":3,\"lines\":null}", { { .kind = VIV_EFFECT_READ, .path = "a" } },
          { { .output = "one\ntwo\nthree" } }, "three\n[lines 3 to 3 of 3]", 0 },
        { "read_file", "{\"path\":\"a\",\"from_line\":4}", { { .kind = VIV_EFFECT_READ, .path = "a" } },
          { { .output = "one\ntwo\nthree" } }, "the file has 3 lines, asked was from line 4", 1 },
        { "read_file", "{\"path\":\"a\"}", { { .kind = VIV_EFFECT_READ, .path = "a" } },
          { { .output = "one\n", .flags = VIV_EFFECT_OUTPUT_CUT } }, "one\n\n[lines 1 to 1 of more than 1]", 0 },
        { "read_file", "{\"path\":\"a\"}", { { .kind = VIV_EFFECT_READ, .path = "a" } },
          { { .output_bytes = { "a\0\xff", 3 } } }, "a\xef\xbf\xbd\xef\xbf\xbd", 0 },
        { "read_file", "{\"path\":\"no\"}", { { .kind = VIV_EFFECT_READ, .path = "no" } },
          { { .status = VIV_E_NOT_FOUND, .text = "cannot read 'no': no such file" } },
          "cannot read 'no': no such file", 1 },
    };
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        play(&uses[i]);
    }
}

static void
files_are_changed(void **state)
{
    (void)state;
    static const struct use uses[] = {
        { "write_file", "{\"path\":\"a/b\",\"text\":\"x\\n\"}",
          { { .kind = VIV_EFFECT_WRITE, .path = "a/b", .bytes = "x\n" } }, { { 0 } }, "written: 2 bytes", 0 },
        { "write_file", "{\"path\":\"a\",\"text\":\"\"}", { { .kind = VIV_EFFECT_WRITE, .path = "a" } }, { { 0 } },
          "written: 0 bytes", 0 },
        { "replace_in_file", "{\"path\":\"a\",\"old\":\"two\",\"new\":\"2\"}",
          { { .kind = VIV_EFFECT_READ, .path = "a" },
            { .kind = VIV_EFFECT_WRITE, .path = "a", .bytes = "one 2 three" } },
          { { .output = "one two three" }, { 0 } }, "written: 11 bytes", 0 },
        { "replace_in_file", "{\"path\":\"a\",\"old\":\"one \",\"new\":\"\"}",
          { { .kind = VIV_EFFECT_READ, .path = "a" }, { .kind = VIV_EFFECT_WRITE, .path = "a", .bytes = "\xfftwo" } },
          { { .output = "\xffone two" }, { 0 } }, "written: 4 bytes", 0 },
        { "replace_in_file", "{\"path\":\"a\",\"old\":\"aa\",\"new\":\"b\"}",
          { { .kind = VIV_EFFECT_READ, .path = "a" } }, { { .output = "aaa" } },
          "nothing was changed: the old text is there 2 times, allowed: once; give more of the text around it", 1 },
        { "replace_in_file", "{\"path\":\"a\",\"old\":\"x\",\"new\":\"b\"}",
          { { .kind = VIV_EFFECT_READ, .path = "a" } }, { { .output = "" } },
          "nothing was changed: the old text is there 0 times, allowed: once; read the file again", 1 },
        { "replace_in_file", "{\"path\":\"a\",\"old\":\"x\",\"new\":\"b\"}",
          { { .kind = VIV_EFFECT_READ, .path = "a" } }, { { .output = "x", .flags = VIV_EFFECT_OUTPUT_CUT } },
          "nothing was changed: the file has more than 1048576 bytes, allowed for a replacement: 1048576", 1 },
        { "move_file", "{\"path\":\"a\",\"target\":\"b\"}",
          { { .kind = VIV_EFFECT_MOVE, .path = "a", .target = "b" } }, { { 0 } }, "moved", 0 },
        { "delete_file", "{\"path\":\"a\"}", { { .kind = VIV_EFFECT_DELETE, .path = "a" } }, { { 0 } }, "deleted", 0 },
        { "delete_file", "{\"path\":\"a\"}", { { .kind = VIV_EFFECT_DELETE, .path = "a" } },
          { { .status = VIV_E_EXISTS, .text = "cannot delete 'a': not empty" } }, "cannot delete 'a': not empty", 1 },
    };
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        play(&uses[i]);
    }
}

static void
folders_are_listed(void **state)
{
    (void)state;
    static const struct use uses[] = {
        { "list_files", "{}", { { .kind = VIV_EFFECT_LIST, .path = ".", .spec_json = "{}" } },
          { { .detail = "{\"entries\":[{\"kind\":\"file\",\"path\":\"50%25.txt\",\"size\":3},"
                        "{\"kind\":\"folder\",\"path\":\"src\"},{\"kind\":\"link\",\"path\":\"l\"},"
                        "{\"kind\":\"other\",\"path\":\"a%0Ab\"},{\"kind\":\"file\",\"path\":\"%FF\",\"size\":0},"
                        "{\"kind\":\"folder\",\"path\":\".git\"},{\"kind\":\"file\",\"path\":\".git/HEAD\"}]}" } },
          "50%.txt (3 bytes)\nsrc/\nl (link)\na%0Ab (other)\n%FF (0 bytes)\n.git/\n", 0 },
        { "list_files", "{\"path\":\"src\",\"recursive\":true}",
          { { .kind = VIV_EFFECT_LIST, .path = "src", .spec_json = "{\"recursive\":1}" } },
          { { .detail = "{\"entries\":[]}" } }, "(empty)", 0 },
        { "list_files", "{\"path\":\"\",\"recursive\":false}",
          { { .kind = VIV_EFFECT_LIST, .path = ".", .spec_json = "{}" } },
          { { .flags = VIV_EFFECT_OUTPUT_CUT, .detail = "{\"entries\":[{\"kind\":\"folder\",\"path\":\"a\"}]}" } },
          "a/\n[1 of more than 1 entries; list a smaller folder]", 0 },
    };
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        play(&uses[i]);
    }
}

static void
programs_are_run(void **state)
{
    (void)state;
    static const struct use uses[] = {
        { "run", "{\"command\":\"make && ./a\"}", { EXEC("\"sh\",\"-c\",\"make && ./a\"") },
          { { .output = "ok\n", .errors = "hm\n" } }, "exit code 0\nstandard output:\nok\n\nstandard error:\nhm\n", 0 },
        { "run", "{\"argv\":[\"make\",\"\"],\"command\":\"\"}", { EXEC("\"make\",\"\"") },
          { { .exit_code = 2, .flags = VIV_EFFECT_OUTPUT_CUT } },
          "exit code 2\nstandard output (more than was kept):\n\nstandard error:\n", 1 },
        { "run", "{\"command\":\"x\",\"argv\":null}", { EXEC("\"sh\",\"-c\",\"x\"") }, { { .exit_code = -1 } },
          "it could not be started\nstandard output:\n\nstandard error:\n", 1 },
        { "run", "{\"command\":\"x\"}", { EXEC("\"sh\",\"-c\",\"x\"") }, { { .exit_code = 137 } },
          "exit code 137, as of a signal\nstandard output:\n\nstandard error:\n", 1 },
        { "run", "{\"command\":\"x\"}", { EXEC("\"sh\",\"-c\",\"x\"") }, { { .flags = VIV_EFFECT_TIMED_OUT } },
          "it ran out of time\nstandard output:\n\nstandard error:\n", 1 },
        { "search", "{\"pattern\":\"-x 'y'\"}", { GREP("\"-x 'y'\",\"--\",\".\"") },
          { { .output = "./a:1:-x 'y'\n" } }, "./a:1:-x 'y'\n", 0 },
        { "search", "{\"pattern\":\"y\",\"path\":\"--help\"}", { GREP("\"y\",\"--\",\"--help\"") },
          { { .exit_code = 1 } }, "no line has it", 0 },
        { "search", "{\"pattern\":\"y\"}", { GREP("\"y\",\"--\",\".\"") },
          { { .exit_code = 2, .errors = "grep: x: no such file" } }, "grep: x: no such file", 1 },
        { "search", "{\"pattern\":\"y\"}", { GREP("\"y\",\"--\",\".\"") }, { { .exit_code = 127 } },
          "grep ended with exit code 127", 1 },
        { "call_skill", "{\"name\":\"viv.count_lines\",\"input\":{\"b\":true,\"a\":[1.5]}}",
          { { .kind = VIV_EFFECT_SKILL, .path = "viv.count_lines", .spec_json = "{\"a\":[1.5],\"b\":true}" } },
          { { .output = "12" } }, "12", 0 },
        { "call_skill", "{\"name\":\"s\"}", { { .kind = VIV_EFFECT_SKILL, .path = "s", .spec_json = "{}" } },
          { { .status = VIV_E_UNSUPPORTED, .text = "there is no effect of kind 7" } }, "there is no effect of kind 7",
          1 },
        { "call_skill", "{\"name\":\"s\"}", { { .kind = VIV_EFFECT_SKILL, .path = "s", .spec_json = "{}" } },
          { { .exit_code = 3, .errors = "bad" } }, "exit code 3\nstandard output:\n\nstandard error:\nbad", 1 },
    };
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        play(&uses[i]);
    }
}

/* None of them reaches the door. */
static void
wrong_arguments_are_told(void **state)
{
    (void)state;
    static const struct use uses[] = {
        { .name = "read_file", .input = "{}",
          .told = "nothing was done: the argument 'path' is missing, allowed: a text that is not empty" },
        { .name = "read_file", .input = "{\"path\":7}",
          .told = "nothing was done: the argument 'path' is no text, allowed: a text that is not empty" },
        { .name = "read_file", .input = "{\"path\":\"\"}",
          .told = "nothing was done: the argument 'path' is empty, allowed: a text that is not empty" },
        { .name = "read_file", .input = "{\"path\":\"a\",\"from_line\":0}",
          .told = "nothing was done: the argument 'from_line' is no whole number from 1 on" },
        { .name = "read_file", .input = "{\"path\":\"a\",\"lines\":1.5}",
          .told = "nothing was done: the argument 'lines' is no whole number from 1 on" },
        { .name = "write_file", .input = "{\"path\":\"a\"}",
          .told = "nothing was done: the argument 'text' is missing, allowed: a text" },
        { .name = "replace_in_file", .input = "{\"path\":\"a\",\"old\":\"\",\"new\":\"\"}",
          .told = "nothing was done: the argument 'old' is empty, allowed: a text that is not empty" },
        { .name = "list_files", .input = "{\"recursive\":\"yes\"}",
          .told = "nothing was done: the argument 'recursive' is neither true nor false" },
        { .name = "move_file", .input = "{\"path\":\"a\"}",
          .told = "nothing was done: the argument 'target' is missing, allowed: a text that is not empty" },
        { .name = "run", .input = "{}",
          .told = "nothing was done: allowed is either 'command', a text, or 'argv', a list of texts" },
        { .name = "run", .input = "{\"command\":\"a\",\"argv\":[\"a\"]}",
          .told = "nothing was done: allowed is either 'command', a text, or 'argv', a list of texts" },
        { .name = "run", .input = "{\"argv\":[]}",
          .told = "nothing was done: 'argv' is no list of 1 to 4096 texts, the first not empty" },
        { .name = "run", .input = "{\"argv\":[\"a\",1]}",
          .told = "nothing was done: 'argv' is no list of 1 to 4096 texts, the first not empty" },
        { .name = "search", .input = "{\"pattern\":\"a\\nb\"}",
          .told = "nothing was done: the pattern has more than one line, allowed: text within one line" },
        { .name = "call_skill", .input = "{\"name\":\"s\",\"input\":[]}",
          .told = "nothing was done: the argument 'input' is no object" },
        { .name = "done", .input = "{}",
          .told = "nothing was done: the argument 'summary' is missing, allowed: a text that is not empty" },
        { .name = "done", .input = "{\"summary\":\"s\",\"claimed\":\"a\"}",
          .told = "not done: 'claimed' is no list of at most 1024 paths" },
        { .name = "done", .input = "{\"summary\":\"s\",\"claimed\":[\"a\",\"../b\"]}",
          .told = "not done: entry 2 of 'claimed' is no path that is relative to the workspace" },
        { .name = "fly", .input = "{}",
          .told = "nothing was done: there is no tool 'fly', allowed: read_file, write_file, replace_in_file, "
                  "list_files, search, move_file, delete_file, run, call_skill, done" },
        { .name = "run", .input = "[]",
          .told = "nothing was done: the arguments are no object; allowed: a JSON object" },
    };
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        struct use use = uses[i];
        use.error = 1;
        play(&use);
    }
}

/* What is long is cut, and the model is told how much is missing. */
static void
long_results_are_cut(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench.config.output_bytes = 256;
    bench.config.read_bytes = 256;
    char *text = malloc(100001);
    assert_non_null(text);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    text[200] = text[400] = '\n';
    bench_call(&bench, "read_file", "{\"path\":\"a\"}");
    bench_effect(&bench, (struct fake_effect){ .output = text });
    bench_call(&bench, "read_file", "{\"path\":\"a\",\"from_line\":3}");
    bench_effect(&bench, (struct fake_effect){ .output = text });
    bench_call(&bench, "search", "{\"pattern\":\"x\"}");
    bench_effect(&bench, (struct fake_effect){ .output = text });
    bench_call(&bench, "list_files", "{}");
    char many[257] = { 0 }, wanted[600], list[600];
    memset(many, 'x', 256);
    (void)snprintf(list, sizeof list,
                   "{\"entries\":[{\"kind\":\"folder\",\"path\":\"%s\"},{\"kind\":\"folder\",\"path\":\"b\"}]}", many);
    bench_effect(&bench, (struct fake_effect){ .detail = list });
    bench_done(&bench);
    assert_int_equal(bench_run(&bench), VIV_OK);
    (void)snprintf(wanted, sizeof wanted, "%.200s\n\n[lines 1 to 1 of 3]", many);
    bench_told(&bench, 2, 0, wanted, 0);
    (void)snprintf(wanted, sizeof wanted, "%s\n[lines 3 to 3 of 3, the last one cut]", many);
    bench_told(&bench, 4, 0, wanted, 0);
    (void)snprintf(wanted, sizeof wanted, "%.128s\n[99744 bytes left out]\n%.128s", many, many);
    bench_told(&bench, 6, 0, wanted, 0);
    bench_told(&bench, 8, 0, "[0 of 2 entries; list a smaller folder]", 0);
    free(text);
    bench_close(&bench);
}

/* A text that is found everywhere costs no more than one that is found a few times. */
static void
counting_ends(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    char *text = malloc(VIV_OUTPUT_MAX);
    assert_non_null(text);
    memset(text, 'a', VIV_OUTPUT_MAX);
    bench_call(&bench, "replace_in_file", "{\"path\":\"a\",\"old\":\"aaaa\",\"new\":\"\"}");
    bench_effect(&bench, (struct fake_effect){ .output_bytes = { text, VIV_OUTPUT_MAX } });
    bench_done(&bench);
    assert_int_equal(bench_run(&bench), VIV_OK);
    bench_told(&bench, 2, 0,
               "nothing was changed: the old text is there 100 times or more, allowed: once; give more of the text "
               "around it",
               1);
    free(text);
    bench_close(&bench);
}

/* The host's own list, when it is broken, is no matter of the model. */
static void
a_broken_list_ends_the_run(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench);
    bench_call(&bench, "list_files", "{}");
    bench_effect(&bench, (struct fake_effect){ .detail = "{" });
    assert_int_equal(bench_run(&bench), VIV_E_INVALID);
    bench_has(bench.err.text, "the list is not JSON");
    bench_close(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_by_lines),   cmocka_unit_test(files_are_changed),
        cmocka_unit_test(folders_are_listed),        cmocka_unit_test(programs_are_run),
        cmocka_unit_test(wrong_arguments_are_told),  cmocka_unit_test(long_results_are_cut),
        cmocka_unit_test(counting_ends),             cmocka_unit_test(a_broken_list_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

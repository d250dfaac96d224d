/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a command that a person wrote for a shell does something else here than in a shell: another output,
 * another exit code, other files; or safety judges a structure that is not what runs. Generated lines inside the
 * grammar run both ways in the same kind of folder; lines outside are left to the shell, their first reason named. */
#include "sandbox_world.h"

#include "run/pipelines.h"
#include "run/shell.h"

#define LINES 200

/* ---- both ways ---- */

static int32_t
code_of(const struct vh_exec_result *result)
{
    const struct vh_exec_stage_result *stage = &result->stages[0];
    assert_int_equal(stage->start_errno, 0);
    return stage->signal ? 128 + stage->signal : stage->exit_code;
}

static const char fresh[] =
    "rm -rf a b f; mkdir f; cd f; printf 'b x\\na y\\nb x\\n' >f1; printf 'one\\ntwo\\n' >f2; : >empty; mkdir d e; "
    ": >e/one; : >e/two; "
    "printf '#!/bin/sh\\necho script $#; exit 3\\n' >run.sh; chmod 755 run.sh; echo no >plain; "
    "printf '#!/bin/sh\\nkill -9 $$\\n' >die.sh; chmod 755 die.sh; cd ..; cp -a f a; cp -a f b";

static void
compare(struct world *world, struct vh_keeper *keeper, const char *line, const struct vh_json *parsed)
{
    struct viv_error err = VIV_ERROR_INIT;
    const char *const words[] = { "sh", "-c", line };
    struct vh_exec_stage stage = { .argv = words, .argc = 3 };
    struct vh_exec exec = { .stages = &stage, .stage_count = 1, .cwd = "a", .wall_ns = 30 * SECOND_NS,
                            .output_max = VIV_OUTPUT_MAX, .error_max = VIV_OUTPUT_MAX };
    struct vh_exec_result real;
    struct vh_pipelines_result ours;
    struct vh_json *spec = vh_json_object(world->arena);
    struct vh_json *pipelines = vh_json_clone(world->arena, vh_json_get(parsed, "pipelines"));
    assert_non_null(pipelines);
    vh_json_set(spec, "pipelines", pipelines);
    vh_json_set_text(world->arena, spec, "cwd", "b");
    struct vh_pipelines what = { .spec = spec, .wall_ns = 30 * SECOND_NS };
    world_expect(world, keeper, fresh, "");
    if (vh_sandbox_exec(keeper, world->arena, &exec, NULL, &real, &err) ||
        vh_pipelines_run(world->seam, keeper, world->arena, &what, &ours, &err)) {
        fail_msg("'%s': %s", line, err.text);
    }
    /* What a shell itself says of a program that did not start or died, only a shell says. */
    struct vh_exec_result files = world_shell(
        world, keeper, "for d in a b; do if test -e $d/err; then : >$d/err; fi; done; diff -r --no-dereference a b");
    if (code_of(&real) != ours.code || !vh_str_equal(real.output.kept, ours.output) ||
        memcmp(&real.output.hash, &ours.output_hash, sizeof ours.output_hash) != 0 || code_of(&files) != 0) {
        fail_msg("'%s': a shell has %d '%s' (%s), here %d '%s' (%s), files: %s", line, code_of(&real),
                 world_text(world, real.output.kept), world_text(world, real.errors.kept), ours.code,
                 world_text(world, ours.output), world_text(world, ours.errors),
                 world_text(world, files.output.kept));
    }
}

/* ---- lines ---- */

static uint64_t seed = 20240607;

static size_t
pick(size_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(seed >> 33) % below;
}

#define PICK(list) (list)[pick(sizeof(list) / sizeof *(list))]

struct line {
    char text[4096];
    size_t len;
};

static void
add(struct line *line, const char *text)
{
    size_t len = strlen(text);
    assert_true(line->len + len < sizeof line->text);
    memcpy(line->text + line->len, text, len + 1);
    line->len += len;
}

/* The same word in one of the ways to write it. */
static void
add_word(struct line *line, const char *word)
{
    bool plain = *word && strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789./-_") == strlen(word);
    char one[3] = { '\\', 0, 0 };
    add(line, " ");
    switch (pick(plain ? 5 : 3)) {
    case 0:
        add(line, "'");
        add(line, word);
        add(line, "'");
        return;
    case 1:
        add(line, "\"");
        add(line, word);
        add(line, "\"");
        return;
    case 2:
        if (!*word) {
            add(line, "''");
        }
        for (; *word; word++) {
            one[1] = *word;
            add(line, strchr("abcdefghijklmnopqrstuvwxyz0123456789./-_", *word) && pick(2) ? one + 1 : one);
        }
        return;
    default:
        add(line, word);
    }
}

static void
add_words(struct line *line, size_t most)
{
    static const char *const words[] = { "x",  "two words", "",   "#no",  "a;b", "a|b", "a&&b", "~",  "~/x", "(",
                                         ">f", "2",         "it", "caf\xc3\xa9", "{}",  "*.c", "if",
                                         "a=b", "\t",        "!" };
    for (size_t n = pick(most + 1); n; n--) {
        add_word(line, PICK(words));
    }
}

/* Whether it starts and ends by itself, so that nothing but the program writes to its standard error. */
static bool
add_reader(struct line *line)
{
    static const char *const readers[] = { "cat f1", "sort f1", "grep b f1", "cat missing f2", "wc -l f2",
                                           "head -n1 f1",
                                           "ls e", "./run.sh", "./run.sh one", "./plain", "./die.sh", "no-such-program",
                                           "false", "true", "cat empty", "./d", "sed s/one/1/ f2", "echo" };
    if (pick(3) == 0) {
        add(line, pick(2) ? "echo" : "printf '%s|' ");
        add_words(line, 4);
        return true;
    }
    const char *reader = PICK(readers);
    add(line, reader);
    return strcmp(reader, "./plain") != 0 && strcmp(reader, "./die.sh") != 0 && strcmp(reader, "./d") != 0 &&
           strcmp(reader, "no-such-program") != 0;
}

static bool
add_filter(struct line *line)
{
    static const char *const filters[] = { "sort", "cat", "wc -c", "head -n1", "tr a-z A-Z", "uniq -c", "grep -v x",
                                           "sed s/o/0/", "no-such-filter", "false", "cat -", "./run.sh" };
    const char *filter = PICK(filters);
    add(line, filter);
    return strcmp(filter, "no-such-filter") != 0;
}

static void
add_errors(struct line *line, bool starts)
{
    static const char *const errors[] = { " 2>&1", " 2>err", " 2>>err", " 2>/dev/null", " 2>missing/err" };
    size_t first = starts ? 0 : 1;
    add(line, errors[first + pick(sizeof errors / sizeof *errors - first)]);
}

static void
add_changer(struct line *line)
{
    static const char *const changers[] = { "cp f1 new", "mv f1 f2", "rm -f f2", "touch t", "mkdir -p d/g",
                                            "rm missing",
                                            "cat out", "test -f f1", "test -f missing", "test b = b", "mkdir d",
                                            "ln -s f1 link", "cat new" };
    add(line, PICK(changers));
}

static void
add_pipeline(struct line *line)
{
    static const char *const outs[] = { " >out", " >>out", ">  'out'", " >d/out", " >missing/out", " >/dev/null" };
    if (pick(3) == 0) {
        add_changer(line);
        return;
    }
    size_t stages = 1 + pick(3);
    bool starts = add_reader(line);
    add(line, pick(6) ? "" : " <f2");
    add(line, pick(6) ? "" : " </dev/null");
    for (size_t i = 1; i < stages; i++) {
        if (pick(5) == 0) {
            add_errors(line, starts);
        }
        add(line, pick(2) ? " | " : "|");
        starts = add_filter(line);
    }
    add(line, pick(4) ? "" : PICK(outs));
    if (pick(4) == 0) {
        add_errors(line, starts);
    }
}

static void
make_line(struct line *line)
{
    static const char *const ops[] = { " && ", "&&", " || ", "; ", "\n", ";", " \n\n ", " &&\n", "||" };
    line->len = 0;
    add(line, pick(8) ? "" : "\n ");
    add_pipeline(line);
    for (size_t more = pick(4); more; more--) {
        add(line, PICK(ops));
        add_pipeline(line);
    }
    add(line, pick(8) ? "" : " ;");
    add(line, pick(8) ? "" : "\n");
}

static void
lines_mean_the_same(struct world *world, struct vh_keeper *keeper)
{
    if (vh_keeper_profile(keeper)->variant == VH_SANDBOX_REDUCED_COPY) {
        return; /* there nobody may change a mode, which the fixtures need */
    }
    struct line line;
    size_t parsed = 0;
    for (size_t i = 0; i < LINES; i++) {
        const char *why = NULL;
        make_line(&line);
        const struct vh_json *document = vh_shell_parse(world->arena, vh_str(line.text), &why);
        if (document) {
            parsed++;
            compare(world, keeper, line.text, document);
        } else if (!strstr(why, "several redirections")) {
            fail_msg("'%s' is outside: %s", line.text, why);
        }
    }
    assert_true(parsed > LINES * 8 / 10);
}

/* What once meant something else here. */
static void
these_mean_the_same(struct world *world, struct vh_keeper *keeper)
{
    if (vh_keeper_profile(keeper)->variant == VH_SANDBOX_REDUCED_COPY) {
        return; /* there nobody may change a mode, which the fixtures need */
    }
    static const char *const lines[] = {
        "./missing", "./plain", "./plain; ./run.sh", "cat <missing", "cat <missing || echo no", "echo x >missing/y",
        "./die.sh", "./die.sh || echo died", "true | false", "false | true", "a=b/c", "echo a2>out", "echo '2'>out",
        "test -f f1 && echo yes || echo no", "printf '%s\\n' 'a\\nb'", "printf 'a%%b %d\\n' 7", "echo \\\\a b",
        "echo a &&\n\necho b", "\n\n echo a", "echo a;\n\necho b;\n", "echo if then else", "echo 'a'\"b\"c\\ d",
        "echo x >out 2>&1", "cat missing 2>&1 | wc -l", "cat missing 2>err; wc -l err",
        "head -c 300000 /dev/zero | wc -c",
        "head -c 3000000 /dev/zero; echo end", "echo a >>out; echo b >>out; cat out", "'' x || echo none",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *why = NULL;
        const struct vh_json *document = vh_shell_parse(world->arena, vh_str(lines[i]), &why);
        if (document) {
            compare(world, keeper, lines[i], document);
        }
    }
}

/* ---- outside ---- */

static const struct {
    const char *text;
    const char *why;
} outside_rows[] = {
    { "", "no command" },
    { "# only words", "a comment" },
    { "; echo a", "a stage without a program" },
    { "echo a; ; echo b", "a stage without a program" },
    { "echo a\n; echo b", "a stage without a program" },
    { "echo a ;; echo b", ";;" },
    { "echo a |", "a stage without a program" },
    { "echo a &&", "nothing after && or ||" },
    { "echo a &", "a command in the background" },
    { "(echo a)", "a group" },
    { "{ echo a; }", "a brace" },
    { "! true", "a negation" },
    { "echo $HOME", "a variable or substitution" },
    { "echo \"$HOME\"", "a variable, substitution or escape inside quotes" },
    { "echo `id`", "a substitution" },
    { "echo *.c", "a glob" },
    { "echo a?", "a glob" },
    { "[ -f x ]", "a glob" },
    { "echo ~", "a tilde" },
    { "X=1 env", "an assignment" },
    { "X='a b' env", "an assignment" },
    { "cd d", "a word of the shell itself" },
    { "'cd' d; pwd", "a word of the shell itself" },
    { "\\cd d; pwd", "a word of the shell itself" },
    { "chdir d", "a word of the shell itself" },
    { "kill 1", "a word of the shell itself" },
    { "echo -e x", "an echo with a backslash or an option" },
    { "echo 'a\\tb'", "an echo with a backslash or an option" },
    { "echo --help", "an echo with a backslash or an option" },
    { "printf '\\x41'", "a printf whose format shells read differently" },
    { "printf '%b' x", "a printf whose format shells read differently" },
    { "printf -v x y", "a printf whose format shells read differently" },
    { "test a == a", "a test that shells read differently" },
    { "true --help", "an option that a shell does not know" },
    { "pwd -P", "a pwd with words" },
    { "echo 12>f", "a descriptor" },
    { "echo 1>f", "a descriptor" },
    { "echo a >&2", "a descriptor" },
    { "echo a 2>&3", "a descriptor" },
    { "echo a >|f", "a descriptor" },
    { "cat <<x\nx", "a here document or descriptor" },
    { "cat <>x", "a here document or descriptor" },
    { "cat >a >b", "several redirections of one stream" },
    { "cat 2>a 2>&1", "several redirections of one stream" },
    { "cat 2>&1 >a", "several redirections of one stream" },
    { "cat >a <b", "redirections in another order than < > 2>" },
    { "cat 2>a >b", "redirections in another order than < > 2>" },
    { "cat >/tmp/a", "a redirection to a file outside of the workspace" },
    { "cat >d/../../a", "a redirection to a file outside of the workspace" },
    { "cat >", "a redirection without a file" },
    { "echo 'a", "a quote that does not end" },
    { "echo a\\", "a line that goes on" },
    { "echo a \\\nb", "a line that goes on" },
};

static void
these_are_outside(void **state)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    (void)state;
    for (size_t i = 0; i < sizeof outside_rows / sizeof *outside_rows; i++) {
        const char *why = NULL;
        if (vh_shell_parse(arena, vh_str(outside_rows[i].text), &why)) {
            fail_msg("'%s' is taken for plain commands", outside_rows[i].text);
        }
        if (strcmp(why, outside_rows[i].why) != 0) {
            fail_msg("'%s': '%s', expected '%s'", outside_rows[i].text, why, outside_rows[i].why);
        }
    }
    vh_arena_destroy(arena);
}

/* No bytes at all may confuse the reader: it answers, or leaves them to the shell. */
static void
wild_bytes_are_answered(void **state)
{
    static const char alphabet[] = "ab '\"\\|&;<>2\n$`(){}*?~#!=\t-/.\xff%";
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        struct vh_arena *arena = vh_arena_create(NULL, 0);
        size_t len = pick(24);
        char *text = vh_arena_alloc(arena, len + 1);
        const char *why = NULL;
        for (size_t j = 0; j < len; j++) {
            text[j] = pick(40) ? alphabet[pick(sizeof alphabet - 1)] : '\0';
        }
        /* Exactly its bytes, so that a sanitizer sees a read past them. */
        char *exact = len ? malloc(len) : NULL;
        if (len) {
            memcpy(exact, text, len);
        }
        const struct vh_json *document = vh_shell_parse(arena, (struct viv_str){ exact, len }, &why);
        assert_true(document || why);
        free(exact);
        vh_arena_destroy(arena);
    }
}

static void
test_lines(void **state)
{
    (void)state;
    world_each(lines_mean_the_same);
}

static void
test_these(void **state)
{
    (void)state;
    world_each(these_mean_the_same);
}

int
main(void)
{
    const struct CMUnitTest plain[] = {
        cmocka_unit_test(these_are_outside),
        cmocka_unit_test(wild_bytes_are_answered),
    };
    int failed = cmocka_run_group_tests(plain, NULL, NULL);
    if (failed || !world_probe()) {
        return failed ? failed : 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_these),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

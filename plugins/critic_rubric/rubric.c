/* SPDX-License-Identifier: Apache-2.0 */
/* One function per rule, in the order of the README's table. A rule that lacks its evidence says
 * nothing. */
#include "rubric.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>
#include <tree.h>

#include "leftovers.h"

#define LEFTOVERS_PER_FILE 3

static const struct viv_str nowhere = {NULL, 0};

static int
shown(struct viv_str text)
{
    return (int)(text.len < 160 ? text.len : 160);
}

static struct viv_str
string_of(const json_t *value)
{
    return (struct viv_str){json_string_value(value), json_string_length(value)};
}

static const json_t *
paths_of(const struct rubric_input *input)
{
    return json_object_get(input->change, "paths");
}

static const json_t *
effects_of(const struct rubric_input *input)
{
    return json_is_array(input->trace) ? input->trace : json_object_get(input->trace, "effects");
}

static int
is_blank(struct viv_str text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] > ' ') {
            return 0;
        }
    }
    return 1;
}

/* Words that ask for a change of files; a request without one may be answered by output alone. */
static int
asks_for_change(const json_t *intent)
{
    static const char *const verbs[] = {
        "add",     "build",     "change",  "convert",   "create", "delete",   "edit",   "fix",
        "format",  "implement", "improve", "insert",    "move",   "refactor", "remove", "rename",
        "replace", "rewrite",   "sort",    "translate", "update", "upgrade",  "write"};
    struct viv_str goal = viv_tree_text(intent, "goal");
    for (uint64_t at = 0; at < goal.len;) {
        uint64_t end = at;
        while (end < goal.len && ((goal.data[end] | 32) >= 'a' && (goal.data[end] | 32) <= 'z')) {
            end++;
        }
        for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
            size_t len = strlen(verbs[i]);
            if (end - at == len && strncasecmp(goal.data + at, verbs[i], len) == 0) {
                return 1;
            }
        }
        at = end + 1;
    }
    return 0;
}

static void
review_empty(const struct rubric_input *input, struct findings *findings)
{
    size_t changes = json_array_size(paths_of(input));
    int silent = is_blank(viv_tree_text(input->result, "output"));
    if (changes == 0 && silent) {
        findings_add(findings, "result.empty", SEVERITY_ERROR, nowhere, 0,
                     "nothing was changed and nothing was answered: the change list and the output "
                     "are empty");
    } else if (changes == 0 && asks_for_change(input->intent)) {
        findings_add(findings, "result.no-change", SEVERITY_WARNING, nowhere, 0,
                     "the request asks for a change, and the change list is empty");
    }
}

static void
review_failed(const struct rubric_input *input, struct findings *findings)
{
    int64_t code = viv_tree_integer(input->result, "exit_code", 0);
    struct viv_str error = viv_tree_text(input->result, "error");
    if (code != 0) {
        findings_add(findings, "result.failed", SEVERITY_ERROR, nowhere, 0,
                     "the result itself says exit code %lld", (long long)code);
    }
    if (error.len > 0) {
        findings_add(findings, "result.failed", SEVERITY_ERROR, nowhere, 0,
                     "the result itself says: %.*s", shown(error), error.data);
    }
}

/* "./a" and "a" are one file. */
static struct viv_str
plain(struct viv_str path)
{
    while (path.len > 2 && path.data[0] == '.' && path.data[1] == '/') {
        path.data += 2;
        path.len -= 2;
    }
    return path;
}

static const json_t *
find_change(const struct rubric_input *input, struct viv_str path)
{
    const json_t *paths = paths_of(input);
    for (size_t i = 0; i < json_array_size(paths); i++) {
        struct viv_str changed = viv_tree_text(json_array_get(paths, i), "path");
        if (changed.len == path.len && path.len > 0 &&
            memcmp(changed.data, path.data, (size_t)path.len) == 0) {
            return json_array_get(paths, i);
        }
    }
    return NULL;
}

static void
review_claims(const struct rubric_input *input, struct findings *findings)
{
    const json_t *claimed = json_object_get(input->result, "claimed");
    for (size_t i = 0; i < json_array_size(claimed); i++) {
        struct viv_str path = plain(string_of(json_array_get(claimed, i)));
        if (!path.data) {
            findings_add(findings, "claim.malformed", SEVERITY_ERROR, nowhere, 0,
                         "claimed file %zu is not a text", i + 1);
        } else if (!find_change(input, path)) {
            findings_add(findings, "claim.missing", SEVERITY_ERROR, path, 0,
                         "the result claims '%.*s', and the change list does not have it",
                         shown(path), path.data);
        }
    }
}

static int
is_deleted(const json_t *change)
{
    struct viv_str kind = viv_tree_text(change, "change");
    return kind.len >= 6 && memcmp(kind.data, "delete", 6) == 0;
}

/* Of a file that was there before, `added` is new text only when the host says at which line it
 * begins; else it is an excerpt of the whole, and old marks are nobody's fault. */
static int
is_new_text(const json_t *change)
{
    struct viv_str kind = viv_tree_text(change, "change");
    return json_is_integer(json_object_get(change, "added_line")) ||
           (kind.len >= 3 && memcmp(kind.data, "add", 3) == 0);
}

static void
review_leftovers(const struct rubric_input *input, struct findings *findings)
{
    const json_t *paths = paths_of(input);
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const json_t *change = json_array_get(paths, i);
        struct viv_str path = viv_tree_text(change, "path");
        struct viv_str added = is_new_text(change) ? viv_tree_text(change, "added") : nowhere;
        struct leftover leftover;
        uint64_t at = 0;
        int64_t line = viv_tree_integer(change, "added_line", 1);
        for (int count = 0;
             count < LEFTOVERS_PER_FILE && leftovers_next(added, &at, &line, &leftover); count++) {
            findings_add(findings, "content.leftover", SEVERITY_WARNING, path, leftover.line,
                         "added text says '%.*s', so something is not finished",
                         (int)leftover.word.len, leftover.word.data);
        }
    }
}

static void
review_empty_files(const struct rubric_input *input, struct findings *findings)
{
    const json_t *paths = paths_of(input);
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const json_t *change = json_array_get(paths, i);
        struct viv_str path = viv_tree_text(change, "path");
        struct viv_str name = path;
        for (uint64_t at = path.len; at > 0 && path.data[at - 1] != '/'; at--) {
            name = (struct viv_str){path.data + at - 1, path.len - at + 1};
        }
        int may_be_empty =
            name.len > 0 &&
            (name.data[0] == '.' || (name.len == 11 && memcmp(name.data, "__init__.py", 11) == 0) ||
             (name.len == 8 && memcmp(name.data, "py.typed", 8) == 0));
        if (json_is_integer(json_object_get(change, "size")) &&
            viv_tree_integer(change, "size", 1) == 0 && !is_deleted(change) && !may_be_empty) {
            findings_add(findings, "content.empty", SEVERITY_WARNING, path, 0,
                         "'%.*s' is empty now", shown(path), path.data);
        }
    }
}

/* A program of the work itself; what gates ran is theirs to judge. The host's trace says "effect",
 * "stage" and "what". */
static int
is_exec(const json_t *effect)
{
    struct viv_str kind = viv_tree_text(effect, "effect");
    struct viv_str stage = viv_tree_text(effect, "stage");
    if (kind.len == 0) {
        kind = viv_tree_text(effect, "kind");
    }
    return kind.len == 4 && memcmp(kind.data, "exec", 4) == 0 &&
           (stage.len == 0 || (stage.len == 7 && memcmp(stage.data, "execute", 7) == 0));
}

/* The words of its last stage, whose exit code is most often the pipeline's. */
static const json_t *
argv_of(const json_t *effect)
{
    const json_t *argv = json_object_get(effect, "argv");
    const json_t *stages =
        json_object_get(json_object_get(json_object_get(effect, "what"), "spec"), "stages");
    size_t count = json_array_size(stages);
    return argv || count == 0 ? argv : json_object_get(json_array_get(stages, count - 1), "argv");
}

/* A failed command later repeated with success was mended; else a result that says success hides
 * it. */
static int
was_mended(const json_t *effects, size_t failed)
{
    const json_t *argv = argv_of(json_array_get(effects, failed));
    for (size_t i = failed + 1; i < json_array_size(effects); i++) {
        const json_t *later = json_array_get(effects, i);
        if (is_exec(later) && json_equal(argv_of(later), argv) &&
            viv_tree_integer(later, "exit_code", 0) == 0) {
            return 1;
        }
    }
    return 0;
}

/* grep, diff, test and cmp answer "no" by 1. */
static int
answers_by_code(const json_t *argv, int64_t code)
{
    static const char *const programs[] = {"grep", "egrep", "fgrep", "rg", "diff",
                                           "cmp",  "test",  "[",     "git"};
    const char *program = json_string_value(json_array_get(argv, 0));
    const char *slash = program ? strrchr(program, '/') : NULL;
    program = slash ? slash + 1 : program;
    for (size_t i = 0; code == 1 && program && i < sizeof programs / sizeof *programs; i++) {
        if (strcmp(program, programs[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static void
review_swallowed(const struct rubric_input *input, struct findings *findings)
{
    const json_t *effects = effects_of(input);
    if (viv_tree_integer(input->result, "exit_code", 0) != 0)
        return;
    for (size_t i = 0; i < json_array_size(effects); i++) {
        const json_t *effect = json_array_get(effects, i);
        const json_t *argv = argv_of(effect);
        int64_t code = viv_tree_integer(effect, "exit_code", 0);
        if (!is_exec(effect) || code == 0 || answers_by_code(argv, code) || was_mended(effects, i))
            continue;
        char words[200];
        viv_tree_words(argv, words, sizeof words);
        findings_add(
            findings, "trace.swallowed", SEVERITY_ERROR, nowhere, 0,
            "effect %zu, '%s', ended with exit code %lld, and the result says nothing of it", i + 1,
            words, (long long)code);
    }
}

/* Whether `folder` is the path or above it. */
static int
covers(struct viv_str folder, struct viv_str path)
{
    folder = plain(folder);
    while (folder.len > 1 && folder.data[folder.len - 1] == '/') {
        folder.len--;
    }
    if (folder.len == 0 || (folder.len == 1 && folder.data[0] == '.')) {
        return 1;
    }
    return folder.len <= path.len && memcmp(folder.data, path.data, (size_t)folder.len) == 0 &&
           (folder.len == path.len || path.data[folder.len] == '/');
}

static int
any_covers(const json_t *list, struct viv_str path)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct viv_str folder = string_of(json_array_get(list, i));
        if (folder.data && covers(folder, path)) {
            return 1;
        }
    }
    return 0;
}

static void
review_scope(const struct rubric_input *input, struct findings *findings)
{
    const json_t *paths = paths_of(input);
    const json_t *scope = json_object_get(input->intent, "scope");
    const json_t *only = json_object_get(scope, "only");
    for (size_t i = 0; i < json_array_size(paths); i++) {
        struct viv_str path = viv_tree_text(json_array_get(paths, i), "path");
        if (path.len == 0) {
            findings_add(findings, "change.malformed", SEVERITY_ERROR, nowhere, 0,
                         "entry %zu of the change list has no path", i + 1);
            continue;
        }
        if (json_array_size(only) > 0 && !any_covers(only, path)) {
            findings_add(findings, "scope.outside", SEVERITY_ERROR, path, 0,
                         "'%.*s' was changed, and the request says to stay inside its scope",
                         shown(path), path.data);
        }
        if (any_covers(json_object_get(scope, "avoid"), path)) {
            findings_add(findings, "scope.avoid", SEVERITY_ERROR, path, 0,
                         "'%.*s' was changed, and the request rules that out", shown(path),
                         path.data);
        }
    }
}

void
rubric_review(const struct rubric_input *input, struct findings *findings)
{
    review_empty(input, findings);
    review_failed(input, findings);
    review_claims(input, findings);
    review_scope(input, findings);
    review_swallowed(input, findings);
    review_leftovers(input, findings);
    review_empty_files(input, findings);
}

uint32_t
rubric_score(const struct findings *findings, int64_t error_weight, int64_t warning_weight)
{
    int64_t off =
        (int64_t)findings->errors * error_weight + (int64_t)findings->warnings * warning_weight;
    return off >= 1000 ? 0 : (uint32_t)(1000 - off);
}

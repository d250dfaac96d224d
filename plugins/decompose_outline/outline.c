/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: the goal is the first sentence that is no constraint and names something to do, else the
 * first that is no constraint, whole and as written. Constraints are taken out of every sentence,
 * the goal's too, and never change its words. A phrase runs to the next comma, marker or the
 * sentence's end; a list of paths runs on over commas, "and", "or". A path that cannot be meant
 * narrows nothing: it becomes a question. */
#include "outline.h"

#include <string.h>

#include "markers.h"

static void
add(struct outline *outline, enum outline_list list, struct viv_str text)
{
    if (text.len == 0)
        return;
    for (uint32_t i = 0; i < outline->counts[list]; i++) {
        struct viv_str old = outline->lists[list][i];
        if (old.len == text.len && memcmp(old.data, text.data, (size_t)text.len) == 0)
            return;
    }
    if (outline->counts[list] == OUTLINE_LIST_MAX) {
        outline->asks |= OUTLINE_ASK_SIZE;
        return;
    }
    outline->lists[list][outline->counts[list]++] = text;
}

static int
leaves_root(struct viv_str path)
{
    if (path.len == 0 || path.len > VIV_PATH_MAX || path.data[0] == '/' || path.data[0] == '~') {
        return 1;
    }
    for (uint64_t at = 0; at < path.len;) {
        uint64_t end = at;
        while (end < path.len && path.data[end] != '/') {
            end++;
        }
        if (end - at == 2 && path.data[at] == '.' && path.data[at + 1] == '.') {
            return 1;
        }
        at = end + 1;
    }
    return 0;
}

uint32_t
outline_add_path(struct outline *outline, enum outline_list list, struct viv_str path)
{
    while (path.len > 2 && path.data[0] == '.' && path.data[1] == '/') {
        path.data += 2;
        path.len -= 2;
    }
    while (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    if (leaves_root(path)) {
        outline->asks |= OUTLINE_ASK_PATH;
        outline->outside_path = path;
        return 0;
    }
    add(outline, list, path);
    return 1;
}

static int
is_marker(const struct words *words, uint32_t at)
{
    return at < words->count && words->list[at].marker != MARKER_NONE;
}

/* Whether nothing more belongs to a phrase after word `at`. */
static int
ends_phrase(const struct words *words, uint32_t at)
{
    return (words->list[at].flags & (WORD_COMMA | WORD_LAST)) != 0 || is_marker(words, at + 1) ||
           (is_marker(words, at + 2) && words_is_one(words, at + 1, "and but or then"));
}

/* Where the phrase that begins at `from` ends; `end` is the end of its sentence. */
static uint32_t
phrase_end(const struct words *words, uint32_t from, uint32_t end)
{
    while (from < end && !ends_phrase(words, from)) {
        from++;
    }
    return from < end ? from + 1 : end;
}

/* Paths from `at` on; `bare` lets a single plain word count as one ("only under docs"). Gives the
 * word after them. */
static uint32_t
take_paths(struct outline *outline, const struct words *words, uint32_t at, uint32_t end,
           enum outline_list list, uint32_t bare)
{
    uint32_t after = at;
    while (at < end) {
        if (words_is_one(words, at,
                         "the a any my our its files file folder folders directory directories in "
                         "under and or")) {
            at++;
            continue;
        }
        uint32_t named =
            at + 1 < end && words_is_one(words, at + 1, "folder folders directory directories");
        if (!markers_path_like(words, at) && !named && !(bare && ends_phrase(words, at)))
            break;
        (void)outline_add_path(outline, list, words->list[at].text);
        at++;
        after = at + named;
        bare = bare && words_is_one(words, at, "and or");
    }
    return after;
}

static void
take_money(struct outline *outline, int64_t micro)
{
    if (outline->budget_micro == 0 || micro < outline->budget_micro) {
        outline->budget_micro = micro;
    }
}

/* What the marker at `at` adds; its sentence is `first` to `last`. */
static void
take_marker(struct outline *outline, const struct words *words, uint32_t first, uint32_t at,
            uint32_t last)
{
    uint32_t begin = at + words->list[at].marker_len;
    uint32_t end = phrase_end(words, begin, last);
    uint32_t after = begin;
    switch ((enum marker_kind)words->list[at].marker) {
    case MARKER_NONE:
        return;
    case MARKER_ONLY:
        after = take_paths(outline, words, begin, last, OUTLINE_ONLY,
                           !words_is(words, begin - 1, "in"));
        add(outline, OUTLINE_CONSTRAINTS, words_span(words, at, after > begin ? after : end));
        return;
    case MARKER_AVOID:
        after = take_paths(outline, words, begin, last, OUTLINE_AVOID, 1);
        end = after > end ? after : end;
        add(outline, OUTLINE_CONSTRAINTS, words_span(words, at, end));
        add(outline, OUTLINE_ANTI_GOALS, words_span(words, begin, end));
        return;
    case MARKER_NEVER:
        add(outline, OUTLINE_ANTI_GOALS, words_span(words, begin, end));
        return;
    case MARKER_NETWORK:
        outline->no_network = 1;
        add(outline, OUTLINE_CONSTRAINTS, words_span(words, at, begin));
        return;
    case MARKER_BUDGET:
        take_money(outline, markers_money(words, begin));
        add(outline, OUTLINE_CONSTRAINTS, words_span(words, at, end));
        return;
    case MARKER_RULE:
        add(outline, OUTLINE_CONSTRAINTS, words_span(words, first, last));
        return;
    case MARKER_PREFER:
        add(outline, OUTLINE_PREFERENCES, words_span(words, at, end));
        return;
    case MARKER_ACCEPT:
        add(outline, OUTLINE_ACCEPTANCE, words_span(words, at, last));
        return;
    }
}

/* Whether a sentence is nothing but a condition on the work. */
static int
is_condition(const struct words *words, uint32_t first)
{
    return words->list[first].marker != MARKER_NONE && words->list[first].marker != MARKER_ACCEPT;
}

static void
take_goal(struct outline *outline, const struct words *words)
{
    struct viv_str spare = {NULL, 0};
    for (uint32_t first = 0; first < words->count;) {
        uint32_t end = words_sentence(words, first);
        if (!is_condition(words, first)) {
            struct viv_str text = words_span(words, first, end);
            if (markers_has_verb(words, first, end)) {
                outline->goal = text;
                return;
            }
            spare = spare.len == 0 ? text : spare;
        }
        first = end;
    }
    outline->goal = spare;
}

static uint32_t
only_vague(const struct words *words)
{
    for (uint32_t i = 0; i < words->count; i++) {
        if (!markers_is_vague(words, i)) {
            return 0;
        }
    }
    return words->count <= 4;
}

void
outline_read(struct words *words, uint32_t with_command, struct outline *ret_outline)
{
    memset(ret_outline, 0, sizeof *ret_outline);
    markers_find(words);
    for (uint32_t first = 0; first < words->count;) {
        uint32_t end = words_sentence(words, first);
        for (uint32_t at = first; at < end;) {
            take_marker(ret_outline, words, first, at, end);
            at += words->list[at].marker_len > 0 ? words->list[at].marker_len : 1;
        }
        first = end;
    }
    take_goal(ret_outline, words);
    if (ret_outline->goal.len == 0) {
        ret_outline->asks |= OUTLINE_ASK_GOAL;
    } else if (!with_command && only_vague(words)) {
        ret_outline->asks |= OUTLINE_ASK_VAGUE;
    }
}

/* Whether `folder` is the path or above it. */
static int
covers(struct viv_str folder, struct viv_str path)
{
    return folder.len <= path.len && memcmp(folder.data, path.data, (size_t)folder.len) == 0 &&
           (folder.len == path.len || path.data[folder.len] == '/');
}

void
outline_finish(const struct words *words, uint32_t with_command, struct outline *outline)
{
    for (uint32_t i = 0; i < outline->counts[OUTLINE_ONLY]; i++) {
        for (uint32_t j = 0; j < outline->counts[OUTLINE_AVOID]; j++) {
            if (covers(outline->lists[OUTLINE_AVOID][j], outline->lists[OUTLINE_ONLY][i])) {
                outline->asks |= OUTLINE_ASK_CONFLICT;
                outline->torn_path = outline->lists[OUTLINE_ONLY][i];
            }
        }
    }
    uint32_t conditions =
        outline->counts[OUTLINE_CONSTRAINTS] + outline->counts[OUTLINE_ACCEPTANCE];
    uint32_t sum = 500;
    sum += words->count >= 3 && outline->goal.len > 10 ? 200 : 0;
    sum += 100 * (conditions < 3 ? conditions : 3);
    sum += outline->goal.len >= 50 && outline->goal.len <= 500 ? 100 : 0;
    sum += with_command ? 200 : 0;
    sum = sum > 1000 ? 1000 : sum;
    outline->confidence_permille = outline->asks ? 200 : sum;
}

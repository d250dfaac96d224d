/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include <string.h>
#include <strings.h>
#include <tree.h>

/* Longest quoted stretch: a stray quote must not make the search for its end cost the whole text
 * each time. */
#define QUOTED_MAX 256

static int
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/* End of a quoted stretch that begins at `at` and closes on the same line before a blank or
 * punctuation; or `at`. */
static uint64_t
quoted_end(struct viv_str goal, uint64_t at)
{
    char quote = goal.data[at];
    if (quote != '"' && quote != '`' && quote != '\'') {
        return at;
    }
    for (uint64_t i = at + 1; i < goal.len && i - at < QUOTED_MAX && goal.data[i] != '\n'; i++) {
        if (goal.data[i] == quote && (i + 1 == goal.len || is_blank(goal.data[i + 1]) ||
                                      strchr(",.;:!?)", goal.data[i + 1]))) {
            return i + 1;
        }
    }
    return at;
}

static int
is_abbreviation(struct viv_str raw)
{
    static const char *const known[] = {"e.g.", "i.e.",    "etc.", "cf.",
                                        "vs.",  "approx.", "no.",  "resp."};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (raw.len == strlen(known[i]) && strncasecmp(raw.data, known[i], raw.len) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Take punctuation off the end, quotes off both ends; a word of punctuation alone stays as it is.
 */
static void
strip(struct word *word, uint64_t quoted_len)
{
    struct viv_str text = word->raw;
    while (text.len > 1 && (text.data[0] == '(' || text.data[0] == '[')) {
        text.data++;
        text.len--;
    }
    while (text.len > 1 && text.len > quoted_len && strchr(",.;:!?)]", text.data[text.len - 1])) {
        char c = text.data[text.len - 1];
        word->flags |= c == ',' || c == ':' ? WORD_COMMA : 0;
        word->flags |= (c == '.' || c == ';' || c == '!' || c == '?') && !is_abbreviation(word->raw)
                           ? WORD_LAST
                           : 0;
        text.len--;
    }
    if (quoted_len > 2 && text.len == quoted_len) {
        text.data++;
        text.len -= 2;
        word->flags |= WORD_QUOTED;
    }
    word->text = text;
}

/* "- ", "* " or "12. " at the beginning of a line is layout, not a word. */
static uint64_t
bullet_end(struct viv_str goal, uint64_t at)
{
    uint64_t i = at;
    if (i < goal.len && (goal.data[i] == '-' || goal.data[i] == '*')) {
        i++;
    } else {
        while (i < goal.len && i < at + 3 && goal.data[i] >= '0' && goal.data[i] <= '9') {
            i++;
        }
        if (i == at || i == goal.len || (goal.data[i] != '.' && goal.data[i] != ')')) {
            return at;
        }
        i++;
    }
    return i < goal.len && is_blank(goal.data[i]) ? i : at;
}

/* Skip blanks and list marks; tell whether a new sentence begins here. */
static uint64_t
skip_blanks(struct viv_str goal, uint64_t at, uint32_t *breaks)
{
    uint32_t lines = at == 0;
    *breaks = 0;
    while (at < goal.len) {
        if (is_blank(goal.data[at])) {
            lines += goal.data[at] == '\n';
            at++;
            continue;
        }
        uint64_t end = lines > 0 ? bullet_end(goal, at) : at;
        if (end == at)
            break;
        *breaks = 1;
        at = end;
        lines = 0;
    }
    *breaks |= lines > 1;
    return at;
}

static uint32_t
cut(struct viv_str goal, struct word *list)
{
    uint32_t count = 0;
    uint32_t breaks = 0;
    for (uint64_t at = skip_blanks(goal, 0, &breaks); at < goal.len;
         at = skip_blanks(goal, at, &breaks)) {
        if (breaks && count > 0) {
            list[count - 1].flags |= WORD_LAST;
        }
        uint64_t quoted = quoted_end(goal, at);
        uint64_t end = quoted;
        while (end < goal.len && !is_blank(goal.data[end])) {
            end++;
        }
        list[count].raw = (struct viv_str){goal.data + at, end - at};
        strip(&list[count], quoted - at);
        count++;
        at = end;
    }
    if (count > 0) {
        list[count - 1].flags |= WORD_LAST;
    }
    return count;
}

viv_status
words_split(struct viv_call *call, struct viv_str goal, struct words *ret_words,
            struct viv_error *err)
{
    if (goal.len > VIV_GOAL_MAX) {
        return viv_tree_fail(err, VIV_E_LIMIT, "goal", "the goal has %llu bytes, allowed %d",
                             (unsigned long long)goal.len, VIV_GOAL_MAX);
    }
    if (!viv_tree_utf8(goal) || (goal.len > 0 && memchr(goal.data, '\0', (size_t)goal.len))) {
        return viv_tree_fail(err, VIV_E_INVALID, "goal",
                             "the goal is not UTF-8 text, or holds a NUL");
    }
    struct word *list = call->alloc(call, (goal.len / 2 + 2) * sizeof *list);
    if (!list) {
        return viv_tree_fail(err, VIV_E_MEMORY, "goal",
                             "the goal does not fit into the call's memory");
    }
    *ret_words = (struct words){list, goal.len > 0 ? cut(goal, list) : 0, 0};
    return VIV_OK;
}

uint32_t
words_sentence(const struct words *words, uint32_t from)
{
    while (from < words->count && !(words->list[from].flags & WORD_LAST)) {
        from++;
    }
    return from < words->count ? from + 1 : words->count;
}

uint32_t
words_is(const struct words *words, uint32_t at, const char *literal)
{
    if (at >= words->count || (words->list[at].flags & WORD_QUOTED)) {
        return 0;
    }
    struct viv_str text = words->list[at].text;
    return text.len == strlen(literal) && strncasecmp(text.data, literal, (size_t)text.len) == 0;
}

uint32_t
words_is_one(const struct words *words, uint32_t at, const char *list)
{
    if (at >= words->count || (words->list[at].flags & WORD_QUOTED)) {
        return 0;
    }
    struct viv_str text = words->list[at].text;
    for (const char *item = list; *item;) {
        size_t len = strcspn(item, " ");
        if (text.len == len && strncasecmp(text.data, item, len) == 0) {
            return 1;
        }
        item += len + (item[len] == ' ');
    }
    return 0;
}

struct viv_str
words_span(const struct words *words, uint32_t from, uint32_t to)
{
    if (from >= to || to > words->count) {
        return (struct viv_str){NULL, 0};
    }
    const struct word *last = &words->list[to - 1];
    const char *begin = words->list[from].raw.data;
    const char *end = last->text.data + last->text.len + ((last->flags & WORD_QUOTED) != 0);
    return (struct viv_str){begin, (uint64_t)(end - begin)};
}

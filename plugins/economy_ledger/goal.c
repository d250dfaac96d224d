/* SPDX-License-Identifier: Apache-2.0 */
#include "goal.h"

#include <string.h>
#include <strings.h>

#define LONG_CHARACTERS 800
#define LONG_SCORE 5
#define WORD_SCORE 2

/* Sorted. Those that score tell of technical depth; all of them tell the kind of a goal. */
static const struct {
    const char *text;
    int scores;
} known[] = {
    {"algorithm", 1},      {"api", 1},          {"architecture", 0}, {"async", 1},
    {"authentication", 1}, {"benchmark", 1},    {"cache", 1},        {"concurrency", 1},
    {"critical", 0},       {"database", 1},     {"design", 0},       {"distributed", 1},
    {"docker", 1},         {"encryption", 1},   {"important", 0},    {"index", 1},
    {"kubernetes", 1},     {"microservice", 1}, {"migration", 1},    {"optimize", 1},
    {"performance", 1},    {"pipeline", 1},     {"process", 1},      {"refactor", 1},
    {"scale", 1},          {"security", 0},     {"sql", 1},          {"thread", 1},
};

enum { KNOWN = sizeof known / sizeof *known };

static int
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static int
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static int
is_name(char c)
{
    return is_letter(c) || c == '-';
}

static void
mark(struct viv_str word, char *found)
{
    for (size_t i = 0; i < KNOWN; i++) {
        if (word.len == strlen(known[i].text) &&
            strncasecmp(word.data, known[i].text, (size_t)word.len) == 0) {
            found[i] = 1;
        }
    }
}

/* Whole words here end at whatever is no letter, digit or _: "async-safe" holds "async". */
static void
mark_all(struct viv_str text, char *found)
{
    uint64_t start = 0;
    for (uint64_t i = 0; i <= text.len; i++) {
        if (i == text.len || !is_letter(text.data[i])) {
            mark((struct viv_str){text.data + start, i - start}, found);
            start = i + 1;
        }
    }
}

static void
append(char *pattern, const char *word)
{
    size_t len = strlen(pattern);
    size_t more = strlen(word);
    if (len + more + 2 <= GOAL_PATTERN_MAX) {
        memcpy(pattern + len, ",", len > 0);
        memcpy(pattern + len + (len > 0), word, more + 1);
    }
}

struct goal
goal_measure(struct viv_str text)
{
    struct goal goal = {.score = 0};
    char found[KNOWN] = {0};
    int64_t characters = 0;
    if (text.len == 0) {
        return goal;
    }
    for (uint64_t i = 0; i < text.len; i++) {
        goal.words += !is_blank(text.data[i]) && (i == 0 || is_blank(text.data[i - 1]));
        characters += ((unsigned char)text.data[i] & 0xc0) != 0x80; /* each begins one character */
    }
    mark_all(text, found);
    int64_t tokens = goal.words * 13 / 10; /* a word has about 1.3 of them */
    goal.score = tokens / 10 + (characters > LONG_CHARACTERS ? LONG_SCORE : 0);
    for (size_t i = 0; i < KNOWN; i++) {
        if (found[i]) {
            goal.score += known[i].scores * WORD_SCORE;
            append(goal.pattern, known[i].text);
        }
    }
    return goal;
}

int
goal_word(struct viv_str text, uint64_t *at, struct goal_word *ret_word)
{
    uint64_t start = *at;
    int next = start > 0;
    while (start < text.len && !is_name(text.data[start])) {
        next = next && is_blank(text.data[start]);
        start++;
    }
    if (start >= text.len) {
        return 0;
    }
    uint64_t end = start + 1;
    while (end < text.len &&
           (is_name(text.data[end]) ||
            (text.data[end] == '.' && end + 1 < text.len && is_name(text.data[end + 1])))) {
        end++;
    }
    *ret_word = (struct goal_word){{text.data + start, end - start}, next};
    *at = end;
    return 1;
}

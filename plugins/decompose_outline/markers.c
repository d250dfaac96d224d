/* SPDX-License-Identifier: Apache-2.0 */
/* Rows are tried in order, longer phrases first. A row's item is a blank-separated list of words of
 * which one must stand there. `clause` rows count only where a clause begins ("files that do not
 * end" is no command). */
#include "markers.h"

#include <stddef.h>
#include <string.h>

#define TOUCH "touch change edit modify delete remove move rename alter rewrite overwrite"
#define TOUCHING                                                                                   \
    "touching changing editing modifying deleting removing moving renaming altering rewriting"
#define INSIDE "under inside within below"
#define NOT "don't dont don\xe2\x80\x99t never"

struct row {
    enum marker_kind kind;
    int clause;
    const char *items[5];
};

static const struct row rows[] = {
    {MARKER_NETWORK, 0, {"do", "not", "use", "the", "network internet"}},
    {MARKER_NETWORK, 0, {NOT, "use", "the", "network internet"}},
    {MARKER_NETWORK, 0, {"without", "the", "network internet"}},
    {MARKER_NETWORK, 0, {"without no", "network internet"}},
    {MARKER_NETWORK, 0, {"offline"}},
    {MARKER_ONLY, 0, {"only", INSIDE " in"}},
    {MARKER_ONLY, 1, {"only", TOUCH}},
    {MARKER_ONLY, 0, {"stay keep", INSIDE}},
    {MARKER_AVOID, 1, {"do must", "not", TOUCH}},
    {MARKER_AVOID, 1, {NOT, TOUCH}},
    {MARKER_AVOID, 0, {"without", TOUCHING}},
    {MARKER_AVOID, 1, {"avoid", TOUCHING}},
    {MARKER_AVOID, 0, {"except", "for"}},
    {MARKER_AVOID, 0, {"except"}},
    {MARKER_BUDGET, 0, {"at", "most"}},
    {MARKER_BUDGET, 0, {"no not", "more", "than"}},
    {MARKER_BUDGET, 0, {"up", "to"}},
    {MARKER_BUDGET, 0, {"budget", "of"}},
    {MARKER_BUDGET, 0, {"less", "than"}},
    {MARKER_NEVER, 1, {"do must", "not"}},
    {MARKER_NEVER, 1, {NOT}},
    {MARKER_NEVER, 1, {"no", "need", "to"}},
    {MARKER_NEVER, 1, {"avoid skip exclude ignore"}},
    {MARKER_NEVER, 0, {"leave leaving", "out"}},
    {MARKER_NEVER, 0, {"without"}},
    {MARKER_PREFER, 0, {"if", "possible"}},
    {MARKER_PREFER, 0, {"nice", "to", "have"}},
    {MARKER_PREFER, 0, {"prefer preferably ideally optionally"}},
    {MARKER_ACCEPT, 0, {"so such", "that"}},
    {MARKER_ACCEPT, 0, {"done finished", "when"}},
    {MARKER_ACCEPT, 1, {"make", "sure"}},
    {MARKER_ACCEPT, 1, {"ensure verify"}},
    {MARKER_ACCEPT, 0, {"until"}},
    {MARKER_RULE, 0, {"must always mandatory required"}},
};

static int
begins_clause(const struct words *words, uint32_t at)
{
    if (at == 0 || (words->list[at - 1].flags & (WORD_COMMA | WORD_LAST))) {
        return 1;
    }
    return words_is_one(
               words, at - 1,
               "and but then please also so or you should must - \xe2\x80\x93 \xe2\x80\x94") != 0;
}

/* Number of words a row takes at `at`, all in one sentence; 0 when it does not stand there. */
static uint32_t
match(const struct words *words, uint32_t at, const struct row *row)
{
    uint32_t len = 0;
    while (len < 5 && row->items[len]) {
        if ((len > 0 && (words->list[at + len - 1].flags & WORD_LAST)) ||
            !words_is_one(words, at + len, row->items[len])) {
            return 0;
        }
        len++;
    }
    return len;
}

static void
find_at(struct words *words, uint32_t at)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t len = match(words, at, &rows[i]);
        if (len > 0 && (!rows[i].clause || begins_clause(words, at)) &&
            (rows[i].kind != MARKER_BUDGET || markers_money(words, at + len) > 0)) {
            words->list[at].marker = (uint16_t)rows[i].kind;
            words->list[at].marker_len = (uint16_t)len;
            return;
        }
    }
}

void
markers_find(struct words *words)
{
    for (uint32_t at = 0; at < words->count; at++) {
        find_at(words, at);
    }
}

/* "12", "0.5", "12.50" in micro-units; -1 for anything else or more than a billion. */
static int64_t
decimal(struct viv_str text)
{
    int64_t micro = 0;
    int64_t place = -1; /* micro-units of the next decimal, -1 before the dot */
    if (text.len == 0 || text.len > 12) {
        return -1;
    }
    for (uint64_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '.' && place < 0 && i > 0) {
            place = 100000;
        } else if (c < '0' || c > '9' || place == 0) {
            return -1;
        } else if (place < 0) {
            micro = micro * 10 + (c - '0') * INT64_C(1000000);
        } else {
            micro += (c - '0') * place;
            place /= 10;
        }
        if (micro > INT64_C(1000000000000000)) {
            return -1;
        }
    }
    return micro;
}

int64_t
markers_money(const struct words *words, uint32_t at)
{
    if (at >= words->count) {
        return 0;
    }
    struct viv_str text = words->list[at].text;
    if (text.len > 1 && text.data[0] == '$') {
        int64_t micro = decimal((struct viv_str){text.data + 1, text.len - 1});
        return micro > 0 ? micro : 0;
    }
    int64_t micro = decimal(text);
    if (micro <= 0) {
        return 0;
    }
    if (words_is_one(words, at + 1, "dollar dollars usd")) {
        return micro;
    }
    return words_is_one(words, at + 1, "cent cents") ? micro / 100 : 0;
}

uint32_t
markers_path_like(const struct words *words, uint32_t at)
{
    if (at >= words->count) {
        return 0;
    }
    struct viv_str text = words->list[at].text;
    if (words->list[at].flags & WORD_QUOTED) {
        return memchr(text.data, ' ', (size_t)text.len) == NULL;
    }
    if (text.len > 1 && memchr(text.data, '/', (size_t)text.len)) {
        return 1;
    }
    for (uint64_t i = text.len; i > 0; i--) {
        char c = text.data[i - 1];
        if (c == '.') {
            return text.len - i >= 1 && text.len - i <= 8 && (i > 1 || text.len > 2);
        }
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (i < text.len && c >= '0' && c <= '9'))) {
            return 0;
        }
    }
    return 0;
}

uint32_t
markers_has_verb(const struct words *words, uint32_t from, uint32_t to)
{
    static const char verbs[] = "add analyse analyze append apply audit backport benchmark bring "
                                "build bump change check clean collect compare "
                                "compile compute convert copy correct count create cut debug "
                                "define delete deploy describe document draft drop "
                                "edit enable explain export extend extract fetch find fix format "
                                "gather generate give group implement import "
                                "improve index insert install introduce list lower make measure "
                                "merge migrate modify move name number order "
                                "parse patch port prepare print produce prune publish read record "
                                "refactor reformat regenerate release remove "
                                "rename reorder repair replace report resolve restore review "
                                "rewrite run scan search set show simplify sort "
                                "speed split start stop summarise summarize support swap test tidy "
                                "translate turn uncomment undo update "
                                "upgrade use validate verify wire wrap write";
    for (uint32_t i = from; i < to; i++) {
        if (words_is_one(words, i, verbs)) {
            return 1;
        }
    }
    return 0;
}

uint32_t
markers_is_vague(const struct words *words, uint32_t at)
{
    return words_is_one(
        words, at,
        "fix improve help continue update do it this that stuff things thing something everything "
        "all "
        "work better more again go please change make the a just my code refactor clean test check "
        "hello hi yes no ok okay");
}

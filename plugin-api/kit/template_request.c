/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a request into tokens, once, before it is matched against many templates. The rules are in template.h. */
#include <string.h>

#include "template_inside.h"
#include "text.h"

static const char *const negations[] = {
    "not",    "no",      "never",   "none", "without", "except", "excepting", "excluding",
    "unless", "instead", "neither", "nor",  "only",    "cannot", "but",
};
static const char *const polarities[] = {
    "first",   "last",      "more", "less", "before", "after", "include",
    "exclude", "including", "all",  "any",  "every",  "each",
};
static const char *const joins[] = { "and", "or", "then", "but", "also" };

static const char *const pointers[] = {
    "the", "an", "it", "its", "this", "that", "these", "those", "them", "there", "here", "everything", "something",
};

#define COUNT(list) (uint32_t)(sizeof(list) / sizeof *(list))

static uint32_t
one_of(struct viv_str word, const char *const *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        /* All are small letters: the first one settles most. */
        if (word.len > 1 && (word.data[0] | 32) == list[i][0] && viv_kit_is_folded(word, list[i]))
            return 1;
    }
    return 0;
}

static uint32_t
word_flags(struct viv_str word)
{
    uint32_t flags = 0;
    struct viv_str tail = { word.len > 3 ? word.data + word.len - 3 : NULL, word.len > 3 ? 3 : 0 };
    if (one_of(word, negations, COUNT(negations)) || viv_kit_is_folded(tail, "n't")) {
        flags |= VIV_TEMPLATE_TOKEN_NEGATION;
    }
    if (one_of(word, polarities, COUNT(polarities))) {
        flags |= VIV_TEMPLATE_TOKEN_POLARITY;
    }
    if (one_of(word, joins, COUNT(joins))) {
        flags |= VIV_TEMPLATE_TOKEN_JOINS;
    }
    if (one_of(word, pointers, COUNT(pointers))) {
        flags |= VIV_TEMPLATE_TOKEN_POINTS;
    }
    return flags;
}

uint32_t
viv_template_hash(struct viv_str word)
{
    uint32_t hash = 2166136261u;
    for (uint64_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.data[i];
        hash = (hash ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 16777619u;
    }
    return hash ? hash : 1;
}

static uint32_t
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (uint32_t)c + 32 : (unsigned char)c;
}

uint32_t
viv_template_same(struct viv_str a, struct viv_str b)
{
    if (a.len != b.len)
        return 0;
    for (uint64_t i = 0; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i]))
            return 0;
    }
    return 1;
}

uint32_t
viv_template_utf8(struct viv_str text)
{
    for (uint64_t i = 0; i < text.len;) {
        uint32_t len = viv_kit_utf8((struct viv_str){ text.data + i, text.len - i });
        if (len == 0)
            return 0;
        i += len;
    }
    return 1;
}

static uint32_t
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static uint32_t
is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* Whether a quoted token may end here: only punctuation up to a blank, sentence ends only at the request's end. */
static uint32_t
ends_token(struct viv_str text, uint64_t at)
{
    uint32_t ended = 0;
    for (; at < text.len && is_one_of(text.data[at], ",;:.!?"); at++) {
        ended |= is_one_of(text.data[at], ".!?");
    }
    if (at < text.len && !is_blank(text.data[at]))
        return 0;
    while (ended && at < text.len && is_blank(text.data[at])) {
        at++;
    }
    return !ended || at == text.len;
}

/* Length of a quoted token at `start`, quotes included; 0 when it is not one. */
static uint64_t
quoted_len(struct viv_str text, uint64_t start)
{
    char quote = text.data[start];
    if (!is_one_of(quote, "\"'`"))
        return 0;
    for (uint64_t at = start + 1; at < text.len; at++) {
        if (text.data[at] == quote && ends_token(text, at + 1))
            return at + 1 - start;
    }
    return 0;
}

static void
cut_quoted(struct viv_template_token *token, const char *start, uint64_t len)
{
    token->raw = (struct viv_str){ start, len };
    token->inner = (struct viv_str){ start + 1, len - 2 };
    token->word = token->raw;
    token->flags = VIV_TEMPLATE_TOKEN_QUOTED;
}

static void
cut_plain(struct viv_template_token *token, struct viv_str raw)
{
    token->raw = raw;
    token->inner = raw;
    while (raw.len > 1 && is_one_of(raw.data[raw.len - 1], ",;:")) {
        raw.len--;
    }
    token->word = raw;
    token->flags |= word_flags(raw);
    token->hash = viv_template_hash(raw);
}

/* The last token without the sentence's end. ".", ".." and what ends in "/." keep their dots: there they mean
 * something. */
static void
end_sentence(struct viv_template_request *request)
{
    struct viv_template_token *last = &request->tokens[request->count - 1];
    struct viv_str raw = last->raw;
    if (last->flags & VIV_TEMPLATE_TOKEN_QUOTED)
        return;
    while (raw.len > 0 && is_one_of(raw.data[raw.len - 1], "!?")) {
        raw.len--;
    }
    uint32_t asked = raw.len != last->raw.len ? VIV_TEMPLATE_TOKEN_ASKED : 0;
    if (raw.len > 1 && raw.data[raw.len - 1] == '.' && !is_one_of(raw.data[raw.len - 2], "./")) {
        raw.len--;
    }
    if (raw.len == 0) {
        request->count--;
        if (request->count > 0) {
            request->tokens[request->count - 1].flags |= asked;
        }
        return;
    }
    last->flags = asked;
    cut_plain(last, raw);
}

void
viv_template_request(struct viv_str text, struct viv_template_request *ret_request)
{
    struct viv_template_request *request = ret_request;
    request->text = text;
    request->signature = 0;
    request->count = 0;
    request->reserved = 0;
    if (text.len > VIV_GOAL_MAX || (text.len > 0 && memchr(text.data, '\0', (size_t)text.len)))
        return;
    for (uint64_t at = 0; at < text.len;) {
        if (is_blank(text.data[at])) {
            at++;
            continue;
        }
        if (request->count == VIV_TEMPLATE_TOKENS_MAX) {
            request->count = 0;
            return;
        }
        struct viv_template_token *token = &request->tokens[request->count++];
        memset(token, 0, sizeof *token);
        uint64_t len = quoted_len(text, at);
        uint64_t end = at + len;
        while (end < text.len && !is_blank(text.data[end])) {
            end++;
        }
        if (len > 0) {
            cut_quoted(token, text.data + at, len);
        } else {
            cut_plain(token, (struct viv_str){ text.data + at, end - at });
        }
        at = end;
    }
    if (request->count > 0) {
        end_sentence(request);
    }
    for (uint32_t i = 0; i < request->count; i++) {
        if (!(request->tokens[i].flags & VIV_TEMPLATE_TOKEN_QUOTED)) {
            request->signature |= UINT64_C(1) << (request->tokens[i].hash & 63);
        }
    }
}

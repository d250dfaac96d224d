/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "rules.h"

#include <jansson.h>
#include <pcre2.h>
#include <string.h>
#include <tree.h>

/* Steps, nesting and KiB of one search. */
#define MATCH_STEPS_MAX 100000
#define MATCH_DEPTH_MAX 1000
#define MATCH_HEAP_KIB 1024

uint32_t
rules_is(struct viv_str word, const char *literal)
{
    return word.len == strlen(literal) && memcmp(word.data, literal, (size_t)word.len) == 0;
}

uint32_t
rules_is_one(struct viv_str word, const char *list)
{
    for (const char *item = list; *item;) {
        size_t len = strcspn(item, " ");
        if (word.len == len && len > 0 && memcmp(word.data, item, len) == 0) {
            return 1;
        }
        item += len + (item[len] == ' ');
    }
    return 0;
}

uint32_t
rules_starts(struct viv_str word, const char *prefix)
{
    size_t len = strlen(prefix);
    return word.len >= len && memcmp(word.data, prefix, len) == 0;
}

struct viv_str
rules_program(const struct argv *argv)
{
    struct viv_str name = argv->count > 0 ? argv->words[0] : (struct viv_str){NULL, 0};
    for (uint64_t i = name.len; i > 0; i--) {
        if (name.data[i - 1] == '/') {
            return (struct viv_str){name.data + i, name.len - i};
        }
    }
    return name;
}

viv_status
rules_make(const struct json_t *json, struct rule *ret_rule, char *problem, uint64_t problem_size)
{
    struct viv_str verdict = viv_tree_text(json, "verdict");
    struct viv_str pattern = viv_tree_text(json, "pattern");
    *ret_rule = (struct rule){.json = json};
    ret_rule->verdict = rules_is(verdict, "allow") ? VIV_VERDICT_ALLOW
                        : rules_is(verdict, "ask") ? VIV_VERDICT_ASK
                                                   : VIV_VERDICT_DENY;
    if (pattern.len == 0) {
        return VIV_OK;
    }
    int code = 0;
    PCRE2_SIZE at = 0;
    ret_rule->code =
        pcre2_compile((PCRE2_SPTR)pattern.data, (PCRE2_SIZE)pattern.len,
                      PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    if (!ret_rule->code) {
        (void)pcre2_get_error_message(code, (PCRE2_UCHAR *)problem, (PCRE2_SIZE)problem_size);
        return VIV_E_INVALID;
    }
    return VIV_OK;
}

void
rules_drop(struct rule *rule)
{
    pcre2_code_free(rule->code);
    rule->code = NULL;
}

static uint32_t
match_words(const struct rule *rule, const struct argv *argv)
{
    const json_t *match = json_object_get(rule->json, "match");
    size_t count = json_array_size(match);
    if (count == 0 || count > argv->count) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        const char *word = json_string_value(json_array_get(match, i));
        struct viv_str found = argv->words[i];
        if (i == 0 && word && !strchr(word, '/')) {
            found = rules_program(argv);
        }
        if (!word || !rules_is(found, word)) {
            return 0;
        }
    }
    return 1;
}

/* 1 match, 0 none, -1 not finished. */
static int
search(pcre2_code *code, const char *text, uint64_t len)
{
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int found = -1;
    if (context && data) {
        (void)pcre2_set_match_limit(context, MATCH_STEPS_MAX);
        (void)pcre2_set_depth_limit(context, MATCH_DEPTH_MAX);
        (void)pcre2_set_heap_limit(context, MATCH_HEAP_KIB);
        int answer = pcre2_match(code, (PCRE2_SPTR)text, (PCRE2_SIZE)len, 0, 0, data, context);
        found = answer >= 0 ? 1 : answer == PCRE2_ERROR_NOMATCH ? 0 : -1;
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    return found;
}

static int
match_pattern(struct viv_call *call, const struct rule *rule, const struct argv *argv)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < argv->count; i++) {
        size += argv->words[i].len + 1;
    }
    char *text = call->alloc(call, size + 1);
    uint64_t len = 0;
    if (!text) {
        return -1;
    }
    for (uint32_t i = 0; i < argv->count; i++) {
        struct viv_str word = i == 0 ? rules_program(argv) : argv->words[i];
        if (i > 0) {
            text[len++] = ' ';
        }
        if (word.len > 0) {
            memcpy(text + len, word.data, (size_t)word.len);
        }
        len += word.len;
    }
    return search(rule->code, text, len);
}

uint32_t
rules_match(struct viv_call *call, const struct rule *rule, const struct argv *argv)
{
    if (!rule->code) {
        return match_words(rule, argv);
    }
    int found = match_pattern(call, rule, argv);
    return found < 0 ? rule->verdict != VIV_VERDICT_ALLOW : (uint32_t)found;
}

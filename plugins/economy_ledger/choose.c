/* SPDX-License-Identifier: Apache-2.0 */
/* Which model work goes to. Rules in their order: what was asked for by name; a stronger tier after a rejection; the
 * weakest while little money is left; what was learned about such goals; complex, simple, default. */
#include <ctype.h>
#include <jansson.h>
#include <kit.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "models.h"

#define SIMPLE_WORDS 12
#define LONG_CHARACTERS 800
#define NAME_BYTES_MAX 80

/* Each counts for the score, and all make the pattern. */
static const char *const known[] = {
    "algorithm", "api", "async", "authentication", "benchmark", "cache", "concurrency", "database", "distributed",
    "docker", "encryption", "index", "kubernetes", "microservice", "migration", "optimize", "performance", "pipeline",
    "process", "refactor", "scale", "sql", "thread",
};
/* These make the pattern alone. */
static const char *const weighty[] = {"architecture", "critical", "design", "important", "security"};

struct chooser {
    const json_t *choice, *models, *routing, *tiers, *allow;
    struct viv_str goal;
    struct models_choice *result;
    struct viv_error *err;
};

/* ---- words ---- */

static int
in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Whether `word` stands there, whatever its case and as a whole. */
static int
has_word(struct viv_str text, const char *word)
{
    size_t len = strlen(word);
    for (uint64_t at = 0; at + len <= text.len; at++) {
        size_t same = 0;
        while (same < len && tolower((unsigned char)text.data[at + same]) == tolower((unsigned char)word[same])) {
            same++;
        }
        if (same == len && (at == 0 || !in_word(text.data[at - 1])) &&
            (at + len == text.len || !in_word(text.data[at + len]))) {
            return 1;
        }
    }
    return 0;
}

static int64_t
count_words(struct viv_str text)
{
    int64_t words = 0;
    for (uint64_t i = 0; i < text.len; i++) {
        words += !isspace((unsigned char)text.data[i]) && (i == 0 || isspace((unsigned char)text.data[i - 1]));
    }
    return words;
}

static int64_t
count_characters(struct viv_str text)
{
    int64_t count = 0;
    for (uint64_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    }
    return count;
}

int64_t
models_score(struct viv_str goal)
{
    int64_t tokens = count_words(goal) * 13 / 10;
    int64_t score = tokens / 10;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        score += has_word(goal, known[i]) ? 2 : 0;
    }
    return score + (count_characters(goal) > LONG_CHARACTERS ? 5 : 0);
}

/* Both lists are in order of their words, so that the same words always give the same pattern. */
static void
set_pattern(struct chooser *c)
{
    size_t i = 0, j = 0;
    const size_t known_count = sizeof known / sizeof *known, weighty_count = sizeof weighty / sizeof *weighty;
    c->result->pattern[0] = '\0';
    while (i < known_count || j < weighty_count) {
        int first = j == weighty_count || (i < known_count && strcmp(known[i], weighty[j]) < 0);
        const char *word = first ? known[i++] : weighty[j++];
        size_t len = strlen(c->result->pattern);
        if (has_word(c->goal, word)) {
            (void)snprintf(c->result->pattern + len, sizeof c->result->pattern - len, "%s%s", len ? "," : "", word);
        }
    }
}

/* ---- tiers and models ---- */

static int
lists(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (item && strcmp(item, text) == 0) {
            return 1;
        }
    }
    return 0;
}

static const char *
tier_of(const struct chooser *c, const char *model)
{
    const char *tier = json_string_value(json_object_get(json_object_get(c->models, model), "tier"));
    return tier ? tier : "";
}

static int64_t
cost_of(const json_t *model)
{
    const json_t *price = json_object_get(model, "price");
    return (int64_t)json_integer_value(json_object_get(price, "input_micro")) +
           (int64_t)json_integer_value(json_object_get(price, "output_micro"));
}

/* The cheapest allowed model of a tier, by name where two cost the same; NULL: it has none. */
static const char *
cheapest(const struct chooser *c, const char *tier)
{
    const char *best = NULL, *name = NULL;
    json_t *model = NULL;
    json_object_foreach((json_t *)(uintptr_t)c->models, name, model)
    {
        const char *own = json_string_value(json_object_get(model, "tier"));
        if (!own || strcmp(own, tier) != 0 || !lists(c->allow, name)) {
            continue;
        }
        int64_t difference = best ? cost_of(model) - cost_of(json_object_get(c->models, best)) : -1;
        if (difference < 0 || (difference == 0 && strcmp(name, best) < 0)) {
            best = name;
        }
    }
    return best;
}

static long
tier_index(const struct chooser *c, const char *tier)
{
    for (size_t i = 0; i < json_array_size(c->tiers); i++) {
        const char *item = json_string_value(json_array_get(c->tiers, i));
        if (item && strcmp(item, tier) == 0) {
            return (long)i;
        }
    }
    return -1;
}

static const char *
tier_at(const struct chooser *c, long index)
{
    const char *tier = json_string_value(json_array_get(c->tiers, (size_t)index));
    return tier ? tier : "";
}

/* Of this tier, else the next stronger one that has a model, else the next weaker. */
static const char *
near(const struct chooser *c, long index)
{
    const char *found = NULL;
    for (long i = index; i < (long)json_array_size(c->tiers) && !found; i++) {
        found = cheapest(c, tier_at(c, i));
    }
    for (long i = index - 1; i >= 0 && !found; i--) {
        found = cheapest(c, tier_at(c, i));
    }
    return found;
}

static viv_status
settle_on(struct chooser *c, long tier, const char *rule, const char *why)
{
    const char *model = near(c, tier < 0 ? 0 : tier);
    if (!model) {
        return viv_tree_fail(c->err, VIV_E_NOT_FOUND, "model", "no model may be asked: routing.allow and 'models' of the "
                             "policies have none in common; 'vivhost model list' shows them");
    }
    const char *own = tier_of(c, model), *wanted = tier_at(c, tier < 0 ? 0 : tier);
    c->result->model = model;
    c->result->rule = rule;
    (void)snprintf(c->result->reason, sizeof c->result->reason, "%.200s: tier %.64s%s%.64s%s", why, own,
                   strcmp(own, wanted) ? " (" : "", strcmp(own, wanted) ? wanted : "",
                   strcmp(own, wanted) ? " has no model that may be asked)" : "");
    return VIV_OK;
}

/* ---- the rules ---- */

/* A model or a tier by its name. */
static viv_status
by_name(struct chooser *c, const char *name, const char *who)
{
    char why[160];
    if (json_object_get(c->models, name)) {
        if (!lists(c->allow, name)) {
            return viv_tree_fail(c->err, VIV_E_DENIED, "model", "model '%.64s' is not in routing.allow of the policies", name);
        }
        c->result->model = name;
        c->result->rule = "asked";
        (void)snprintf(c->result->reason, sizeof c->result->reason, "%s names model '%.64s'", who, name);
        return VIV_OK;
    }
    if (tier_index(c, name) >= 0) {
        (void)snprintf(why, sizeof why, "%s names tier '%.64s'", who, name);
        return settle_on(c, tier_index(c, name), "asked", why);
    }
    return viv_tree_fail(c->err, VIV_E_NOT_FOUND, "model", "'%.64s' is neither a model nor a tier of your policy; 'vivhost "
                         "model list' shows both", name);
}

/* "model NAME" or "the NAME model": a name alone may be any word. */
static int
says(struct viv_str goal, const char *name)
{
    char before[NAME_BYTES_MAX + 20], after[NAME_BYTES_MAX + 20];
    (void)snprintf(before, sizeof before, "model %.80s", name);
    (void)snprintf(after, sizeof after, "the %.80s model", name);
    return has_word(goal, before) || has_word(goal, after);
}

/* The longest model's name that the goal says, or else a tier's. */
static const char *
asked_in_goal(const struct chooser *c)
{
    const char *name = NULL, *found = NULL;
    json_t *model = NULL;
    json_object_foreach((json_t *)(uintptr_t)c->models, name, model)
    {
        if (says(c->goal, name) && (!found || strlen(name) > strlen(found))) {
            found = name;
        }
    }
    for (long i = 0; i < (long)json_array_size(c->tiers) && !found; i++) {
        found = says(c->goal, tier_at(c, i)) ? tier_at(c, i) : NULL;
    }
    return found;
}

static const char *
learned_tier(const struct chooser *c)
{
    const json_t *learned = json_object_get(c->choice, "learned");
    for (size_t i = 0; c->result->pattern[0] && i < json_array_size(learned); i++) {
        const json_t *one = json_array_get(learned, i);
        const char *pattern = json_string_value(json_object_get(one, "pattern"));
        const char *tier = json_string_value(json_object_get(one, "tier"));
        if (pattern && tier && strcmp(pattern, c->result->pattern) == 0 && tier_index(c, tier) >= 0) {
            return tier;
        }
    }
    return NULL;
}

static viv_status
by_rules(struct chooser *c)
{
    char why[220];
    long last = (long)json_array_size(c->tiers) - 1;
    const json_t *rejected = json_object_get(c->choice, "rejected");
    const char *before = json_string_value(json_array_get(rejected, json_array_size(rejected) - 1));
    int64_t left = viv_tree_integer(c->choice, "left_micro", -1);
    int64_t low = viv_tree_integer(c->routing, "low_budget_micro", 0);
    int64_t complex = viv_tree_integer(c->routing, "complex_above", 8);
    int64_t words = count_words(c->goal), score = c->result->score;
    const char *learned = learned_tier(c);
    if (json_array_size(rejected) > 0 && before) {
        long tier = tier_index(c, tier_of(c, before));
        (void)snprintf(why, sizeof why, "the work of '%.64s' was rejected", before);
        return settle_on(c, tier < last ? tier + 1 : last, "rejected", why);
    }
    if (left >= 0 && left < low) {
        (void)snprintf(why, sizeof why, "%lld micro-units are left, fewer than %lld", (long long)left, (long long)low);
        return settle_on(c, 0, "low-budget", why);
    }
    if (learned) {
        (void)snprintf(why, sizeof why, "such goals (%.120s) needed it before", c->result->pattern);
        return settle_on(c, tier_index(c, learned), "learned", why);
    }
    if (score > complex) {
        (void)snprintf(why, sizeof why, "complexity %lld is above %lld", (long long)score, (long long)complex);
        return settle_on(c, last, "complex", why);
    }
    if (words < SIMPLE_WORDS && score == 0) {
        (void)snprintf(why, sizeof why, "%lld words, none of the weighty ones", (long long)words);
        return settle_on(c, 0, "simple", why);
    }
    const char *tier = json_string_value(json_object_get(c->routing, "default"));
    (void)snprintf(why, sizeof why, "complexity %lld, no other rule", (long long)score);
    return settle_on(c, tier ? tier_index(c, tier) : 0, "default", why);
}

viv_status
models_choose(const struct json_t *choice, const struct json_t *policy, struct models_choice *ret_choice,
              struct viv_error *err)
{
    struct chooser c = {.choice = choice, .models = json_object_get(policy, "models"),
                        .routing = json_object_get(policy, "routing"), .goal = viv_tree_text(choice, "goal"),
                        .result = ret_choice, .err = err};
    c.tiers = json_object_get(c.routing, "tiers");
    c.allow = json_object_get(c.routing, "allow");
    if (!json_is_object(choice) || !json_is_object(c.models) || json_array_size(c.tiers) == 0 ||
        !json_is_array(c.allow)) {
        return viv_tree_fail(err, VIV_E_INVALID, "model", "the policy has no 'models' with 'routing', or choice_json is no "
                             "object");
    }
    ret_choice->score = models_score(c.goal);
    set_pattern(&c);
    const char *asked = json_string_value(json_object_get(choice, "asked"));
    const char *said = asked && *asked ? NULL : asked_in_goal(&c);
    if (asked && *asked) {
        return by_name(&c, asked, "the work");
    }
    return said ? by_name(&c, said, "the goal") : by_rules(&c);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "choice.h"

#include <jansson.h>
#include <kit.h>
#include <stdio.h>
#include <string.h>

#include "models.h"

/* A goal of fewer words that scores nothing is simple. */
#define SIMPLE_WORDS 12

/* Two lists of names fit into one line of an error. */
#define LIST_BYTES 160

/* `rule` is NULL until one applied. `model` is set when the work names one, else the cheapest of
 * `tier` or near it is taken. `why` ends where the tier or model follows. */
struct deciding {
    const json_t *request;
    const struct models *models;
    const struct goal *goal;
    const char *rule;
    const struct model *model;
    size_t tier;
    char why[256];
};

static viv_status
check_request(const json_t *request, struct viv_error *err)
{
    static const struct {
        const char *name;
        json_type type;
        const char *text;
    } members[] = {
        {"goal", JSON_STRING, "text"},         {"asked", JSON_STRING, "text"},
        {"rejected", JSON_ARRAY, "list"},      {"learned", JSON_ARRAY, "list"},
        {"left_micro", JSON_INTEGER, "integer"},
    };
    if (!json_is_object(request)) {
        return viv_tree_fail(err, VIV_E_INVALID, "choice", "choice_json is not an object");
    }
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const json_t *value = json_object_get(request, members[i].name);
        if (value && json_typeof(value) != members[i].type) {
            return viv_tree_fail(err, VIV_E_INVALID, "choice", "'%s' of choice_json is not of type %s",
                                 members[i].name, members[i].text);
        }
    }
    int64_t left = viv_tree_integer(request, "left_micro", 0);
    if (left < 0) {
        return viv_tree_fail(err, VIV_E_INVALID, "choice", "left_micro is %lld, allowed 0 and more",
                             (long long)left);
    }
    return VIV_OK;
}

/* One more name, whole; those for which there is no room become "...". */
static void
add_name(char *list, const char *name)
{
    size_t len = strlen(list);
    const char *comma = len > 0 ? ", " : "";
    int cut = len >= 3 && strcmp(list + len - 3, "...") == 0;
    int fits = len + strlen(comma) + strlen(name) + sizeof ", ..." <= LIST_BYTES;
    if (!cut) {
        (void)snprintf(list + len, LIST_BYTES - len, "%s%s", comma, fits ? name : "...");
    }
}

static void
list_models(const struct models *models, char *list)
{
    list[0] = '\0';
    for (size_t i = 0; i < models->count; i++) {
        add_name(list, models->all[i].name);
    }
}

static void
list_tiers(const struct models *models, char *list)
{
    list[0] = '\0';
    for (size_t i = 0; i < models->tier_count; i++) {
        add_name(list, models->tiers[i]);
    }
}

static viv_status
take_model(struct deciding *deciding, const struct model *model, struct viv_error *err)
{
    if (!model->allowed) {
        return viv_tree_fail(err, VIV_E_DENIED, "choice",
                             "model '%s' is asked for and not in routing.allow; name it there, or "
                             "ask for another",
                             model->name);
    }
    deciding->rule = "asked";
    deciding->model = model;
    return VIV_OK;
}

static void
take_tier(struct deciding *deciding, const char *rule, size_t tier)
{
    deciding->rule = rule;
    deciding->tier = tier;
}

static viv_status
by_member(struct deciding *deciding, struct viv_str asked, struct viv_error *err)
{
    const struct models *models = deciding->models;
    const struct model *model = models_find(models, asked, 0);
    size_t tier = models_tier(models, asked, 0);
    int shown = (int)(asked.len < 64 ? asked.len : 64);
    if (!model && tier == models->tier_count) {
        char names[LIST_BYTES];
        char tiers[LIST_BYTES];
        list_models(models, names);
        list_tiers(models, tiers);
        return viv_tree_fail(err, VIV_E_NOT_FOUND, "choice",
                             "the policy has no model or tier '%.*s'; tiers: %s; models: %s", shown,
                             asked.data, tiers, names);
    }
    (void)snprintf(deciding->why, sizeof deciding->why, "%s '%.*s' is asked for",
                   model ? "model" : "tier", shown, asked.data);
    if (model) {
        return take_model(deciding, model, err);
    }
    take_tier(deciding, "asked", tier);
    return VIV_OK;
}

static int
is_negation(struct viv_str word)
{
    /* "t" is what is left of don't */
    static const char *const words[] = {"not", "never", "cannot", "dont", "t"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (viv_kit_is_folded(word, words[i])) {
            return 1;
        }
    }
    return 0;
}

/* Whether the newest words, newest first, ask for a model or tier: "use M", "with M", "use the T
 * model". "Not use M" does not ask for M. */
static viv_status
by_words(struct deciding *deciding, const struct goal_word *words, struct viv_error *err)
{
    const struct models *models = deciding->models;
    const struct model *model = models_find(models, words[0].text, 1);
    size_t tier = models_tier(models, words[1].text, 1);
    int use = words[0].next && viv_kit_is_folded(words[1].text, "use");
    int with = words[0].next && viv_kit_is_folded(words[1].text, "with");
    if (model && (use || with) && !(words[1].next && is_negation(words[2].text))) {
        (void)snprintf(deciding->why, sizeof deciding->why, "the goal says '%s %s'",
                       use ? "use" : "with", model->name);
        return take_model(deciding, model, err);
    }
    if (words[0].next && words[1].next && words[2].next && tier < models->tier_count &&
        viv_kit_is_folded(words[0].text, "model") && viv_kit_is_folded(words[2].text, "the") &&
        viv_kit_is_folded(words[3].text, "use") &&
        !(words[3].next && is_negation(words[4].text))) {
        (void)snprintf(deciding->why, sizeof deciding->why, "the goal says 'use the %s model'",
                       models->tiers[tier]);
        take_tier(deciding, "asked", tier);
    }
    return VIV_OK;
}

static viv_status
by_phrase(struct deciding *deciding, struct viv_str goal, struct viv_error *err)
{
    struct goal_word words[5] = {{{NULL, 0}, 0}};
    uint64_t at = 0;
    viv_status status = VIV_OK;
    struct goal_word word;
    while (status == VIV_OK && !deciding->rule && goal_word(goal, &at, &word)) {
        memmove(&words[1], &words[0], sizeof words - sizeof *words);
        words[0] = word;
        status = by_words(deciding, words, err);
    }
    return status;
}

/* The last rejected model that the policy still has. A stronger one is tried next; the strongest
 * may try again. */
static viv_status
by_rejected(struct deciding *deciding, struct viv_error *err)
{
    const struct models *models = deciding->models;
    const json_t *rejected = json_object_get(deciding->request, "rejected");
    const struct model *last = NULL;
    for (size_t i = 0; i < json_array_size(rejected); i++) {
        const char *name = json_string_value(json_array_get(rejected, i));
        if (!name) {
            return viv_tree_fail(err, VIV_E_INVALID, "choice",
                                 "'rejected' of choice_json is not a list of names");
        }
        const struct model *model = models_find(models, viv_kit_str(name), 0);
        last = model ? model : last;
    }
    if (!last) {
        return VIV_OK;
    }
    size_t tier = last->tier + 1;
    while (tier < models->tier_count && !models_cheapest(models, tier)) {
        tier++;
    }
    int stronger = tier < models->tier_count;
    (void)snprintf(deciding->why, sizeof deciding->why, "work of '%s', tier %s, was rejected%s",
                   last->name, models->tiers[last->tier], stronger ? "" : ", none is stronger");
    take_tier(deciding, "rejected", stronger ? tier : last->tier);
    return VIV_OK;
}

static void
by_left(struct deciding *deciding)
{
    int64_t low = deciding->models->low_budget_micro;
    int64_t left = viv_tree_integer(deciding->request, "left_micro", INT64_MAX);
    if (left < low) {
        (void)snprintf(deciding->why, sizeof deciding->why,
                       "%lld micro-units are left, below the low budget of %lld", (long long)left,
                       (long long)low);
        take_tier(deciding, "low-budget", 0);
    }
}

/* A tier that the policy no longer has taught nothing. */
static viv_status
by_learned(struct deciding *deciding, struct viv_error *err)
{
    const struct models *models = deciding->models;
    const json_t *learned = json_object_get(deciding->request, "learned");
    for (size_t i = 0; i < json_array_size(learned); i++) {
        const json_t *one = json_array_get(learned, i);
        if (!json_is_string(json_object_get(one, "pattern")) ||
            !json_is_string(json_object_get(one, "tier"))) {
            return viv_tree_fail(err, VIV_E_INVALID, "choice",
                                 "'learned' of choice_json is not a list of patterns with tiers");
        }
        struct viv_str pattern = viv_tree_text(one, "pattern");
        size_t tier = models_tier(models, viv_tree_text(one, "tier"), 0);
        if (!deciding->rule && pattern.len > 0 && tier < models->tier_count &&
            viv_kit_is(pattern, deciding->goal->pattern)) {
            (void)snprintf(deciding->why, sizeof deciding->why,
                           "goals of the kind '%.120s' needed tier %s", deciding->goal->pattern,
                           models->tiers[tier]);
            take_tier(deciding, "learned", tier);
        }
    }
    return VIV_OK;
}

static void
by_score(struct deciding *deciding)
{
    const struct goal *goal = deciding->goal;
    long long above = (long long)deciding->models->complex_above;
    long long score = (long long)goal->score;
    long long words = (long long)goal->words;
    char *why = deciding->why;
    if (score > above) {
        (void)snprintf(why, sizeof deciding->why, "score %lld is above %lld", score, above);
        take_tier(deciding, "complex", deciding->models->tier_count - 1);
    } else if (words < SIMPLE_WORDS && score == 0) {
        (void)snprintf(why, sizeof deciding->why, "%lld words, fewer than %d, and score 0", words,
                       SIMPLE_WORDS);
        take_tier(deciding, "simple", 0);
    } else {
        (void)snprintf(why, sizeof deciding->why, "score %lld is not above %lld", score, above);
        take_tier(deciding, "default", deciding->models->tier_default);
    }
}

static viv_status
decide(struct deciding *deciding, struct viv_error *err)
{
    struct viv_str asked = viv_tree_text(deciding->request, "asked");
    if (asked.len > 0) {
        return by_member(deciding, asked, err);
    }
    viv_status status = by_phrase(deciding, viv_tree_text(deciding->request, "goal"), err);
    if (status == VIV_OK && !deciding->rule) {
        status = by_rejected(deciding, err);
    }
    if (status == VIV_OK && !deciding->rule) {
        by_left(deciding);
    }
    if (status == VIV_OK && !deciding->rule) {
        status = by_learned(deciding, err);
    }
    if (status == VIV_OK && !deciding->rule) {
        by_score(deciding);
    }
    return status;
}

static void
explain(const struct deciding *deciding, const struct model *model, char *reason, size_t size)
{
    const struct models *models = deciding->models;
    if (deciding->model) {
        (void)snprintf(reason, size, "%s", deciding->why);
        return;
    }
    const char *wanted = models->tiers[deciding->tier];
    const char *tier = models->tiers[model->tier];
    if (model->tier == deciding->tier) {
        (void)snprintf(reason, size, "%s: '%s' is the cheapest of tier %s", deciding->why,
                       model->name, tier);
    } else {
        (void)snprintf(reason, size,
                       "%s: tier %s has no allowed model, '%s' is the cheapest of tier %s",
                       deciding->why, wanted, model->name, tier);
    }
}

viv_status
choice_make(const json_t *request, const json_t *policy, struct choice *ret_choice,
            struct viv_error *err)
{
    struct models models;
    viv_status status = check_request(request, err);
    status = status ? status : models_read(policy, &models, err);
    if (status != VIV_OK) {
        return status;
    }
    struct choice choice = {.goal = goal_measure(viv_tree_text(request, "goal"))};
    struct deciding deciding = {.request = request, .models = &models, .goal = &choice.goal};
    status = decide(&deciding, err);
    if (status != VIV_OK) {
        return status;
    }
    const struct model *model =
        deciding.model ? deciding.model : models_near(&models, deciding.tier);
    if (!model) {
        char names[LIST_BYTES];
        list_models(&models, names);
        return viv_tree_fail(err, VIV_E_NOT_FOUND, "choice",
                             "routing.allow has no model of the policy; name one there: %s", names);
    }
    explain(&deciding, model, choice.reason, sizeof choice.reason);
    choice.model = model->name;
    choice.rule = deciding.rule;
    *ret_choice = choice;
    return VIV_OK;
}

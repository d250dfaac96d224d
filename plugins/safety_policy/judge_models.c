/* SPDX-License-Identifier: Apache-2.0 */
/* A model is given or it is not: nobody is asked, since where files are sent is policy. Only the
 * user's layer has models; every layer that has `routing.allow` takes away what it does not name.
 */
#include "judge_models.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>

#define DENY VIV_VERDICT_DENY
#define MODELS_MAX 32

static int
shown(struct viv_str text)
{
    return (int)(text.len < 64 ? text.len : 64);
}

static int
names(const json_t *list, struct viv_str name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (json_is_string(item) && json_string_length(item) == name.len &&
            memcmp(json_string_value(item), name.data, (size_t)name.len) == 0) {
            return 1;
        }
    }
    return 0;
}

static const json_t *
models_in(const struct policy_layer *layer)
{
    return rules_is(viv_tree_text(layer->json, "scope"), "user")
               ? json_object_get(layer->json, "models")
               : NULL;
}

static int
is_known(const struct policy *policy, struct viv_str name)
{
    for (uint32_t i = 0; name.len > 0 && i < policy->layer_count; i++) {
        const json_t *models = models_in(&policy->layers[i]);
        if (json_object_getn(models, name.data, (size_t)name.len)) {
            return 1;
        }
    }
    return 0;
}

/* The scope of the layer whose routing.allow leaves it out, or NULL. */
static const char *
barred_by(const struct policy *policy, struct viv_str name)
{
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const json_t *json = policy->layers[i].json;
        const json_t *allow = json_object_get(json_object_get(json, "routing"), "allow");
        if (allow && !names(allow, name)) {
            return rules_is(viv_tree_text(json, "scope"), "user") ? "your own" : "the project's";
        }
    }
    return NULL;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct json_t *
models_of(const struct policy *policy, uint32_t *failed)
{
    const char *found[MODELS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const char *name = NULL;
        json_t *model = NULL;
        json_object_foreach((json_t *)(uintptr_t)models_in(&policy->layers[i]), name, model)
        {
            if (count < MODELS_MAX && !barred_by(policy, (struct viv_str){name, strlen(name)})) {
                found[count++] = name;
            }
        }
    }
    qsort(found, count, sizeof *found, by_name);
    json_t *list = json_array();
    *failed |= list == NULL;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(found[i - 1], found[i]) != 0) {
            viv_tree_push(list, viv_tree_literal(found[i]), failed);
        }
    }
    return list;
}

void
models_judge(const struct policy *policy, const struct json_t *capability, struct viv_str name,
             struct report *report)
{
    char cure[160];
    if (!is_known(policy, name)) {
        report_add(report, "models.unknown", DENY, "describe it under 'models' in your own policy",
                   "the call goes to model '%.*s', which no policy of yours describes", shown(name),
                   name.data ? name.data : "");
        return;
    }
    const char *scope = barred_by(policy, name);
    if (scope) {
        (void)snprintf(cure, sizeof cure, "add '%.*s' to routing.allow of %s policy", shown(name),
                       name.data, scope);
        report_add(report, "models.capability", DENY, cure,
                   "model '%.*s' is not in routing.allow of %s policy", shown(name), name.data,
                   scope);
        return;
    }
    if (!names(json_object_get(capability, "models"), name)) {
        report_add(report, "models.capability", DENY,
                   "submit the task again, so that it is given the model",
                   "model '%.*s' is not among the models this task was given", shown(name),
                   name.data);
    }
}

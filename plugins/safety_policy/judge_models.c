/* SPDX-License-Identifier: Apache-2.0 */
#include "judge_models.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>

#define MODELS_MAX 32

static int
shown(struct viv_str text)
{
    return (int)(text.len < 100 ? text.len : 100);
}

static int
lists(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (item && strcmp(item, name) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Every layer that has the list lists it. */
static int
is_allowed(const struct policy *policy, const char *name)
{
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const json_t *allow = json_object_get(json_object_get(policy->layers[i].json, "routing"), "allow");
        if (json_is_array(allow) && !lists(allow, name)) {
            return 0;
        }
    }
    return 1;
}

/* Of layers that may grant; only the user's can name any. */
static int
is_named(const struct policy *policy, const char *name)
{
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const struct policy_layer *layer = &policy->layers[i];
        if (layer->may_grant && json_object_get(json_object_get(layer->json, "models"), name)) {
            return 1;
        }
    }
    return 0;
}

static int
by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

struct json_t *
models_of(const struct policy *policy, uint32_t *failed)
{
    const char *names[MODELS_MAX];
    size_t count = 0;
    int any = 0;
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const struct policy_layer *layer = &policy->layers[i];
        json_t *models = layer->may_grant ? json_object_get(layer->json, "models") : NULL;
        const char *name = NULL;
        json_t *one = NULL;
        any = any || models;
        json_object_foreach(models, name, one)
        {
            if (count < MODELS_MAX && is_allowed(policy, name)) {
                names[count++] = name;
            }
        }
    }
    if (!any) {
        return NULL;
    }
    qsort(names, count, sizeof *names, by_name);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        viv_tree_push(list, json_string(names[i]), failed);
    }
    *failed |= list == NULL;
    return list;
}

void
models_judge_effect(const struct policy *policy, const struct json_t *capability, struct viv_str name,
                    struct report *report)
{
    char text[80];
    if (name.len >= sizeof text || (name.len && memchr(name.data, '\0', (size_t)name.len))) {
        report_add(report, "models.unknown", VIV_VERDICT_DENY, "name a model of 'vivhost model list'",
                   "a model's name has %llu bytes, allowed 1 to 64", (unsigned long long)name.len);
        return;
    }
    memcpy(text, name.len ? name.data : "", (size_t)name.len);
    text[name.len] = '\0';
    if (!is_named(policy, text)) {
        report_add(report, "models.unknown", VIV_VERDICT_DENY, "models: {NAME: ...} in your own policy",
                   "model '%.*s' is not in 'models' of your policy", shown(name), text);
    } else if (!is_allowed(policy, text)) {
        report_add(report, "models.not-allowed", VIV_VERDICT_DENY, "add it to routing.allow",
                   "model '%.*s' is not in routing.allow of a policy that has the list", shown(name), text);
    } else if (!lists(json_object_get(capability, "models"), text)) {
        report_add(report, "models.capability", VIV_VERDICT_DENY, "submit the task again",
                   "model '%.*s' is not in the capability set of this task", shown(name), text);
    }
}

/* Names files as private, and does not forbid by the same words to read them. */
static int
reads_private(const struct policy *policy)
{
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const json_t *paths = json_object_get(policy->layers[i].json, "paths");
        const json_t *private = json_object_get(paths, "private");
        for (size_t j = 0; j < json_array_size(private); j++) {
            const char *glob = json_string_value(json_array_get(private, j));
            int denied = 0;
            for (uint32_t k = 0; glob && k < policy->layer_count; k++) {
                const json_t *read = json_object_get(json_object_get(policy->layers[k].json, "paths"), "read");
                denied = denied || lists(json_object_get(read, "deny"), glob);
            }
            if (glob && !denied) {
                return 1;
            }
        }
    }
    return 0;
}

void
models_rule_of_two(const struct policy *policy, const struct models_two *two, struct report *report)
{
    int private = reads_private(policy);
    int count = (two->untrusted != 0) + (private != 0) + (two->outside != 0);
    const char *heard = two->untrusted ? "hears from outside" : "";
    const char *reads = private ? "may read what paths.private names" : "";
    const char *speaks = two->outside ? "can speak to the outside" : "";
    if (count == 3) {
        report_add(report, "task.rule-of-two", VIV_VERDICT_ASK, "vivhost task approve TASK",
                   "the task %s, %s and %s; all three together are a person's to allow", heard, reads, speaks);
    } else if (count == 0) {
        report_add(report, "task.rule-of-two", VIV_VERDICT_ALLOW, "",
                   "the task hears from nobody outside, reads nothing private and speaks to nobody");
    } else {
        const char *first = two->untrusted ? heard : private ? reads : speaks;
        const char *second = count < 2 ? "" : two->untrusted && private ? reads : speaks;
        report_add(report, "task.rule-of-two", VIV_VERDICT_ALLOW, "",
                   "the task %s%s%s; all three would be a person's to allow", first, count < 2 ? "" : " and ", second);
    }
}

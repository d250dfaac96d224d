/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

void
report_begin(struct report *report)
{
    *report = (struct report){
        .list = json_array(), .verdict = VIV_VERDICT_ALLOW, .section = VIV_VERDICT_ALLOW};
    report->failed = report->list == NULL;
}

void
report_drop(struct report *report)
{
    json_decref(report->list);
    report->list = NULL;
}

static int
is_there(const struct report *report, const char *id, const char *reason)
{
    for (size_t i = 0; i < json_array_size(report->list); i++) {
        const json_t *old = json_array_get(report->list, i);
        const char *old_id = json_string_value(json_object_get(old, "id"));
        const char *old_reason = json_string_value(json_object_get(old, "reason"));
        if (old_id && old_reason && strcmp(old_id, id) == 0 && strcmp(old_reason, reason) == 0) {
            return 1;
        }
    }
    return 0;
}

static void
push(struct report *report, const char *id, viv_verdict verdict, const char *cure,
     const char *reason)
{
    json_t *entry = json_object();
    viv_tree_set(entry, "id", viv_tree_literal(id), &report->failed);
    viv_tree_set(entry, "verdict", json_integer(verdict), &report->failed);
    viv_tree_set(entry, "reason", viv_tree_literal(reason), &report->failed);
    viv_tree_set(entry, "cure", viv_tree_literal(cure), &report->failed);
    viv_tree_push(report->list, entry, &report->failed);
    report->count++;
}

void
report_add(struct report *report, const char *id, viv_verdict verdict, const char *cure,
           const char *format, ...)
{
    char reason[640];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    if (verdict > VIV_VERDICT_ALLOW) {
        verdict = VIV_VERDICT_DENY;
    }
    report->verdict = verdict < report->verdict ? verdict : report->verdict;
    report->section = verdict < report->section ? verdict : report->section;
    if (report->count >= REPORT_MAX) {
        report->left_out++;
    } else if (!is_there(report, id, reason)) {
        push(report, id, verdict, cure, reason);
    }
}

struct json_t *
report_list(struct report *report)
{
    if (report->left_out > 0) {
        char reason[80];
        (void)snprintf(reason, sizeof reason, "%u more entries are left out", report->left_out);
        push(report, "report.full", report->verdict, "", reason);
        report->left_out = 0;
    }
    return report->list;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "findings.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <tree.h>

void
findings_begin(struct findings *findings)
{
    *findings = (struct findings){.list = json_array()};
    findings->failed = findings->list == NULL;
}

void
findings_drop(struct findings *findings)
{
    json_decref(findings->list);
    findings->list = NULL;
}

void
findings_add(struct findings *findings, const char *rule, enum severity severity,
             struct viv_str path, int64_t line, const char *format, ...)
{
    char text[512];
    findings->errors += severity == SEVERITY_ERROR;
    findings->warnings += severity == SEVERITY_WARNING;
    if (findings->kept == FINDINGS_MAX)
        return;
    findings->kept++;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_t *finding = json_object();
    viv_tree_set(finding, "rule", viv_tree_literal(rule), &findings->failed);
    viv_tree_set(finding, "severity",
                 viv_tree_literal(severity == SEVERITY_ERROR ? "error" : "warning"),
                 &findings->failed);
    viv_tree_set(finding, "text", viv_tree_literal(text), &findings->failed);
    viv_tree_set(finding, "path", viv_tree_str(path), &findings->failed);
    viv_tree_set(finding, "line", json_integer(line), &findings->failed);
    viv_tree_push(findings->list, finding, &findings->failed);
}

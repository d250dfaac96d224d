/* SPDX-License-Identifier: Apache-2.0 */
/* A finding quotes what the command printed last: that is where compilers and test programs put the
 * reason. */
#include "checks.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>
#include <viv/iface/gate.h>

struct viv_str
checks_tail(struct viv_str text, int64_t lines, int64_t bytes)
{
    uint64_t end = text.len;
    while (end > 0 && (text.data[end - 1] == '\n' || text.data[end - 1] == ' ')) {
        end--;
    }
    uint64_t begin = end;
    int64_t left = lines;
    while (begin > 0 && end - begin < (uint64_t)bytes) {
        if (text.data[begin - 1] == '\n' && --left == 0)
            break;
        begin--;
    }
    return (struct viv_str){text.data ? text.data + begin : NULL, end - begin};
}

static viv_status
check_words(const json_t *run, size_t number, struct viv_error *err)
{
    size_t count = json_array_size(run);
    int good = count > 0 && count <= VIV_ARGV_MAX && json_string_length(json_array_get(run, 0)) > 0;
    for (size_t i = 0; good && i < count; i++) {
        good = json_is_string(json_array_get(run, i));
    }
    if (!good) {
        return viv_tree_fail(
            err, VIV_E_INVALID, "config",
            "'run' of check %zu is not a list of 1 to %d words with a program first", number + 1,
            VIV_ARGV_MAX);
    }
    return VIV_OK;
}

static viv_status
check_one(const json_t *check, size_t number, struct viv_error *err)
{
    const json_t *time = json_object_get(check, "timeout_ns");
    int64_t time_ns = time ? (int64_t)json_integer_value(time) : 1;
    if (time && (!json_is_integer(time) || time_ns < 1 || time_ns > CHECKS_TIME_MAX_NS)) {
        return viv_tree_fail(err, VIV_E_INVALID, "config",
                             "'timeout_ns' of check %zu is %lld, allowed 1 to %lld", number + 1,
                             (long long)time_ns, (long long)CHECKS_TIME_MAX_NS);
    }
    return check_words(json_object_get(check, "run"), number, err);
}

viv_status
checks_read(struct viv_str config_json, struct json_t **ret_checks, struct viv_error *err)
{
    json_t *checks = NULL;
    *ret_checks = NULL;
    if (config_json.len == 0) {
        return VIV_OK;
    }
    viv_status status = viv_tree_read(config_json, "config_json", &checks, err);
    if (status != VIV_OK) {
        return status;
    }
    size_t count = json_array_size(checks);
    if (json_object_size(checks) > 0 || (!json_is_array(checks) && !json_is_object(checks)) ||
        count > CHECKS_MAX) {
        status = viv_tree_fail(err, VIV_E_INVALID, "config",
                               "config_json is not a list of at most %d checks", CHECKS_MAX);
    }
    for (size_t i = 0; status == VIV_OK && i < count; i++) {
        status = check_one(json_array_get(checks, i), i, err);
    }
    if (status == VIV_OK && count > 0) {
        *ret_checks = checks;
    } else {
        json_decref(checks);
    }
    return status;
}

struct json_t *
checks_spec(const struct json_t *check, int64_t time_ns, uint32_t *failed)
{
    json_t *spec = json_object();
    json_t *stages = json_array();
    json_t *stage = json_object();
    viv_tree_set(stage, "argv", json_incref(json_object_get(check, "run")), failed);
    viv_tree_push(stages, stage, failed);
    viv_tree_set(spec, "stages", stages, failed);
    viv_tree_set(spec, "timeout_ns", json_integer(viv_tree_integer(check, "timeout_ns", time_ns)),
                 failed);
    return spec;
}

/* A shell says 126 or 127 of a program it cannot run or find. */
static int
not_started(const struct viv_effect_outcome *outcome)
{
    return outcome->exit_code < 0 || outcome->exit_code == 126 || outcome->exit_code == 127;
}

uint32_t
checks_outcome(const struct viv_effect_outcome *outcome)
{
    if (outcome->flags & VIV_EFFECT_TIMED_OUT) {
        return VIV_GATE_FAILED;
    }
    if (not_started(outcome)) {
        return VIV_GATE_INCONCLUSIVE;
    }
    return outcome->exit_code == 0 ? VIV_GATE_PASSED : VIV_GATE_FAILED;
}

static json_t *
finding_of(const json_t *check, const char *first_line, struct viv_str tail, int32_t exit_code,
           uint32_t *failed)
{
    char words[256];
    json_t *finding = json_object();
    json_t *cited = viv_tree_str(tail);
    json_t *text = cited && tail.len > 0
                       ? json_sprintf("%s\n%s", first_line, json_string_value(cited))
                       : viv_tree_literal(first_line);
    json_decref(cited);
    viv_tree_words(json_object_get(check, "run"), words, sizeof words);
    viv_tree_set(finding, "text", text, failed);
    viv_tree_set(finding, "command", viv_tree_literal(words), failed);
    viv_tree_set(finding, "exit_code", json_integer(exit_code), failed);
    return finding;
}

struct json_t *
checks_finding(const struct json_t *check, const struct viv_effect_outcome *outcome,
               struct viv_str tail, uint32_t *failed)
{
    char line[80];
    if (outcome->flags & VIV_EFFECT_TIMED_OUT) {
        (void)snprintf(line, sizeof line, "ran out of time");
    } else if (not_started(outcome)) {
        (void)snprintf(line, sizeof line, "could not be started, so nothing was checked");
    } else if (outcome->exit_code > 128) {
        (void)snprintf(line, sizeof line, "was ended by signal %d", outcome->exit_code - 128);
    } else {
        (void)snprintf(line, sizeof line, "failed with exit code %d", outcome->exit_code);
    }
    return finding_of(check, line, tail, outcome->exit_code, failed);
}

struct json_t *
checks_refused(const struct json_t *check, viv_status status, const struct viv_error *err,
               uint32_t *failed)
{
    char line[512];
    (void)snprintf(line, sizeof line, "did not run (status %d): %s", (int)status, err->text);
    return finding_of(check, line, (struct viv_str){NULL, 0}, -1, failed);
}

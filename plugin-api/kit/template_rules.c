/* SPDX-License-Identifier: Apache-2.0 */
/* One element of the manifest's "templates": reading it, checking its sentences, filling the input it stands for. */
#include <string.h>

#include "read.h"
#include "template_inside.h"
#include "text.h"
#include "write.h"

static viv_status
bad(struct viv_error *err, const struct viv_template *tmpl, const char *problem, struct viv_str about)
{
    struct viv_str text = tmpl->text;
    return viv_kit_fail(err, VIV_E_INVALID, "template", "template '%.*s': %s '%.*s'",
                        (int)(text.len < 120 ? text.len : 120), text.len ? text.data : "", problem,
                        (int)(about.len < 160 ? about.len : 160), about.len ? about.data : "");
}

/* "/name" without its slash, or empty text. */
static struct viv_str
member_of(struct viv_str pointer)
{
    struct viv_str nothing = { NULL, 0 };
    if (pointer.len < 2 || pointer.len > 65 || pointer.data[0] != '/')
        return nothing;
    for (uint64_t i = 1; i < pointer.len; i++) {
        char c = pointer.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_')
            return nothing;
    }
    return (struct viv_str){ pointer.data + 1, pointer.len - 1 };
}

/* Put a rule at its place by name. */
static viv_status
add_rule(struct viv_template *tmpl, struct viv_str pointer, struct viv_template_rule rule, struct viv_error *err)
{
    rule.to = member_of(pointer);
    if (rule.to.len == 0)
        return bad(err, tmpl, "a target is written /name, found", pointer);
    if (tmpl->rule_count == VIV_TEMPLATE_RULES_MAX) {
        return bad(err, tmpl, "over 24 targets, allowed 24; one too many is", pointer);
    }
    uint32_t at = tmpl->rule_count;
    for (; at > 0; at--) {
        int32_t order = viv_kit_compare(tmpl->rules[at - 1].to, rule.to);
        if (order == 0)
            return bad(err, tmpl, "two rules fill", pointer);
        if (order < 0)
            break;
    }
    memmove(&tmpl->rules[at + 1], &tmpl->rules[at], (tmpl->rule_count - at) * sizeof rule);
    tmpl->rules[at] = rule;
    tmpl->rule_count++;
    return VIV_OK;
}

static const struct viv_template_part *
find_slot(const struct viv_template *tmpl, struct viv_str name)
{
    for (uint32_t i = 0; i < tmpl->part_count; i++) {
        const struct viv_template_part *part = &tmpl->parts[i];
        if (part->type != VIV_TEMPLATE_LITERAL && viv_kit_compare(part->text, name) == 0)
            return part;
    }
    return NULL;
}

static viv_status
read_bind(struct viv_kit_read *in, struct viv_template *tmpl, struct viv_error *err)
{
    struct viv_str name;
    viv_status status = VIV_OK;
    viv_kit_read_object(in);
    while (status == VIV_OK && viv_kit_read_key(in, &name)) {
        struct viv_str to = { NULL, 0 };
        struct viv_str as = { NULL, 0 };
        if (viv_kit_read_peek(in) == '{') {
            struct viv_str key;
            viv_kit_read_object(in);
            while (viv_kit_read_key(in, &key)) {
                if (viv_kit_is(key, "to")) {
                    to = viv_kit_read_text(in);
                } else if (viv_kit_is(key, "as")) {
                    as = viv_kit_read_text(in);
                } else {
                    return bad(err, tmpl, "a rule has 'to' and 'as', found", key);
                }
            }
        } else {
            to = viv_kit_read_text(in);
        }
        const struct viv_template_part *part = find_slot(tmpl, name);
        if (!part)
            return bad(err, tmpl, "'bind' names a slot that the text has not:", name);
        struct viv_template_rule rule = { .slot = (int32_t)part->slot,
                                          .as = viv_template_transform(as, part->type) };
        if (rule.as == VIV_TEMPLATE_AS_DEFAULT)
            return bad(err, tmpl, "no such transform for the slot's type:", as);
        status = add_rule(tmpl, to, rule, err);
    }
    return status;
}

static viv_status
read_set(struct viv_kit_read *in, struct viv_template *tmpl, struct viv_error *err)
{
    struct viv_str pointer;
    viv_status status = VIV_OK;
    viv_kit_read_object(in);
    while (status == VIV_OK && viv_kit_read_key(in, &pointer)) {
        struct viv_template_rule rule = { .slot = -1, .as = VIV_TEMPLATE_AS_IDENTITY };
        rule.is_integer = viv_kit_read_peek(in) != '"';
        if (rule.is_integer) {
            rule.integer = viv_kit_read_integer(in);
        } else {
            rule.text = viv_kit_read_text(in);
        }
        status = add_rule(tmpl, pointer, rule, err);
    }
    return status;
}

/* Where each member of the element starts; a reader with nothing left where it is missing. */
struct members {
    struct viv_kit_read text, bind, set, accept, refuse;
};

static viv_status
find_members(struct viv_str json, struct viv_kit_memory memory, struct members *members, struct viv_error *err)
{
    struct viv_kit_read in;
    struct viv_str key;
    const struct viv_template none = { .text = json };
    memset(members, 0, sizeof *members);
    viv_kit_read_init(&in, memory, json);
    viv_kit_read_object(&in);
    while (viv_kit_read_key(&in, &key)) {
        struct viv_kit_read *member = viv_kit_is(key, "text")     ? &members->text
                                      : viv_kit_is(key, "bind")   ? &members->bind
                                      : viv_kit_is(key, "set")    ? &members->set
                                      : viv_kit_is(key, "accept") ? &members->accept
                                      : viv_kit_is(key, "refuse") ? &members->refuse
                                                                  : NULL;
        if (!member) {
            return bad(err, &none, "allowed are text, bind, set, accept, refuse; found", key);
        }
        if (member->at)
            return bad(err, &none, "found twice:", key);
        const char *start = in.at;
        viv_kit_read_skip(&in);
        viv_kit_read_init(member, memory, (struct viv_str){ start, (uint64_t)(in.at - start) });
    }
    if (!viv_kit_read_done(&in))
        return bad(err, &none, "not a JSON object with distinct members:", json);
    return VIV_OK;
}

static viv_status
all_bound(const struct viv_template *tmpl, struct viv_error *err)
{
    for (uint32_t i = 0; i < tmpl->part_count; i++) {
        const struct viv_template_part *part = &tmpl->parts[i];
        uint32_t bound = part->type == VIV_TEMPLATE_LITERAL;
        for (uint32_t r = 0; r < tmpl->rule_count; r++) {
            bound |= tmpl->rules[r].slot == (int32_t)part->slot;
        }
        if (!bound)
            return bad(err, tmpl, "'bind' does not say what becomes of slot", part->text);
    }
    return VIV_OK;
}

viv_status
viv_template_open(struct viv_str json, struct viv_kit_memory memory, struct viv_template *ret_tmpl,
                  struct viv_error *err)
{
    struct members members;
    viv_status status = find_members(json, memory, &members, err);
    if (status != VIV_OK)
        return status;
    struct viv_str text = viv_kit_read_text(&members.text);
    status = viv_template_compile(text, ret_tmpl, err);
    if (status == VIV_OK && members.text.failed) {
        status = bad(err, ret_tmpl, "'text' is missing or not text in", json);
    }
    if (status == VIV_OK && members.bind.at) {
        status = read_bind(&members.bind, ret_tmpl, err);
    }
    if (status == VIV_OK && members.set.at) {
        status = read_set(&members.set, ret_tmpl, err);
    }
    if (status == VIV_OK && (members.bind.failed || members.set.failed)) {
        status = bad(err, ret_tmpl, "'bind' or 'set' is not an object of targets in", json);
    }
    return status == VIV_OK ? all_bound(ret_tmpl, err) : status;
}

static viv_status
check_list(struct viv_kit_read *in, const struct viv_template *tmpl, uint32_t accepted,
           struct viv_template_request *scratch, struct viv_error *err)
{
    struct viv_template_reading readings[2];
    uint32_t count = 0;
    viv_kit_read_list(in);
    for (; viv_kit_read_item(in); count++) {
        struct viv_str sentence = viv_kit_read_text(in);
        viv_template_request(sentence, scratch);
        uint32_t found = viv_template_match(tmpl, scratch, readings, 2);
        if (accepted && found != 1)
            return bad(err, tmpl, found ? "more than one reading of" : "does not take", sentence);
        if (!accepted && found > 0)
            return bad(err, tmpl, "takes what it must refuse:", sentence);
        struct viv_str input;
        viv_status status = accepted ? viv_template_input(tmpl, readings, in->memory, &input, err) : VIV_OK;
        if (status != VIV_OK)
            return status;
    }
    const struct viv_str name = viv_kit_str(accepted ? "accept" : "refuse");
    return count > 0 && !in->failed ? VIV_OK : bad(err, tmpl, "at least one sentence is needed in the list", name);
}

viv_status
viv_template_check(struct viv_str json, struct viv_kit_memory memory, const struct viv_template *tmpl,
                   struct viv_template_request *scratch, struct viv_error *err)
{
    struct members members;
    viv_status status = find_members(json, memory, &members, err);
    if (status == VIV_OK) {
        status = check_list(&members.accept, tmpl, 1, scratch, err);
    }
    return status == VIV_OK ? check_list(&members.refuse, tmpl, 0, scratch, err) : status;
}

viv_status
viv_template_input(const struct viv_template *tmpl, const struct viv_template_reading *reading,
                   struct viv_kit_memory memory, struct viv_str *ret_json, struct viv_error *err)
{
    struct viv_kit_json json;
    char names[VIV_TEMPLATE_RULES_MAX][66];
    const struct viv_template_part *slots[VIV_TEMPLATE_SLOTS_MAX];
    for (uint32_t i = 0; i < tmpl->part_count; i++) {
        if (tmpl->parts[i].type != VIV_TEMPLATE_LITERAL) {
            slots[tmpl->parts[i].slot] = &tmpl->parts[i];
        }
    }
    viv_kit_json_init(&json, memory, 16 * VIV_GOAL_MAX);
    viv_kit_json_object(&json, NULL);
    for (uint32_t i = 0; i < tmpl->rule_count; i++) {
        const struct viv_template_rule *rule = &tmpl->rules[i];
        struct viv_str raw = rule->slot < 0 ? rule->text : reading->raw[rule->slot];
        struct viv_str text = rule->text;
        int64_t number = rule->integer;
        viv_status status = VIV_OK;
        memcpy(names[i], rule->to.data, (size_t)rule->to.len);
        names[i][rule->to.len] = '\0';
        if (rule->slot >= 0 && viv_template_is_number(rule->as)) {
            status = viv_template_number(rule->as, raw, &number, err);
        } else if (rule->slot >= 0) {
            status = viv_template_value(rule->as, slots[rule->slot], raw, reading->inner[rule->slot], memory, &text,
                                        err);
        }
        if (status != VIV_OK)
            return status;
        if (rule->is_integer || viv_template_is_number(rule->as)) {
            viv_kit_json_integer(&json, names[i], number);
        } else if (viv_template_utf8(text)) {
            viv_kit_json_text(&json, names[i], text);
        } else {
            return bad(err, tmpl, "the request's bytes are not UTF-8 for", rule->to);
        }
    }
    viv_kit_json_end(&json);
    return viv_kit_json_finish(&json, ret_json, err);
}

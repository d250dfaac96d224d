/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling a template's text and matching it. Matching counts, from the end, in how many ways the parts from p on
 * take the tokens from t on; so nothing is tried twice, and the first readings are read off the table. */
#include <string.h>

#include "template_inside.h"
#include "text.h"

static viv_status
bad(struct viv_error *err, struct viv_str text, const char *problem, struct viv_str about)
{
    uint64_t shown = text.len < 120 ? text.len : 120;
    uint64_t part = about.len < 60 ? about.len : 60;
    return viv_kit_fail(err, VIV_E_INVALID, "template", "template '%.*s': %s '%.*s'", (int)shown,
                        text.len ? text.data : "", problem, (int)part, about.len ? about.data : "");
}

static uint32_t
is_name(struct viv_str name)
{
    for (uint64_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!(c >= 'a' && c <= 'z') && !(i > 0 && ((c >= '0' && c <= '9') || c == '_')))
            return 0;
    }
    return name.len > 0 && name.len <= 32;
}

static viv_status
add_slot(struct viv_template *tmpl, struct viv_str token, struct viv_template_part *part, struct viv_error *err)
{
    struct viv_str inside = { token.data + 1, token.len - 2 };
    const char *colon = token.len > 2 ? memchr(inside.data, ':', (size_t)inside.len) : NULL;
    if (token.data[token.len - 1] != '}' || !colon)
        return bad(err, tmpl->text, "a slot is written {name:type}, found", token);
    part->text = (struct viv_str){ inside.data, (uint64_t)(colon - inside.data) };
    struct viv_str type = { colon + 1, inside.len - part->text.len - 1 };
    part->type = viv_template_type_of(type, &part->choices);
    if (part->type == VIV_TEMPLATE_LITERAL) {
        return bad(err, tmpl->text,
                   "unknown slot type, allowed: word, identifier, path, file, glob, number, size, "
                   "duration, date, quoted, text, choice(a|b); found",
                   type);
    }
    if (!is_name(part->text))
        return bad(err, tmpl->text, "a slot's name is small letters, digits and _, found", part->text);
    for (uint32_t i = 0; i + 1 < tmpl->part_count; i++) {
        if (tmpl->parts[i].type != VIV_TEMPLATE_LITERAL && viv_kit_compare(tmpl->parts[i].text, part->text) == 0)
            return bad(err, tmpl->text, "two slots have the name", part->text);
    }
    if (part->type == VIV_TEMPLATE_TEXT && tmpl->part_count > 1 && part[-1].type == VIV_TEMPLATE_TEXT)
        return bad(err, tmpl->text, "no word parts the text slot before", token);
    if (tmpl->slot_count == VIV_TEMPLATE_SLOTS_MAX) {
        return bad(err, tmpl->text, "over 12 slots, allowed 12; one too many is", token);
    }
    part->slot = tmpl->slot_count++;
    return VIV_OK;
}

static viv_status
add_word(struct viv_template *tmpl, struct viv_str token, struct viv_template_part *part, struct viv_error *err)
{
    for (uint64_t i = 0; i < token.len;) {
        uint32_t len = viv_kit_utf8((struct viv_str){ token.data + i, token.len - i });
        if (len == 0 || (unsigned char)token.data[i] < 0x21 || strchr("{}\"`", token.data[i]))
            return bad(err, tmpl->text, "a word may not hold braces, quotes or broken text:", token);
        i += len;
    }
    if (strchr(",;:.!?'", token.data[token.len - 1]) || token.data[0] == '\'')
        return bad(err, tmpl->text, "a word may not end in punctuation:", token);
    part->text = token;
    part->type = VIV_TEMPLATE_LITERAL;
    part->hash = viv_template_hash(token);
    tmpl->signature |= UINT64_C(1) << (part->hash & 63);
    return VIV_OK;
}

viv_status
viv_template_compile(struct viv_str text, struct viv_template *ret_tmpl, struct viv_error *err)
{
    struct viv_template *tmpl = ret_tmpl;
    memset(tmpl, 0, sizeof *tmpl);
    tmpl->text = text;
    if (text.len > VIV_TEMPLATE_TEXT_MAX || (text.len > 0 && memchr(text.data, '\0', (size_t)text.len))) {
        return bad(err, text, "over 1024 bytes or a NUL, allowed 1024 bytes; starts with", text);
    }
    for (uint64_t at = 0; at < text.len;) {
        uint64_t end = at;
        while (end < text.len && text.data[end] != ' ') {
            end++;
        }
        if (end > at) {
            struct viv_str token = { text.data + at, end - at };
            if (tmpl->part_count == VIV_TEMPLATE_PARTS_MAX) {
                return bad(err, text, "over 48 words and slots, allowed 48; one too many is", token);
            }
            struct viv_template_part *part = &tmpl->parts[tmpl->part_count++];
            viv_status status = token.data[0] == '{' && token.len > 2 ? add_slot(tmpl, token, part, err)
                                                                      : add_word(tmpl, token, part, err);
            if (status != VIV_OK)
                return status;
            tmpl->tokens_min++;
            tmpl->tokens_max += viv_template_span(part->type);
        }
        at = end + 1;
    }
    if (tmpl->part_count < tmpl->slot_count + VIV_TEMPLATE_WORDS_MIN)
        return bad(err, text, "fewer than 2 words of its own, allowed 2 or more:", text);
    tmpl->first_hash = tmpl->parts[0].hash;
    return VIV_OK;
}

uint32_t
viv_template_may_match(const struct viv_template *tmpl, const struct viv_template_request *request)
{
    return request->count >= tmpl->tokens_min && request->count <= tmpl->tokens_max &&
           (tmpl->signature & ~request->signature) == 0 &&
           (tmpl->first_hash == 0 || tmpl->first_hash == request->tokens[0].hash);
}

/* ways[p][t]: in how many ways parts p.. take tokens t.. to the end; counted up to 255. */
struct ways {
    uint8_t at[VIV_TEMPLATE_PARTS_MAX + 1][VIV_TEMPLATE_TOKENS_MAX + 1];
};

static uint32_t
widest(const struct viv_template_part *part, uint32_t left)
{
    uint32_t span = viv_template_span(part->type);
    return span < left ? span : left;
}

static void
count_ways(const struct viv_template *tmpl, const struct viv_template_request *request, struct ways *ways)
{
    uint32_t n = request->count;
    memset(ways->at[tmpl->part_count], 0, n);
    ways->at[tmpl->part_count][n] = 1;
    for (uint32_t p = tmpl->part_count; p-- > 0;) {
        const struct viv_template_part *part = &tmpl->parts[p];
        for (uint32_t t = 0; t <= n; t++) {
            uint32_t sum = 0;
            for (uint32_t width = 1; width <= widest(part, n - t); width++) {
                /* A text slot takes each token for itself; one it refuses, every longer span holds too. */
                uint32_t text = part->type == VIV_TEMPLATE_TEXT;
                if (text && !viv_template_takes(part, &request->tokens[t + width - 1], 1))
                    break;
                if (ways->at[p + 1][t + width] > 0 &&
                    (text || viv_template_takes(part, &request->tokens[t], width))) {
                    sum += ways->at[p + 1][t + width];
                }
            }
            ways->at[p][t] = (uint8_t)(sum < 255 ? sum : 255);
        }
    }
}

/* The reading of this rank, in the order of ever longer slots. */
static void
read_off(const struct viv_template *tmpl, const struct viv_template_request *request, const struct ways *ways,
         uint32_t rank, struct viv_template_reading *reading)
{
    memset(reading, 0, sizeof *reading);
    uint32_t t = 0;
    for (uint32_t p = 0; p < tmpl->part_count; p++) {
        const struct viv_template_part *part = &tmpl->parts[p];
        const struct viv_template_token *first = &request->tokens[t];
        uint32_t width = 1;
        for (; width < widest(part, request->count - t); width++) {
            uint32_t here = viv_template_takes(part, first, width) ? ways->at[p + 1][t + width] : 0;
            if (rank < here)
                break;
            rank -= here;
        }
        if (part->type != VIV_TEMPLATE_LITERAL) {
            const struct viv_str last = first[width - 1].raw;
            struct viv_str raw = { first->raw.data, (uint64_t)(last.data + last.len - first->raw.data) };
            reading->raw[part->slot] = raw;
            reading->inner[part->slot] = width == 1 ? first->inner : raw;
        }
        t += width;
    }
}

uint32_t
viv_template_match(const struct viv_template *tmpl, const struct viv_template_request *request,
                   struct viv_template_reading *ret_readings, uint32_t max)
{
    if (!viv_template_may_match(tmpl, request))
        return 0;
    struct ways ways;
    count_ways(tmpl, request, &ways);
    uint32_t count = ways.at[0][0] < max ? ways.at[0][0] : max;
    for (uint32_t rank = 0; rank < count; rank++) {
        read_off(tmpl, request, &ways, rank, &ret_readings[rank]);
    }
    return count;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "rules.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "wire.h"

/* Of a text that may be anything, what a message shows: one line of printable ASCII. */
struct shown {
    char text[96];
};

static struct shown
show(struct viv_str text)
{
    struct shown shown;
    size_t len = text.len < sizeof shown.text - 4 ? (size_t)text.len : sizeof shown.text - 4;
    for (size_t i = 0; i < len; i++) {
        shown.text[i] = text.data[i] > 0x20 && text.data[i] < 0x7f ? text.data[i] : '?';
    }
    snprintf(shown.text + len, 4, "%s", len < text.len ? "..." : "");
    return shown;
}

static viv_status
refuse(struct viv_str text, const char *why, struct viv_error *err)
{
    return vh_error_set(err, VIV_E_INVALID, "host", "'%s' %s", show(text).text, why);
}

static bool
is_label_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* A name whose last label is a number is an address to somebody who reads it, in one of a dozen ways. */
static bool
ends_in_number(const char *host)
{
    const char *last = strrchr(host, '.') ? strrchr(host, '.') + 1 : host;
    bool hex = last[0] == '0' && last[1] == 'x';
    return last[strspn(last, hex ? "x0123456789abcdef" : "0123456789")] == '\0';
}

/* Labels of 1 to 63 bytes that do not begin or end with '-'. */
static bool
has_labels(const char *host)
{
    for (const char *label = host;; label++) {
        size_t len = strcspn(label, ".");
        if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-') {
            return false;
        }
        label += len;
        if (*label == '\0') {
            return true;
        }
    }
}

static viv_status
read_host(struct viv_str text, struct place *place, struct viv_error *err)
{
    struct viv_str host = text;
    if (host.len && host.data[host.len - 1] == '.') {
        host.len--;
    }
    if (host.len == 0 || host.len > HOST_MAX) {
        return refuse(text, "is no host name: a name has 1 to 253 bytes", err);
    }
    for (uint64_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        c = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
        if ((unsigned char)c >= 0x80) {
            return refuse(text, "is not ASCII; write the name in its xn-- form", err);
        }
        if (!is_label_byte(c) && c != '.') {
            return refuse(text, "is no host name: letters, digits, '-', '_' and '.' are allowed", err);
        }
        place->host[i] = c;
    }
    place->host[host.len] = '\0';
    if (!has_labels(place->host)) {
        return refuse(text, "is no host name: each part has 1 to 63 bytes and no '-' at its ends", err);
    }
    if (ends_in_number(place->host)) {
        place->literal = address_read(vh_str(place->host), &place->address);
        return place->literal ? VIV_OK
                              : refuse(text, "is no address: write it as four decimal numbers, 192.0.2.1", err);
    }
    return VIV_OK;
}

static viv_status
read_port(struct viv_str text, struct viv_str digits, struct place *place, struct viv_error *err)
{
    uint32_t port = 0;
    for (uint64_t i = 0; i < digits.len && i < 6; i++) {
        char c = digits.data[i];
        port = c >= '0' && c <= '9' ? port * 10 + (uint32_t)(c - '0') : 65536;
    }
    if (digits.len == 0 || digits.len > 5 || digits.data[0] == '0' || port > 65535) {
        return refuse(text, "has no port of 1 to 65535 after its ':'", err);
    }
    place->port = (uint16_t)port;
    return VIV_OK;
}

viv_status
place_read(struct viv_str text, uint16_t port, struct place *ret_place, struct viv_error *err)
{
    struct place place = { .port = port };
    const char *end = text.len ? memchr(text.data, ']', (size_t)text.len) : NULL;
    bool bracket = text.len && text.data[0] == '[';
    struct viv_str host = text, digits = { NULL, 0 };
    viv_status status = VIV_OK;
    if (bracket) {
        host = (struct viv_str){ text.data + 1, end ? (uint64_t)(end - text.data) - 1 : 0 };
        if (!end || !address_read(host, &place.address) || !place.address.v6) {
            return refuse(text, "has no IPv6 address in its brackets", err);
        }
        place.literal = true;
        address_text(&place.address, place.host);
        end++;
    } else {
        end = text.len ? memchr(text.data, ':', (size_t)text.len) : NULL;
        host.len = end ? (uint64_t)(end - text.data) : text.len;
        end = end ? end : text.data + text.len;
        status = read_host(host, &place, err);
    }
    if (status == VIV_OK && (end < text.data + text.len || port == 0)) {
        bool colon = end < text.data + text.len && *end == ':';
        digits = colon ? (struct viv_str){ end + 1, (uint64_t)(text.data + text.len - end) - 1 } : digits;
        status = read_port(text, digits, &place, err);
    }
    if (status == VIV_OK) {
        *ret_place = place;
    }
    return status;
}

void
place_text(const struct place *place, char ret_text[PLACE_TEXT_MAX])
{
    bool bracket = place->literal && place->address.v6;
    snprintf(ret_text, PLACE_TEXT_MAX, "%s%s%s:%u", bracket ? "[" : "", place->host, bracket ? "]" : "",
             (unsigned)place->port);
}

bool
place_equal(const struct place *a, const struct place *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static viv_status
read_rule(struct viv_str text, struct rule *ret_rule, struct viv_error *err)
{
    struct viv_str rest = text;
    *ret_rule = (struct rule){ 0 };
    if (vh_str_starts(rest, "http://")) {
        ret_rule->plain = true;
        rest = (struct viv_str){ rest.data + 7, rest.len - 7 };
    }
    if (vh_str_starts(rest, "*.")) {
        ret_rule->below = true;
        rest = (struct viv_str){ rest.data + 2, rest.len - 2 };
    }
    viv_status status = place_read(rest, 0, &ret_rule->place, err);
    if (status == VIV_OK && ret_rule->below && ret_rule->place.literal) {
        status = refuse(text, "is an address, and nothing is below one", err);
    }
    return status ? vh_error_extend(err, status, "the allow list's entry '%s'", show(text).text) : VIV_OK;
}

viv_status
rules_read(struct vh_arena *arena, const struct vh_json *list, struct rules *ret_rules, struct viv_error *err)
{
    size_t count = list ? list->count : 0;
    if (list && list->type != VH_JSON_ARRAY) {
        return vh_error_set(err, VIV_E_INVALID, "host", "the allow list is no array of \"host:port\"");
    }
    if (count > EW_ALLOW_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "host", "the allow list has %zu entries, allowed %d", count,
                            EW_ALLOW_MAX);
    }
    struct rule *rules = vh_arena_array(arena, count + 1, sizeof *rules);
    if (!rules) {
        return vh_error_set(err, VIV_E_MEMORY, "host", "no memory for an allow list");
    }
    const struct vh_json *entry = list ? list->child : NULL;
    for (size_t i = 0; i < count; i++, entry = entry->next) {
        struct viv_str text = entry->type == VH_JSON_STRING ? entry->text : VH_STR("?");
        viv_status status = read_rule(text, &rules[i], err);
        if (status) {
            return status;
        }
    }
    *ret_rules = (struct rules){ rules, count };
    return VIV_OK;
}

static bool
matches(const struct rule *rule, const struct place *place)
{
    if (rule->place.port != place->port) {
        return false;
    }
    size_t len = strlen(place->host), suffix = strlen(rule->place.host);
    if (!rule->below || place->literal) {
        return !rule->below && strcmp(rule->place.host, place->host) == 0;
    }
    return len > suffix + 1 && place->host[len - suffix - 1] == '.' &&
           strcmp(place->host + len - suffix, rule->place.host) == 0;
}

/* Of several the one without TLS: it allows more. */
const struct rule *
rules_find(const struct rules *rules, const struct place *place)
{
    const struct rule *found = NULL;
    for (size_t i = 0; i < rules->count; i++) {
        if (matches(&rules->rule[i], place) && (!found || rules->rule[i].plain)) {
            found = &rules->rule[i];
        }
    }
    return found;
}

void
rules_text(const struct rules *rules, char *ret_text, size_t size)
{
    size_t at = (size_t)snprintf(ret_text, size, "%s", rules->count ? "" : "nothing");
    for (size_t i = 0; i < rules->count; i++) {
        char place[PLACE_TEXT_MAX];
        place_text(&rules->rule[i].place, place);
        if (at + strlen(place) + 16 > size) {
            snprintf(ret_text + at, size - at, "%s...", i ? ", " : "");
            return;
        }
        at += (size_t)snprintf(ret_text + at, size - at, "%s%s%s%s", i ? ", " : "",
                               rules->rule[i].plain ? "http://" : "", rules->rule[i].below ? "*." : "", place);
    }
}

static bool
names(const struct rules *rules, const struct address *address, uint16_t port)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct place *place = &rules->rule[i].place;
        if (place->literal && place->port == port && address_equal(&place->address, address)) {
            return true;
        }
    }
    return false;
}

size_t
rules_choose(const struct rules *rules, const struct place *place, struct address *addresses, size_t count,
             bool (*own)(const struct address *address), struct viv_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const char *why = address_refused(&addresses[i]);
        if (!why && own && own(&addresses[i])) {
            why = "an address of this machine";
        }
        if (!why || names(rules, &addresses[i], place->port)) {
            addresses[kept++] = addresses[i];
        } else if (kept == 0) {
            char text[ADDRESS_TEXT_MAX];
            address_text(&addresses[i], text);
            (void)vh_error_set(err, VIV_E_DENIED, "address",
                               "'%s' is at %s, %s; it may be dialled only if the allow list names '%s%s%s:%u' itself",
                               place->host, text, why, addresses[i].v6 ? "[" : "", text, addresses[i].v6 ? "]" : "",
                               (unsigned)place->port);
        }
    }
    if (count == 0) {
        (void)vh_error_set(err, VIV_E_DENIED, "address", "'%s' has no address", place->host);
    }
    return kept;
}

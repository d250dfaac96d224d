/* SPDX-License-Identifier: Apache-2.0 */
#include "queue_scan.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"

#define EXPONENT_MAX 400

static bool
blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
skip_blank(struct vh_scan *scan)
{
    while (scan->at < scan->end && (blank(*scan->at) || *scan->at == ',' || *scan->at == ':')) {
        scan->at++;
    }
}

/* Behind the closing quote; `at` is on the opening one. */
static const char *
string_end(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        at += *at == '\\';
    }
    return at < end ? at + 1 : end;
}

/* Behind one value. */
static const char *
value_end(const char *at, const char *end)
{
    size_t depth = 0;
    do {
        if (at < end && *at == '"') {
            at = string_end(at, end);
        } else if (at < end && (*at == '{' || *at == '[')) {
            depth++;
            at++;
        } else if (at < end && (*at == '}' || *at == ']')) {
            depth--;
            at++;
        } else if (depth) {
            at++;
        } else {
            while (at < end && !blank(*at) && !strchr(",]}", *at)) {
                at++;
            }
        }
    } while (depth && at < end);
    return at;
}

struct vh_scan
vh_scan_begin(struct viv_str container)
{
    struct vh_scan scan = { container.data, container.data + container.len };
    skip_blank(&scan);
    if (scan.at < scan.end) {
        scan.at++; /* the opening bracket */
    }
    return scan;
}

bool
vh_scan_element(struct vh_scan *scan, struct viv_str *ret_value)
{
    skip_blank(scan);
    if (scan->at >= scan->end || *scan->at == ']' || *scan->at == '}') {
        return false;
    }
    const char *end = value_end(scan->at, scan->end);
    *ret_value = (struct viv_str){ scan->at, (uint64_t)(end - scan->at) };
    scan->at = end;
    return true;
}

bool
vh_scan_member(struct vh_scan *scan, struct viv_str *ret_key, struct viv_str *ret_value)
{
    struct viv_str key;
    if (!vh_scan_element(scan, &key) || key.len < 2) {
        return false;
    }
    *ret_key = (struct viv_str){ key.data + 1, key.len - 2 };
    return vh_scan_element(scan, ret_value);
}

bool
vh_scan_find(struct viv_str object, const char *name, struct viv_str *ret_value)
{
    struct vh_scan scan = vh_scan_begin(object);
    struct viv_str key, value;
    while (vh_scan_member(&scan, &key, &value)) {
        if (vh_str_is(key, name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

size_t
vh_scan_depth(struct viv_str text)
{
    const char *end = text.data + text.len;
    size_t depth = 0, deepest = 0;
    for (const char *at = text.data; at < end;) {
        if (*at == '"') {
            at = string_end(at, end);
            continue;
        }
        if (*at == '{' || *at == '[') {
            depth++;
        } else if ((*at == '}' || *at == ']') && depth) {
            depth--;
        }
        deepest = depth > deepest ? depth : deepest;
        at++;
    }
    return deepest;
}

long
vh_scan_entry_at(struct viv_str text, size_t at)
{
    const char *end = text.data + (at < text.len ? at : text.len);
    size_t depth = 0;
    bool tasks = false;
    long entry = -1;
    for (const char *p = text.data; p < end;) {
        if (*p == '"') {
            const char *stop = string_end(p, end);
            tasks = depth == 1 ? stop - p == 7 && memcmp(p, "\"tasks\"", 7) == 0 : tasks;
            p = stop;
            continue;
        }
        if (*p == '{' || *p == '[') {
            depth++;
            entry += depth == 3 && tasks;
        } else if ((*p == '}' || *p == ']') && depth) {
            depth--;
        }
        p++;
    }
    return tasks && depth >= 2 ? entry : -1;
}

/* ---- money ---- */

/* Digits with the place of the point, and the exponent. */
struct decimal {
    const char *digit;
    size_t len; /* with the point */
    long exponent;
    bool negative;
};

static bool
read_exponent(const char *at, const char *end, long *ret_exponent)
{
    bool negative = at < end && *at == '-';
    long value = 0;
    at += at < end && (*at == '-' || *at == '+');
    if (at == end) {
        return false;
    }
    for (; at < end; at++) {
        if (*at < '0' || *at > '9' || value > EXPONENT_MAX) {
            return false;
        }
        value = value * 10 + (*at - '0');
    }
    *ret_exponent = negative ? -value : value;
    return true;
}

static bool
read_decimal(struct viv_str text, struct decimal *ret_decimal)
{
    const char *at = text.data, *end = text.data + text.len;
    struct decimal d = { .negative = at < end && *at == '-' };
    at += d.negative;
    d.digit = at;
    while (at < end && ((*at >= '0' && *at <= '9') || *at == '.')) {
        at++;
    }
    d.len = (size_t)(at - d.digit);
    if (d.len == 0 || *d.digit == '.' || d.digit[d.len - 1] == '.') {
        return false;
    }
    if (at < end && (*at == 'e' || *at == 'E') && !read_exponent(at + 1, end, &d.exponent)) {
        return false;
    }
    *ret_decimal = d;
    return (at == end || *at == 'e' || *at == 'E');
}

viv_status
vh_scan_micro(struct viv_str number, int64_t *ret_micro)
{
    struct decimal d;
    if (!read_decimal(number, &d)) {
        return VIV_E_INVALID;
    }
    const char *point = memchr(d.digit, '.', d.len);
    long places = point ? (long)(d.len - (size_t)(point - d.digit) - 1) : 0;
    long shift = 6 + d.exponent - places; /* millionths = digits times ten to this */
    int64_t value = 0;
    bool zero = true;
    for (size_t i = 0; i < d.len; i++) {
        zero = zero && (d.digit[i] == '0' || d.digit[i] == '.');
    }
    if (zero) {
        *ret_micro = 0;
        return VIV_OK;
    }
    size_t len = d.len;
    for (; shift < 0 && len && (d.digit[len - 1] == '0' || d.digit[len - 1] == '.'); len--) {
        shift += d.digit[len - 1] == '0'; /* a trailing zero is worth nothing */
    }
    if (shift < 0) {
        return VIV_E_INVALID;
    }
    for (size_t i = 0; i < len; i++) {
        if (d.digit[i] == '.') {
            continue;
        }
        value = value * 10 + (d.digit[i] - '0');
        if (value > VH_JSON_INTEGER_MAX) {
            return VIV_E_LIMIT;
        }
    }
    for (; shift > 0; shift--) {
        value *= 10;
        if (value > VH_JSON_INTEGER_MAX) {
            return VIV_E_LIMIT;
        }
    }
    *ret_micro = d.negative ? -value : value;
    return VIV_OK;
}

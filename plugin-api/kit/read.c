/* SPDX-License-Identifier: Apache-2.0 */
/* The pull reader. `begun` says whether a comma is due at this depth; entering and leaving set it. */
#include "read.h"

#include <string.h>

#include "text.h"

void
viv_kit_read_init(struct viv_kit_read *in, struct viv_kit_memory memory, struct viv_str text)
{
    memset(in, 0, sizeof *in);
    in->memory = memory;
    in->at = text.data ? text.data : "";
    in->end = in->at + text.len;
}

static void
skip_blank(struct viv_kit_read *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\t' || *in->at == '\r')) {
        in->at++;
    }
}

static uint32_t
take(struct viv_kit_read *in, char c)
{
    skip_blank(in);
    if (in->failed || in->at == in->end || *in->at != c)
        return 0;
    in->at++;
    return 1;
}

char
viv_kit_read_peek(struct viv_kit_read *in)
{
    skip_blank(in);
    if (in->failed || in->at == in->end)
        return 0;
    char c = *in->at;
    if (c == '-' || (c >= '0' && c <= '9'))
        return 'i';
    return c && strchr("{[\"tfn", c) ? c : 0;
}

static void
enter(struct viv_kit_read *in, char bracket)
{
    if (!take(in, bracket) || in->depth == VIV_KIT_READ_DEPTH) {
        in->failed = 1;
        return;
    }
    in->open[in->depth++] = bracket;
    in->begun = 0;
}

void
viv_kit_read_object(struct viv_kit_read *in)
{
    enter(in, '{');
}

void
viv_kit_read_list(struct viv_kit_read *in)
{
    enter(in, '[');
}

/* The comma before the next element, or the closing bracket. */
static uint32_t
more(struct viv_kit_read *in, char bracket, char closing)
{
    if (in->failed || in->depth == 0 || in->open[in->depth - 1] != bracket) {
        in->failed = 1;
        return 0;
    }
    if (take(in, closing)) {
        in->depth--;
        in->begun = 1;
        return 0;
    }
    if (in->begun && !take(in, ',')) {
        in->failed = 1;
        return 0;
    }
    in->begun = 1;
    return 1;
}

uint32_t
viv_kit_read_key(struct viv_kit_read *in, struct viv_str *ret_key)
{
    if (!more(in, '{', '}'))
        return 0;
    *ret_key = viv_kit_read_text(in);
    if (!take(in, ':')) {
        in->failed = 1;
    }
    return !in->failed;
}

uint32_t
viv_kit_read_item(struct viv_kit_read *in)
{
    return more(in, '[', ']');
}

static int32_t
hex4(const char *at, const char *end)
{
    int32_t value = 0;
    for (uint32_t i = 0; i < 4; i++, at++) {
        char c = at < end ? *at : '?';
        int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static uint32_t
put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    uint32_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (uint32_t i = len - 1; i > 0; i--, point >>= 6) {
        to[i] = (char)(0x80 | (point & 0x3f));
    }
    static const unsigned char heads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    to[0] = (char)(heads[len] | point);
    return len;
}

/* One \uXXXX, with its second half for a surrogate pair; `at` stands behind the u. 0 for a lone surrogate. */
static uint32_t
put_unicode(char *to, const char **at, const char *end)
{
    int32_t point = hex4(*at, end);
    if (point < 0 || (point >= 0xdc00 && point <= 0xdfff))
        return 0;
    *at += 4;
    if (point >= 0xd800 && point <= 0xdbff) {
        int32_t low = end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' ? hex4(*at + 2, end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return 0;
        *at += 6;
        point = 0x10000 + (point - 0xd800) * 0x400 + (low - 0xdc00);
    }
    return put_utf8(to, (uint32_t)point);
}

static struct viv_str
unescape(struct viv_kit_read *in, const char *at, const char *end)
{
    static const char letters[] = "\"\\/btnfr";
    static const char bytes[] = "\"\\/\b\t\n\f\r";
    char *text = in->memory.alloc ? in->memory.alloc(in->memory.data, (uint64_t)(end - at)) : NULL;
    uint64_t len = 0;
    while (text && at < end) {
        if (*at != '\\') {
            text[len++] = *at++;
            continue;
        }
        at++;
        const char *found = at < end && *at ? strchr(letters, *at) : NULL;
        uint32_t wrote = 1;
        if (found) {
            text[len] = bytes[found - letters];
            at++;
        } else {
            wrote = at < end && *at++ == 'u' ? put_unicode(text + len, &at, end) : 0;
        }
        if (wrote == 0) {
            text = NULL;
        }
        len += wrote;
    }
    if (!text) {
        in->failed = 1;
    }
    return (struct viv_str){ text, text ? len : 0 };
}

struct viv_str
viv_kit_read_text(struct viv_kit_read *in)
{
    const struct viv_str nothing = { NULL, 0 };
    if (!take(in, '"')) {
        in->failed = 1;
        return nothing;
    }
    const char *start = in->at;
    uint32_t escapes = 0;
    while (in->at < in->end && *in->at != '"') {
        uint32_t len = viv_kit_utf8((struct viv_str){ in->at, (uint64_t)(in->end - in->at) });
        if (len == 0 || (unsigned char)*in->at < 0x20)
            break;
        if (*in->at == '\\') {
            escapes = 1;
            in->at++;
            if (in->at == in->end)
                break;
            len = 1;
        }
        in->at += len;
    }
    const char *end = in->at;
    if (end == in->end || *end != '"') {
        in->failed = 1;
        return nothing;
    }
    in->at++;
    return escapes ? unescape(in, start, end) : (struct viv_str){ start, (uint64_t)(end - start) };
}

static uint32_t
take_word(struct viv_kit_read *in, const char *word)
{
    uint64_t len = strlen(word);
    if ((uint64_t)(in->end - in->at) < len || memcmp(in->at, word, (size_t)len) != 0)
        return 0;
    in->at += len;
    return 1;
}

int64_t
viv_kit_read_integer(struct viv_kit_read *in)
{
    char next = viv_kit_read_peek(in);
    if (next == 't' || next == 'f') {
        in->failed |= !take_word(in, next == 't' ? "true" : "false");
        return next == 't';
    }
    int64_t value = 0;
    uint32_t digits = 0;
    uint32_t negative = take(in, '-');
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9' && digits < 18; in->at++, digits++) {
        value = value * 10 + (*in->at - '0');
    }
    char behind = in->at < in->end ? *in->at : 0;
    if (digits == 0 || (behind >= '0' && behind <= '9') || behind == '.' || behind == 'e' || behind == 'E') {
        in->failed = 1;
    }
    return in->failed ? 0 : negative ? -value : value;
}

/* A scalar of any kind, numbers with fractions too. */
static void
skip_scalar(struct viv_kit_read *in)
{
    char next = viv_kit_read_peek(in);
    if (next == '"') {
        (void)viv_kit_read_text(in); /* its value is not wanted */
    } else if (next == 't' || next == 'f' || next == 'n') {
        in->failed |= !take_word(in, next == 't' ? "true" : next == 'f' ? "false" : "null");
    } else if (next == 'i') {
        while (in->at < in->end && *in->at && strchr("+-.eE0123456789", *in->at)) {
            in->at++;
        }
    } else {
        in->failed = 1;
    }
}

void
viv_kit_read_skip(struct viv_kit_read *in)
{
    uint32_t base = in->depth;
    do {
        char next = viv_kit_read_peek(in);
        if (next == '{' || next == '[') {
            enter(in, next);
        } else {
            skip_scalar(in);
        }
        struct viv_str key;
        while (!in->failed && in->depth > base) {
            if (in->open[in->depth - 1] == '{' ? viv_kit_read_key(in, &key) : viv_kit_read_item(in))
                break;
        }
    } while (!in->failed && in->depth > base);
}

uint32_t
viv_kit_read_done(struct viv_kit_read *in)
{
    skip_blank(in);
    return !in->failed && in->depth == 0 && in->at == in->end;
}

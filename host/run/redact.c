/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of a value lie one after the other, each with its length in two bytes before it; a zero ends them. */
#include "redact.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define FORMS_MAX (16 * VH_REDACT_HOLD)

/* ---- forms ---- */

struct forms {
    char *bytes;
    size_t len;
};

static bool
has(const struct forms *forms, const char *form, size_t len)
{
    for (size_t at = 0; at < forms->len;) {
        uint16_t one;
        memcpy(&one, forms->bytes + at, sizeof one);
        if (one == len && memcmp(forms->bytes + at + sizeof one, form, len) == 0) {
            return true;
        }
        at += sizeof one + one;
    }
    return false;
}

static void
add(struct forms *forms, const char *form, size_t len)
{
    uint16_t one = (uint16_t)len;
    if (len >= VH_SECRET_BYTES_MIN && forms->len + len + 2 * sizeof one <= FORMS_MAX && !has(forms, form, len)) {
        memcpy(forms->bytes + forms->len, &one, sizeof one);
        memcpy(forms->bytes + forms->len + sizeof one, form, len);
        forms->len += sizeof one + len;
    }
}

/* Of base64 that holds the value `before` bytes after a whole group: what no neighbour of it decides. */
static void
add_base64(struct forms *forms, struct viv_str value, size_t before, const char *last_two)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char form[VH_REDACT_HOLD];
    size_t bits = 8 * ((size_t)value.len + before), first = (before * 8 + 5) / 6, len = 0;
    for (size_t digit = first; 6 * digit + 6 <= bits; digit++) {
        unsigned number = 0;
        for (size_t bit = 6 * digit; bit < 6 * digit + 6; bit++) {
            unsigned char byte = (unsigned char)value.data[bit / 8 - before];
            number = number << 1 | (byte >> (7 - bit % 8) & 1u);
        }
        form[len++] = number < 62 ? digits[number] : last_two[number - 62];
    }
    add(forms, form, len);
}

static void
add_percent(struct forms *forms, struct viv_str value, const char *hex, const char *plain)
{
    char form[VH_REDACT_HOLD];
    size_t len = 0;
    for (uint64_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (strchr(plain, c)) {
            form[len++] = (char)c;
        } else {
            form[len++] = '%';
            form[len++] = hex[c >> 4];
            form[len++] = hex[c & 15];
        }
    }
    add(forms, form, len);
}

static void
add_json(struct forms *forms, struct viv_str value, const char *escaped)
{
    char form[VH_REDACT_HOLD];
    size_t len = 0;
    for (uint64_t i = 0; i < value.len; i++) {
        if (strchr(escaped, value.data[i])) {
            form[len++] = '\\';
        }
        form[len++] = value.data[i];
    }
    add(forms, form, len);
}

char *
vh_redact_forms(struct viv_str value)
{
    static const char *const hex[] = { "0123456789ABCDEF", "0123456789abcdef" };
    static const char *const plain[] = { ALNUM "-_.~", ALNUM "-_.~!*'()", ALNUM "-_.~/:@!$&'()*+,;=?" };
    char bytes[FORMS_MAX];
    struct forms forms = { bytes, 0 };
    add(&forms, value.data, (size_t)value.len);
    add_json(&forms, value, "\"\\");
    add_json(&forms, value, "\"\\/");
    for (size_t i = 0; i < 2; i++) {
        for (size_t p = 0; p < sizeof plain / sizeof *plain; p++) {
            add_percent(&forms, value, hex[i], plain[p]);
        }
    }
    for (size_t before = 0; before < 3; before++) {
        add_base64(&forms, value, before, "+/");
        add_base64(&forms, value, before, "-_");
    }
    memset(bytes + forms.len, 0, sizeof(uint16_t));
    char *kept = vh_secret_keep((struct viv_str){ bytes, forms.len + sizeof(uint16_t) });
    explicit_bzero(bytes, sizeof bytes);
    return kept;
}

/* ---- texts ---- */

/* What looks like a key: the beginning, how many bytes of a key at least follow it, of which kind, and whether the
 * beginning is only a word before it. */
static const struct shape {
    const char *begin;
    size_t least;
    const char *bytes;
    bool word;
} shapes[] = {
    { "sk-", 16, ALNUM "-_", false },
    { "gsk_", 16, ALNUM "-_", false },
    { "ghp_", 20, ALNUM "_", false },
    { "github_pat_", 20, ALNUM "_", false },
    { "glpat-", 16, ALNUM "-_", false },
    { "xoxb-", 16, ALNUM "-", false },
    { "AKIA", 16, ALNUM, false },
    { "AIza", 30, ALNUM "-_", false },
    { "eyJ", 40, ALNUM "-_.", false },
    { "Bearer ", 8, ALNUM "-_.~+/=", true },
    { "bearer ", 8, ALNUM "-_.~+/=", true },
    { "Basic ", 12, ALNUM "+/=", true },
};
#define SHAPES (sizeof shapes / sizeof *shapes)

static bool
is_in(const char *set, char c)
{
    return c && strchr(set, c);
}

/* Which shape begins here, from 1; 0: none. Not in the middle of a word. */
static uint8_t
shape_at(struct viv_str text, char last)
{
    for (size_t i = 0; i < SHAPES && !is_in(ALNUM "_", last); i++) {
        size_t begin = strlen(shapes[i].begin), len = begin;
        if (text.len < begin + shapes[i].least || memcmp(text.data, shapes[i].begin, begin) != 0) {
            continue;
        }
        while (len < begin + shapes[i].least && is_in(shapes[i].bytes, text.data[len])) {
            len++;
        }
        if (len == begin + shapes[i].least) {
            return (uint8_t)(i + 1);
        }
    }
    return 0;
}

/* Under the lock: how long the value is that begins here, 0: none does; and whose it is. */
static size_t
value_at(const struct vh_secrets *secrets, struct viv_str text, const char **ret_name)
{
    size_t found = 0;
    for (size_t i = 0; secrets && i < secrets->count; i++) {
        uint16_t len;
        for (const char *at = secrets->secret[i].forms; memcpy(&len, at, sizeof len), len; at += sizeof len + len) {
            const char *form = at + sizeof len;
            if (len > found && len <= text.len && form[0] == text.data[0] && memcmp(form, text.data, len) == 0) {
                found = len;
                *ret_name = secrets->secret[i].name;
            }
        }
    }
    return found;
}

/* One step at held[at]; gives where the next one is. */
static size_t
step(struct vh_redact *redact, size_t at, struct vh_buf *out)
{
    const char *name = NULL;
    struct viv_str rest = { redact->held + at, redact->len - at };
    size_t len = value_at(redact->secrets, rest, &name);
    if (len) {
        vh_buf_format(out, "[secret %s]", name);
        redact->shape = 0;
    } else if (redact->shape && is_in(shapes[redact->shape - 1].bytes, rest.data[0])) {
        len = 1;
    } else {
        redact->shape = shape_at(rest, redact->last);
        const struct shape *shape = redact->shape ? &shapes[redact->shape - 1] : NULL;
        len = shape ? strlen(shape->begin) : 1;
        if (!shape || shape->word) {
            vh_buf_add(out, rest.data, len);
        }
        if (shape) {
            vh_buf_text(out, "[secret]");
        }
    }
    redact->last = rest.data[len - 1];
    return at + len;
}

/* As far as no form that begins may go on behind what is held. */
static void
scan(struct vh_redact *redact, bool last, struct vh_buf *out)
{
    size_t at = 0, end = last ? redact->len : redact->len > VH_REDACT_HOLD ? redact->len - VH_REDACT_HOLD : 0;
    if (redact->secrets) {
        pthread_rwlock_rdlock(&redact->secrets->lock);
    }
    while (at < end) {
        at = step(redact, at, out);
    }
    if (redact->secrets) {
        pthread_rwlock_unlock(&redact->secrets->lock);
    }
    redact->len -= at;
    memmove(redact->held, redact->held + at, redact->len);
}

void
vh_redact_begin(struct vh_redact *redact, struct vh_secrets *secrets)
{
    redact->secrets = secrets;
    redact->len = 0;
    redact->last = ' ';
    redact->shape = 0;
}

void
vh_redact_put(struct vh_redact *redact, struct viv_str piece, struct vh_buf *out)
{
    while (piece.len) {
        size_t room = sizeof redact->held - redact->len, len = piece.len < room ? (size_t)piece.len : room;
        memcpy(redact->held + redact->len, piece.data, len);
        redact->len += len;
        piece = (struct viv_str){ piece.data + len, piece.len - len };
        scan(redact, false, out);
    }
}

void
vh_redact_end(struct vh_redact *redact, struct vh_buf *out)
{
    scan(redact, true, out);
    explicit_bzero(redact->held, sizeof redact->held);
}

struct viv_str
vh_redact_text(struct vh_secrets *secrets, struct vh_arena *arena, struct viv_str text)
{
    struct vh_redact redact;
    struct vh_buf out;
    vh_buf_init(&out, arena, SIZE_MAX);
    vh_redact_begin(&redact, secrets);
    vh_redact_put(&redact, text, &out);
    vh_redact_end(&redact, &out);
    return out.failed ? VH_STR("[not shown: no memory]") : vh_buf_view(&out);
}

bool
vh_redact_header(struct viv_str name)
{
    static const char *const names[] = { "authorization",        "proxy-authorization", "x-api-key", "api-key",
                                         "x-auth-token",         "x-goog-api-key",      "cookie",    "set-cookie",
                                         "x-amz-security-token", "x-csrf-token" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (name.len == strlen(names[i]) && strncasecmp(name.data, names[i], (size_t)name.len) == 0) {
            return true;
        }
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "redact.h"

#include <stdio.h>

#include "base/error.h"
#include "base/str.h"

#define HIDDEN "redacted"
#define PATH_MAX_BYTES 128

struct hiding {
    struct vh_redactor *redactor;
    const struct vh_redact_row *row; /* NULL: a kind without one */
    const struct vh_hash *hash;
    struct viv_str kind;
    uint64_t number; /* of the next text of the event */
    bool failed;
};

/* Whether `words` has just this path; or one below it, `inside` '.' as of an object and '[' as of a list. */
static bool
names(const char *words, const char *path, char inside)
{
    size_t len = strlen(path);
    for (const char *at = words; *at;) {
        size_t word = strcspn(at, " ");
        bool begins = word >= len && memcmp(at, path, len) == 0;
        if (begins && (inside ? word > len && at[len] == inside : word == len)) {
            return true;
        }
        at += word;
        at += strspn(at, " ");
    }
    return false;
}

static void
salted(const struct vh_hash *hash, uint64_t number, struct viv_str text, char ret_text[sizeof HIDDEN + VH_HASH_HEX])
{
    static const char tag[] = "viv-text-1"; /* hashed with its NUL */
    struct vh_hasher hasher;
    struct vh_hash digest;
    uint8_t count[8];
    char hex[VH_HASH_HEX] = "";
    for (size_t i = 0; i < sizeof count; i++) {
        count[i] = (uint8_t)(number >> (8 * i));
    }
    vh_hasher_init(&hasher);
    vh_hasher_add(&hasher, tag, sizeof tag);
    vh_hasher_add(&hasher, hash->bytes, VH_HASH_BYTES);
    vh_hasher_add(&hasher, count, sizeof count);
    vh_hasher_add(&hasher, text.data, (size_t)text.len);
    if (vh_hasher_finish(&hasher, &digest)) {
        vh_hash_hex(&digest, hex);
    }
    snprintf(ret_text, sizeof HIDDEN + VH_HASH_HEX, HIDDEN ":%s", hex);
}

/* In place: the value becomes a text that says nothing but whether it is another. */
static void
hide(struct hiding *h, struct vh_json *value)
{
    char text[sizeof HIDDEN + VH_HASH_HEX] = HIDDEN;
    struct vh_arena *arena = h->redactor->reader.arena;
    struct viv_str whole = vh_json_print(arena, value);
    if (h->redactor->has_secret && whole.data) {
        salted(h->hash, h->number, whole, text);
    }
    h->number++;
    const char *copy = whole.data ? vh_arena_text(arena, text) : NULL;
    h->failed = h->failed || !copy;
    value->type = VH_JSON_STRING;
    value->text = vh_str(copy ? copy : HIDDEN);
    value->child = value->last = NULL;
    value->count = 0;
}

static bool
is_listed(struct hiding *h, const char *path, char inside, bool stays)
{
    return h->row && names(stays ? h->row->stays : h->row->text, path, inside);
}

static void
note_unlisted(struct hiding *h, const char *path)
{
    char *place = h->redactor->unlisted;
    if (!place[0]) {
        snprintf(place, sizeof h->redactor->unlisted, "%.*s %s", VH_STR_ARGS(h->kind), path);
    }
}

static void look(struct hiding *h, struct vh_json *value, const char *path, bool top);

/* A member's name is shown where the rows know the object; what they call by '*' has any name. */
static void
look_at_members(struct hiding *h, struct vh_json *object, const char *path, bool top)
{
    for (struct vh_json *m = object->child; m; m = m->next) {
        char below[PATH_MAX_BYTES], any[PATH_MAX_BYTES];
        int len = snprintf(below, sizeof below, "%s%s%.*s", path, top ? "" : ".", VH_STR_ARGS(m->key));
        snprintf(any, sizeof any, "%s.*", path);
        bool free = !top && (is_listed(h, any, '[', true) || is_listed(h, any, 0, true));
        if (len < 0 || len >= (int)sizeof below) {
            hide(h, m);
        } else {
            look(h, m, free ? any : below, false);
        }
    }
}

static void
look(struct hiding *h, struct vh_json *value, const char *path, bool top)
{
    char inside = value->type == VH_JSON_ARRAY ? '[' : '.';
    bool text = !top && is_listed(h, path, 0, false);
    bool known = top || is_listed(h, path, inside, true) || is_listed(h, path, inside, false);
    if (value->type == VH_JSON_INTEGER || (value->type == VH_JSON_STRING && value->text.len == 0) ||
        (value->type != VH_JSON_STRING && value->count == 0 && !top)) {
        return; /* a number, or nothing */
    }
    if (value->type == VH_JSON_STRING && !text && is_listed(h, path, 0, true)) {
        return;
    }
    if (value->type == VH_JSON_OBJECT && known) {
        look_at_members(h, value, path, top);
        return;
    }
    if (value->type == VH_JSON_ARRAY && known) {
        char each[PATH_MAX_BYTES];
        snprintf(each, sizeof each, "%s[]", path);
        for (struct vh_json *item = value->child; item; item = item->next) {
            look(h, item, each, false);
        }
        return;
    }
    if (!text) {
        note_unlisted(h, path);
    }
    hide(h, value);
}

static const struct vh_redact_row *
row_of(struct viv_str kind)
{
    const struct vh_redact_row *row = vh_redact_rows;
    while (row->kind && !vh_str_is(kind, row->kind)) {
        row++;
    }
    return row->kind ? row : NULL;
}

static bool
hide_name(struct vh_redactor *r, struct vh_event *event)
{
    char text[sizeof HIDDEN + VH_HASH_HEX] = HIDDEN;
    struct vh_json name = { .type = VH_JSON_STRING, .text = event->actor.name };
    struct viv_str whole = vh_json_print(r->reader.arena, &name);
    if (r->has_secret && whole.data) {
        salted(&r->secret, UINT64_MAX, whole, text);
    }
    const char *copy = whole.data ? vh_arena_text(r->reader.arena, text) : NULL;
    event->actor.name = vh_str(copy ? copy : HIDDEN);
    return copy != NULL;
}

viv_status
vh_redact_line(struct vh_redactor *redactor, struct viv_str line, const struct vh_hash *hash, struct vh_buf *buf,
               struct viv_error *err)
{
    struct vh_event event;
    struct vh_hash leaf;
    char hex[VH_HASH_HEX];
    viv_status status = vh_event_read(&redactor->reader, line, true, &event, err);
    if (status) {
        return status;
    }
    struct hiding h = { .redactor = redactor, .row = row_of(event.kind), .hash = hash, .kind = event.kind };
    if (!redactor->has_secret && vh_str_is(event.kind, "home.created") && vh_json_str(event.data, "seed").len) {
        redactor->secret = *hash;
        redactor->has_secret = true;
    }
    h.failed = vh_str_is(event.actor.role, "person") && !hide_name(redactor, &event);
    struct vh_json key = { .type = VH_JSON_STRING, .text = event.key };
    look(&h, event.data, "", true);
    if (event.key.len) {
        hide(&h, &key);
        event.key = key.text;
    }
    struct viv_str text = h.failed ? (struct viv_str){ NULL, 0 } : vh_event_encode(redactor->reader.arena, &event);
    if (!text.data || !vh_merkle_leaf(hash, &leaf)) {
        return vh_error_set(err, VIV_E_MEMORY, "redact", "no memory at event %lld", (long long)event.seq);
    }
    vh_hash_hex(&leaf, hex);
    vh_buf_text(buf, "{\"event\":");
    vh_buf_str(buf, text);
    vh_buf_text(buf, ",\"leaf\":\"");
    vh_buf_text(buf, hex);
    vh_buf_text(buf, "\"}\n");
    return buf->failed ? vh_error_set(err, VIV_E_MEMORY, "redact", "no memory at event %lld", (long long)event.seq)
                       : VIV_OK;
}

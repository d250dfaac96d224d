/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"

#include <stdio.h>

#include "base/error.h"
#include "base/str.h"

#define SIGNED_HEAD "vivarium checkpoint 1 "
#define KEY_HEX (2 * VH_CHECKPOINT_KEY_BYTES)
#define SIGNATURE_HEX (2 * VH_CHECKPOINT_SIGNATURE_BYTES)

/* ---- as text ---- */

static void
set_hex(struct vh_arena *arena, struct vh_json *object, const char *key, const uint8_t *bytes, size_t len)
{
    char *hex = vh_arena_alloc(arena, 2 * len + 1);
    for (size_t i = 0; hex && i < len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    }
    vh_json_set_text(arena, object, key, hex);
}

static struct vh_json *
statement(struct vh_arena *arena, const struct vh_checkpoint *c)
{
    struct vh_json *object = vh_json_object(arena);
    vh_json_set_int(arena, object, "events", c->events);
    vh_json_set_text(arena, object, "home", c->home);
    set_hex(arena, object, "key", c->key, sizeof c->key);
    set_hex(arena, object, "leaf", c->leaf.bytes, VH_HASH_BYTES);
    if (c->redacts) {
        set_hex(arena, object, "redacted", c->redacted.bytes, VH_HASH_BYTES);
    }
    set_hex(arena, object, "root", c->root.bytes, VH_HASH_BYTES);
    vh_json_set_int(arena, object, "time_us", c->time_us);
    vh_json_set_int(arena, object, "v", VH_CHECKPOINT_VERSION);
    return object;
}

struct viv_str
vh_checkpoint_signed(struct vh_arena *arena, const struct vh_checkpoint *checkpoint)
{
    struct vh_buf buf;
    vh_buf_init(&buf, arena, VH_CHECKPOINT_BYTES_MAX);
    vh_buf_text(&buf, SIGNED_HEAD);
    vh_json_write(statement(arena, checkpoint), &buf);
    return buf.failed ? (struct viv_str){ NULL, 0 } : vh_buf_view(&buf);
}

struct viv_str
vh_checkpoint_print(struct vh_arena *arena, const struct vh_checkpoint *c)
{
    struct vh_buf buf;
    char hex[VH_HASH_HEX];
    struct vh_json *object = vh_json_object(arena), *peaks = c->tree.count ? vh_json_array(arena) : NULL;
    for (int level = VH_MERKLE_LEVELS - 1; peaks && level >= 0; level--) {
        if (c->tree.count >> level & 1) {
            vh_hash_hex(&c->tree.level[level], hex);
            char *text = vh_arena_text(arena, hex);
            vh_json_push(peaks, text ? vh_json_string(arena, vh_str(text)) : NULL);
        }
    }
    vh_json_set(object, "checkpoint", statement(arena, c));
    if (peaks) {
        vh_json_set(object, "peaks", peaks);
    }
    set_hex(arena, object, "signature", c->signature, sizeof c->signature);
    vh_buf_init(&buf, arena, VH_CHECKPOINT_BYTES_MAX);
    vh_json_write(object, &buf);
    vh_buf_char(&buf, '\n');
    return buf.failed ? (struct viv_str){ NULL, 0 } : vh_buf_view(&buf);
}

static bool
from_hex(struct viv_str hex, uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    bool good = hex.len == 2 * len;
    for (size_t i = 0; i < 2 * len && good; i++) {
        const char *digit = memchr(digits, hex.data[i], sizeof digits - 1);
        good = digit != NULL;
        bytes[i / 2] = (uint8_t)(i % 2 ? bytes[i / 2] | (good ? digit - digits : 0) : (good ? digit - digits : 0) << 4);
    }
    return good;
}

/* False: they do not lead to the root. */
static bool
read_peaks(const struct vh_json *peaks, struct vh_checkpoint *c)
{
    const struct vh_json *peak = peaks->child;
    struct vh_hash root;
    bool good = peaks->type == VH_JSON_ARRAY;
    for (int level = VH_MERKLE_LEVELS - 1; good && level >= 0; level--) {
        if (c->events >> level & 1) {
            good = peak && peak->type == VH_JSON_STRING && vh_hash_parse(peak->text, &c->tree.level[level]);
            peak = good ? peak->next : NULL;
        }
    }
    c->tree.count = (uint64_t)c->events;
    return good && !peak && vh_merkle_root(&c->tree, &root) && memcmp(&root, &c->root, sizeof root) == 0;
}

/* What else stands there would not be signed: the statement is printed again from what is known, and must be it. */
static const char *
read_statement(struct vh_arena *arena, const struct vh_json *said, struct vh_checkpoint *c)
{
    struct viv_str home = vh_json_str(said, "home"), text = said ? vh_json_print(arena, said) : home;
    if (vh_json_int(said, "v", 0) > VH_CHECKPOINT_VERSION) {
        return "of a later version than this program reads";
    }
    c->events = vh_json_int(said, "events", 0);
    c->time_us = vh_json_int(said, "time_us", 0);
    c->redacts = vh_json_get(said, "redacted") != NULL;
    bool good = c->events > 0 && c->time_us > 0 && home.len > 0 && home.len <= VH_CHECKPOINT_HOME_MAX &&
                strspn(home.data, "0123456789abcdef") >= home.len &&
                from_hex(vh_json_str(said, "key"), c->key, sizeof c->key) &&
                vh_hash_parse(vh_json_str(said, "leaf"), &c->leaf) &&
                vh_hash_parse(vh_json_str(said, "root"), &c->root) &&
                (!c->redacts || vh_hash_parse(vh_json_str(said, "redacted"), &c->redacted));
    if (good) {
        memcpy(c->home, home.data, (size_t)home.len);
        good = vh_str_equal(text, vh_json_print(arena, statement(arena, c)));
    }
    return good ? NULL : "without the members that a checkpoint has, or with others";
}

viv_status
vh_checkpoint_read(struct vh_arena *arena, struct viv_str text, struct vh_checkpoint *ret_checkpoint,
                   struct viv_error *err)
{
    struct vh_checkpoint c = { .events = 0 };
    struct vh_json *line = NULL;
    if (text.len == 0 || memchr(text.data, '\n', (size_t)text.len) != text.data + text.len - 1) {
        return vh_error_set(err, VIV_E_CORRUPT, "checkpoint", "it is no one whole line of JSON: cut short, or not a "
                            "checkpoint");
    }
    viv_status status = vh_json_read(arena, (struct viv_str){ text.data, text.len - 1 }, &line, err);
    if (status) {
        return vh_error_extend(err, status, "it is no canonical JSON: cut short, altered, or not a checkpoint");
    }
    const struct vh_json *said = vh_json_get(line, "checkpoint"), *peaks = vh_json_get(line, "peaks");
    bool shape = said && said->type == VH_JSON_OBJECT && line->count == (peaks ? 3 : 2);
    const char *problem = !shape ? "not a checkpoint" : read_statement(arena, said, &c);
    if (!problem && !from_hex(vh_json_str(line, "signature"), c.signature, sizeof c.signature)) {
        problem = "without a signature of 128 digits 0-9a-f";
    } else if (!problem && peaks && !read_peaks(peaks, &c)) {
        problem = "altered: its peaks do not lead to its root";
    }
    *ret_checkpoint = c;
    return problem ? vh_error_set(err, VIV_E_CORRUPT, "checkpoint", "it is %s", problem) : VIV_OK;
}

/* ---- from a log ---- */

struct making {
    struct vh_checkpoint *made;
    const struct vh_checkpoint *from;
    int64_t end; /* what was committed when the store was opened, and whose time is known */
    bool differs, failed;
};

static bool
add_event(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct making *m = data;
    const struct vh_checkpoint *from = m->from;
    (void)line;
    m->failed = !vh_merkle_leaf(hash, &m->made->leaf);
    if (from && seq == from->events) { /* where it goes on from, looked at once more */
        m->differs = memcmp(&m->made->leaf, &from->leaf, sizeof from->leaf) != 0;
    } else {
        m->failed = m->failed || !vh_merkle_add_leaf(&m->made->tree, &m->made->leaf);
    }
    m->made->events = seq;
    return !m->differs && !m->failed && seq < m->end;
}

/* The home's own id, which its first events say. */
static viv_status
read_home(struct vh_store *store, struct vh_checkpoint *made, struct viv_error *err)
{
    struct viv_str id = { NULL, 0 };
    struct vh_state_ops state = vh_store_state(store);
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = arena ? state.get_fact(state.data, arena, "home", &id, err)
                              : vh_error_set(err, VIV_E_MEMORY, "checkpoint", "no memory for a checkpoint");
    if (status == VIV_OK && (id.len == 0 || id.len > VH_CHECKPOINT_HOME_MAX)) {
        status = vh_error_set(err, VIV_E_STATE, "checkpoint", "the log does not say which home it is of");
    }
    if (status == VIV_OK) {
        memcpy(made->home, id.data, (size_t)id.len);
    }
    vh_arena_destroy(arena);
    return status;
}

viv_status
vh_checkpoint_make(struct vh_store *store, const struct vh_checkpoint *from, struct vh_checkpoint *ret_checkpoint,
                   struct viv_error *err)
{
    struct vh_checkpoint made = { .time_us = vh_store_time_us(store) };
    from = from && from->tree.count ? from : NULL;
    struct making m = { .made = &made, .from = from, .end = vh_store_seq(store) };
    if (from) {
        made.tree = from->tree;
    }
    viv_status status = read_home(store, &made, err);
    int64_t before = from ? from->events - 1 : 0;
    status = status ? status : vh_reader_events(store, before, (struct viv_str){ NULL, 0 }, add_event, &m, err);
    if (status) {
        return status;
    }
    bool extends = !from || (!m.differs && made.events >= from->events);
    if (m.failed || (extends && !vh_merkle_root(&made.tree, &made.root))) {
        return vh_error_set(err, VIV_E_INTERNAL, "checkpoint", "SHA-256 failed");
    }
    if (!extends) {
        return vh_error_set(err, VIV_E_CONFLICT, "checkpoint",
                            m.differs ? "event %lld is not the one that was signed for before: the log was altered"
                                      : "events up to %lld were signed for before, and the log ends sooner",
                            (long long)from->events);
    }
    *ret_checkpoint = made;
    return VIV_OK;
}

/* ---- a log against one ---- */

bool
vh_against_add(struct vh_against *a, const struct vh_hash *leaf)
{
    const struct vh_checkpoint *c = a->checkpoint;
    a->failed = a->failed || !vh_merkle_add_leaf(&a->tree, leaf);
    int64_t seq = (int64_t)a->tree.count, start = 0;
    if (seq > c->events || a->failed) {
        return !a->failed;
    }
    for (int level = VH_MERKLE_LEVELS - 1; c->tree.count && level >= 0 && start < seq; level--) {
        int64_t size = c->events >> level & 1 ? INT64_C(1) << level : 0;
        bool ends = size && start + size == seq && a->first == 0;
        if (ends && memcmp(&a->tree.level[level], &c->tree.level[level], sizeof *leaf) != 0) {
            a->first = start + 1;
            a->last = seq;
        }
        start += size;
    }
    if (seq == c->events) {
        struct vh_hash root;
        a->leaf_differs = memcmp(leaf, &c->leaf, sizeof *leaf) != 0;
        a->failed = !vh_merkle_root(&a->tree, &root);
        a->root_differs = memcmp(&root, &c->root, sizeof root) != 0;
        a->first = a->root_differs && a->first == 0 ? 1 : a->first;
        a->last = a->root_differs && a->last == 0 ? seq : a->last;
    }
    return !a->failed;
}

enum vh_against_verdict
vh_against_end(const struct vh_against *against)
{
    if (against->first || against->leaf_differs || against->failed) {
        return VH_AGAINST_ANOTHER;
    }
    return (int64_t)against->tree.count < against->checkpoint->events ? VH_AGAINST_SHORTER : VH_AGAINST_HOLDS;
}

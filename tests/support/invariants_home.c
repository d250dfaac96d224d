/* SPDX-License-Identifier: Apache-2.0 */
/* What only a home shows: its answers, its rows, its keys, its exported file. */
#include "cm.h"

#include "invariants_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "keep/reader.h"

#define ROOM ((size_t)1 << 30)

static struct viv_str
dump_of(struct vh_arena *arena, struct vh_store *store)
{
    struct vh_buf buf;
    vh_buf_init(&buf, arena, ROOM);
    assert_int_equal(vh_reader_dump(store, &buf, NULL), VIV_OK);
    return vh_buf_view(&buf);
}

/* Where the table `keys` begins, which stands last. */
static size_t
keys_at(struct viv_str dump)
{
    for (size_t i = 0; i < dump.len; i++) {
        if ((i == 0 || dump.data[i - 1] == '\n') && strncmp(dump.data + i, "keys\t", 5) == 0) {
            return i;
        }
    }
    return (size_t)dump.len;
}

static struct viv_str
line_at(struct viv_str text, size_t at)
{
    const char *end = at < text.len ? memchr(text.data + at, '\n', (size_t)text.len - at) : NULL;
    return end ? (struct viv_str){text.data + at, (uint64_t)(end - text.data) - at}
               : VH_STR("nothing more");
}

const char *
invariants_rows(struct invariants *all, struct vh_store *store)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str stored = dump_of(arena, store);
    struct vh_buf folded;
    vh_buf_init(&folded, arena, ROOM);
    vh_memory_dump(all->memory, &folded);
    assert_false(folded.failed);
    stored.len = keys_at(stored);
    struct viv_str wanted = vh_buf_view(&folded);
    if (!vh_str_equal(stored, wanted)) {
        size_t at = 0, start = 0;
        while (at < stored.len && at < wanted.len && stored.data[at] == wanted.data[at]) {
            start = stored.data[at++] == '\n' ? at : start;
        }
        struct viv_str found = line_at(stored, start), right = line_at(wanted, start);
        (void)invariants_broken(all, "I16",
                                "the store has '%.*s', the log folded over arrays gives '%.*s'",
                                VH_STR_ARGS(found), VH_STR_ARGS(right));
    }
    vh_arena_destroy(arena);
    return all->text;
}

/* ---- I10 ---- */

const char *
invariants_effects(struct invariants *all)
{
    struct vh_buf dump;
    int64_t rows = 0;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    vh_buf_init(&dump, arena, ROOM);
    vh_memory_dump(all->memory, &dump);
    assert_false(dump.failed);
    for (size_t i = 0; i < dump.len; i++) {
        rows += (i == 0 || dump.data[i - 1] == '\n') && strncmp(dump.data + i, "effects\t", 8) == 0;
    }
    if (!*all->text && rows != all->announced) {
        (void)invariants_broken(all, "I10", "%lld effects were announced, %lld have a row",
                                (long long)all->announced, (long long)rows);
    }
    vh_arena_destroy(arena);
    return all->text;
}

/* ---- I1 ---- */

const char *
invariants_answered(struct invariants *all, struct vh_store *store,
                    const struct invariants_answer *answer)
{
    struct viv_str line = {NULL, 0};
    struct vh_event event;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    bool there = vh_store_line(store, arena, answer->seq, &line, NULL) == VIV_OK &&
                 vh_event_decode(arena, line, &event, NULL) == VIV_OK;
    if (!there || !vh_str_is(event.kind, answer->kind) || !vh_str_equal(event.task, answer->task)) {
        (void)invariants_broken(
            all, "I1",
            "event %lld was answered as '%s' of task '%.*s', the log has '%.*s' of '%.*s'",
            (long long)answer->seq, answer->kind, VH_STR_ARGS(answer->task),
            VH_STR_ARGS(there ? event.kind : VH_STR("nothing")),
            VH_STR_ARGS(there ? event.task : VH_STR("")));
    }
    vh_arena_destroy(arena);
    return all->text;
}

/* ---- I15 ---- */

static const struct witness_key *
key_of(const struct invariants *all, struct viv_str name)
{
    for (size_t i = 0; i < WITNESS_BUCKETS; i++) {
        for (const struct witness_key *key = all->keys[i]; key; key = key->next) {
            if (vh_str_equal(key->key, name)) {
                return key;
            }
        }
    }
    return NULL;
}

static size_t
count_keys(const struct invariants *all)
{
    size_t count = 0;
    for (size_t i = 0; i < WITNESS_BUCKETS; i++) {
        for (const struct witness_key *key = all->keys[i]; key; key = key->next) {
            count++;
        }
    }
    return count;
}

const char *
invariants_keys(struct invariants *all, struct vh_store *store)
{
    size_t rows = 0;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct viv_str dump = dump_of(arena, store);
    const char *end = dump.data + dump.len;
    for (const char *at = dump.data + keys_at(dump); at < end && !*all->text; rows++) {
        const char *name = at + 5, *tab = memchr(name, '\t', (size_t)(end - name));
        struct viv_str key = {name, (uint64_t)(tab - name)};
        int64_t seq = strtoll(tab + 1, NULL, 10);
        const struct witness_key *known = key_of(all, key);
        if (!known || known->seq != seq) {
            (void)invariants_broken(
                all, "I15", "key '%.*s' leads to event %lld, its answer is event %lld",
                VH_STR_ARGS(key), (long long)seq, (long long)(known ? known->seq : 0));
        }
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
    }
    if (!*all->text && rows != count_keys(all)) {
        (void)invariants_broken(all, "I15", "%zu keys are kept, %zu were answered", rows,
                                count_keys(all));
    }
    vh_arena_destroy(arena);
    return all->text;
}

/* ---- I13 ---- */

struct exported {
    struct invariants *all;
    struct viv_str left; /* of the file */
};

static bool
take_exported(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct exported *exported = data;
    char hex[VH_HASH_HEX], head[] = "{\"event\":", tail[VH_HASH_HEX + 16];
    vh_hash_hex(hash, hex);
    snprintf(tail, sizeof tail, ",\"hash\":\"%s\"}\n", hex);
    const struct viv_str parts[] = {vh_str(head), line, vh_str(tail)};
    for (size_t i = 0; i < 3; i++) {
        if (exported->left.len == 0 && i == 0) {
            return false; /* not exported yet */
        }
        if (exported->left.len < parts[i].len ||
            memcmp(exported->left.data, parts[i].data, (size_t)parts[i].len) != 0) {
            (void)invariants_broken(exported->all, "I13",
                                    "the exported file differs from the log at event %lld",
                                    (long long)seq);
            return false;
        }
        exported->left.data += parts[i].len;
        exported->left.len -= parts[i].len;
    }
    return true;
}

const char *
invariants_export(struct invariants *all, struct vh_store *store, struct viv_str file)
{
    struct exported exported = {all, file};
    struct viv_str none = {NULL, 0};
    assert_int_equal(vh_reader_events(store, 0, none, take_exported, &exported, NULL), VIV_OK);
    if (!*all->text && exported.left.len) {
        (void)invariants_broken(all, "I13", "the exported file has %llu bytes more than the log",
                                (unsigned long long)exported.left.len);
    }
    return all->text;
}

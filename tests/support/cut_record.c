/* SPDX-License-Identifier: Apache-2.0 */
/* What was written down, and what of it a cut leaves. */
#include "cut_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512

void
cut_fail(const char *what, const char *path)
{
    fprintf(stderr, "cut folder: cannot %s '%s': %s\n", what, path, strerror(errno));
    abort();
}

void *
cut_more(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return list;
    }
    *room = *room ? *room * 2 : 32;
    void *more = realloc(list, *room * size);
    if (!more) {
        abort();
    }
    return more;
}

/* ---- bytes ---- */

void
cut_bytes_resize(struct bytes *bytes, size_t len)
{
    char *data = realloc(bytes->data, len + 1);
    if (!data) {
        abort();
    }
    if (len > bytes->len) {
        memset(data + bytes->len, 0, len - bytes->len);
    }
    data[len] = '\0'; /* a link's target is a text */
    *bytes = (struct bytes){data, len};
}

void
cut_bytes_write(struct bytes *bytes, const void *data, size_t len, size_t at)
{
    if (at + len > bytes->len) {
        cut_bytes_resize(bytes, at + len);
    }
    if (len) {
        memcpy(bytes->data + at, data, len);
    }
}

struct bytes
cut_bytes(const void *data, size_t len)
{
    struct bytes bytes = {NULL, 0};
    cut_bytes_resize(&bytes, 0);
    cut_bytes_write(&bytes, data, len, 0);
    return bytes;
}

/* ---- nodes and names ---- */

int
cut_node_add(struct cut_record *record, mode_t mode, ino_t ino)
{
    record->node = cut_more(record->node, record->nodes, &record->node_room, sizeof *record->node);
    record->node[record->nodes] = (struct node){.mode = mode, .ino = ino};
    return (int)record->nodes++;
}

int
cut_node_find(const struct cut_record *record, ino_t ino)
{
    for (size_t i = record->nodes; i-- > 0;) {
        if (record->node[i].ino == ino) {
            return (int)i;
        }
    }
    return NONE;
}

int
cut_names_find(const struct names *names, int dir, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->name[i].dir == dir && strcmp(names->name[i].text, text) == 0) {
            return (int)i;
        }
    }
    return NONE;
}

void
cut_names_set(struct names *names, int dir, const char *text, int node)
{
    int place = cut_names_find(names, dir, text);
    if (node == NONE) {
        if (place >= 0) {
            names->name[place] = names->name[--names->count];
        }
        return;
    }
    if (place < 0) {
        names->name = cut_more(names->name, names->count, &names->room, sizeof *names->name);
        place = (int)names->count++;
        names->name[place].dir = dir;
        snprintf(names->name[place].text, NAME_SIZE, "%s", text);
    }
    names->name[place].node = node;
}

/* ---- operations ---- */

static void
do_swaps(struct names *names, const struct operation *operation)
{
    for (size_t i = 0; i < operation->swaps; i++) {
        const struct name *name = &operation->swap[i].name;
        cut_names_set(names, name->dir, name->text, name->node);
    }
}

static void
do_bytes(struct bytes *bytes, const struct operation *operation)
{
    if (operation->action == ACT_WRITE) {
        cut_bytes_write(bytes, operation->bytes.data, operation->bytes.len, operation->at);
    } else if (operation->action == ACT_TRUNCATE) {
        cut_bytes_resize(bytes, operation->at);
    }
}

void
cut_write_down(struct cut_record *record, const struct operation *operation)
{
    record->operation =
        cut_more(record->operation, record->count, &record->room, sizeof *record->operation);
    struct operation *kept = &record->operation[record->count++];
    *kept = *operation;
    if (kept->action == ACT_WRITE) {
        kept->bytes = cut_bytes(operation->bytes.data, operation->bytes.len);
    }
    do_swaps(&record->now, kept);
    if (kept->action == ACT_WRITE || kept->action == ACT_TRUNCATE) {
        do_bytes(&record->node[kept->node].now, kept);
    }
}

uint64_t
cut_record_operations(const struct cut_record *record)
{
    return record->count;
}

uint64_t
cut_record_between(const struct cut_record *record, uint64_t at)
{
    while (at > 0 && at < record->count && record->operation[at].outside &&
           !record->operation[at].first) {
        at--;
    }
    return at;
}

void
cut_record_free(struct cut_record *record)
{
    for (size_t i = 0; record && i < record->nodes; i++) {
        free(record->node[i].base.data);
        free(record->node[i].now.data);
    }
    for (size_t i = 0; record && i < record->count; i++) {
        free(record->operation[i].bytes.data);
    }
    if (record) {
        free(record->node);
        free(record->base.name);
        free(record->now.name);
        free(record->operation);
    }
    free(record);
}

/* ---- a cut ---- */

enum manner { ALL, NOTHING, IN_ORDER, NAMES_ONLY, EACH };

struct cutting {
    const struct cut_record *record;
    struct cut_left *left;
    const struct operation **open; /* done and not synced, in order */
    size_t count;
    uint64_t random;
};

static uint64_t
draw(struct cutting *c)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return c->random >> 11;
}

static bool
moves(const struct operation *operation, int node)
{
    for (size_t i = 0; i < operation->swaps; i++) {
        if (node != NONE &&
            (operation->swap[i].name.node == node || operation->swap[i].old == node)) {
            return true;
        }
    }
    return false;
}

static bool
is_in(const struct operation *operation, int dir)
{
    for (size_t i = 0; i < operation->swaps; i++) {
        if (operation->swap[i].name.dir == dir) {
            return true;
        }
    }
    return false;
}

/* Whether `later` cannot be there without `earlier`: the same name, the same file, or a folder and
 * what is in it. For a sync (`strict`) a folder's own name is not part of what is in it. */
static bool
needs(const struct operation *later, const struct operation *earlier, bool strict)
{
    if (later->action != ACT_NAMES || earlier->action != ACT_NAMES) {
        return false;
    }
    for (size_t i = 0; i < later->swaps; i++) {
        const struct swap *swap = &later->swap[i];
        for (size_t k = 0; k < earlier->swaps; k++) {
            const struct name *other = &earlier->swap[k].name;
            if (other->dir == swap->name.dir && strcmp(other->text, swap->name.text) == 0) {
                return true;
            }
        }
        if (moves(earlier, swap->name.node) || moves(earlier, swap->old) ||
            is_in(earlier, swap->name.node) || is_in(earlier, swap->old) ||
            (!strict && moves(earlier, swap->name.dir))) {
            return true;
        }
    }
    return false;
}

static void
apply(struct cutting *c, const struct operation *operation)
{
    do_swaps(&c->left->names, operation);
    if (operation->action == ACT_MODE) {
        c->left->mode[operation->node] = operation->mode;
    } else if (operation->action != ACT_NAMES) {
        do_bytes(&c->left->content[operation->node], operation);
    }
}

/* On the disk from now on, with all that it needs. */
static void
settle(struct cutting *c, size_t which)
{
    const struct operation *operation = c->open[which];
    c->open[which] = NULL;
    for (size_t i = 0; i < which; i++) {
        if (c->open[i] && needs(operation, c->open[i], true)) {
            settle(c, i);
        }
    }
    apply(c, operation);
}

static bool
is_synced_by(const struct operation *open, const struct operation *sync)
{
    return sync->action == ACT_SYNC_ALL ||
           (open->action == ACT_NAMES ? is_in(open, sync->node) : open->node == sync->node);
}

/* What the operation makes sure of; what others did to the same things is on the disk by their
 * hand. */
static bool
is_settled_by(const struct operation *open, const struct operation *operation)
{
    if (operation->action == ACT_SYNC || operation->action == ACT_SYNC_ALL) {
        return is_synced_by(open, operation);
    }
    if (!operation->outside) {
        return false;
    }
    bool same = operation->action != ACT_NAMES && open->action != ACT_NAMES &&
                operation->node == open->node;
    return same || needs(operation, open, false);
}

static void
play(struct cutting *c, const struct operation *operation)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->open[i] && is_settled_by(c->open[i], operation)) {
            settle(c, i);
        }
    }
    if (operation->outside) {
        apply(c, operation);
    } else if (operation->action != ACT_SYNC && operation->action != ACT_SYNC_ALL) {
        c->open[c->count++] = operation;
    }
}

/* One write comes through by sectors, or cut off in the middle. */
static void
tear(struct cutting *c, const struct operation *operation)
{
    struct bytes *bytes = &c->left->content[operation->node];
    size_t len = operation->bytes.len;
    if (draw(c) % 3 == 0) {
        cut_bytes_write(bytes, operation->bytes.data, draw(c) % (len + 1), operation->at);
        return;
    }
    for (size_t at = 0; at < len; at += SECTOR) {
        if (draw(c) % 2) {
            cut_bytes_write(bytes, operation->bytes.data + at,
                            len - at < SECTOR ? len - at : SECTOR, operation->at + at);
        }
    }
}

static bool
is_whole(const struct cutting *c, size_t which)
{
    for (size_t i = 0; i < which; i++) {
        if (c->open[i] && needs(c->open[which], c->open[i], false)) {
            return false; /* what it needs was dropped */
        }
    }
    return true;
}

static bool
keeps_name(struct cutting *c, enum manner manner, size_t which, size_t end)
{
    switch (manner) {
    case ALL:
        return true;
    case NOTHING:
        return false;
    case EACH:
        return is_whole(c, which) && draw(c) % 2;
    case IN_ORDER:
    case NAMES_ONLY:
        break;
    }
    return which < end;
}

static void
lose(struct cutting *c)
{
    static const enum manner manners[] = {ALL, NOTHING, IN_ORDER, NAMES_ONLY, EACH, EACH};
    enum manner manner = manners[draw(c) % (sizeof manners / sizeof *manners)];
    size_t end = draw(c) % (c->count + 1);
    for (size_t i = 0; i < c->count; i++) {
        const struct operation *operation = c->open[i];
        if (!operation) {
            continue;
        }
        if (operation->action == ACT_NAMES) {
            if (keeps_name(c, manner, i, end)) {
                c->open[i] = NULL;
                apply(c, operation);
            }
            continue;
        }
        uint64_t fate = manner == ALL                               ? 0
                        : manner == NOTHING || manner == NAMES_ONLY ? 1
                                                                    : draw(c) % 3;
        if (fate == 2 && operation->action == ACT_WRITE) {
            tear(c, operation);
        } else if (fate != 1) {
            apply(c, operation);
        }
    }
}

void
cut_left_make(struct cut_left *left, const struct cut_record *record, uint64_t at, uint64_t seed)
{
    struct cutting c = {
        .record = record, .left = left, .random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
    *left = (struct cut_left){.content = calloc(record->nodes + 1, sizeof *left->content),
                              .mode = calloc(record->nodes + 1, sizeof *left->mode)};
    c.open = calloc(record->count + 1, sizeof *c.open);
    if (!left->content || !left->mode || !c.open) {
        abort();
    }
    for (size_t i = 0; i < record->nodes; i++) {
        left->content[i] = cut_bytes(record->node[i].base.data, record->node[i].base.len);
        left->mode[i] = record->node[i].mode;
    }
    for (size_t i = 0; i < record->base.count; i++) {
        const struct name *name = &record->base.name[i];
        cut_names_set(&left->names, name->dir, name->text, name->node);
    }
    for (size_t i = 0; i < at && i < record->count; i++) {
        play(&c, &record->operation[i]);
    }
    (void)draw(&c);
    lose(&c);
    free(c.open);
}

void
cut_left_free(struct cut_left *left, const struct cut_record *record)
{
    for (size_t i = 0; i < record->nodes; i++) {
        free(left->content[i].data);
    }
    free(left->content);
    free(left->mode);
    free(left->names.name);
}

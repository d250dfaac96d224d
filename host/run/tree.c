/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of trees: reading, searching, comparing; and paths as text. Contents are in tree_content.c. */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "target.h"
#include <viv/limits.h>

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "tree", "no memory for the list of a tree");
}

/* "100644 blob ID\tPATH" */
static bool
parse_line(struct vh_arena *arena, const char *line, size_t len, struct vh_tree_entry *ret_entry)
{
    char *end = NULL;
    unsigned long mode = strtoul(line, &end, 8);
    const char *tab = memchr(line, '\t', len);
    const char *id = end && *end == ' ' ? strchr(end + 1, ' ') : NULL;
    if (!tab || !id || id > tab) {
        return false;
    }
    struct viv_str path = { tab + 1, len - (size_t)(tab + 1 - line) };
    ret_entry->mode = (uint32_t)mode;
    ret_entry->path = (struct viv_str){ vh_arena_text_of(arena, path), path.len };
    return vh_git_parse_id((struct viv_str){ id + 1, (uint64_t)(tab - id - 1) }, &ret_entry->id) && path.len &&
           ret_entry->path.data;
}

viv_status
vh_tree_parse(struct vh_arena *arena, struct viv_str text, struct vh_tree *ret_tree, struct viv_error *err)
{
    size_t lines = 0;
    for (uint64_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\0';
    }
    struct vh_tree tree = { .entry = vh_arena_array(arena, lines + 1, sizeof *tree.entry) };
    if (!tree.entry) {
        return no_memory(err);
    }
    for (uint64_t at = 0; at < text.len;) {
        const char *end = memchr(text.data + at, '\0', (size_t)(text.len - at));
        size_t len = end ? (size_t)(end - (text.data + at)) : 0;
        if (!end || !parse_line(arena, text.data + at, len, &tree.entry[tree.count])) {
            return vh_error_set(err, VIV_E_CORRUPT, "tree", "the list of a tree is torn at byte %llu",
                                (unsigned long long)at);
        }
        if (tree.count && vh_str_compare(tree.entry[tree.count - 1].path, tree.entry[tree.count].path) >= 0) {
            /* git writes and accepts none such; what searches the list relies on it */
            return vh_error_set(err, VIV_E_CORRUPT, "tree",
                                "the list of a tree is not sorted at byte %llu; run git fsck", (unsigned long long)at);
        }
        tree.count++;
        at += len + 1;
    }
    *ret_tree = tree;
    return VIV_OK;
}

viv_status
vh_tree_list(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *tree,
             struct vh_tree *ret_tree, struct viv_error *err)
{
    if (!tree->hex[0]) {
        *ret_tree = (struct vh_tree){ 0 };
        return VIV_OK;
    }
    struct vh_git_result result;
    const char *words[] = { "ls-tree", "-r", "-z", "--full-tree", tree->hex, NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_OBJECTS, .words = words };
    viv_status status = vh_git_run(target, arena, &ask, &result, err);
    return status ? status : vh_tree_parse(arena, result.output, ret_tree, err);
}

/* First index whose path is not before `path` followed by `more`. */
static size_t
first_not_before(const struct vh_tree *tree, struct viv_str path, char more)
{
    size_t low = 0;
    size_t high = tree->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct viv_str at = tree->entry[middle].path;
        uint64_t len = at.len < path.len ? at.len : path.len;
        int order = memcmp(at.data, path.data, (size_t)len);
        if (order == 0 && at.len > path.len) {
            order = more ? (unsigned char)at.data[path.len] - (unsigned char)more : 1;
        } else if (order == 0) {
            order = at.len < path.len || more ? -1 : 0;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct vh_tree_entry *
vh_tree_find(const struct vh_tree *tree, struct viv_str path)
{
    size_t at = first_not_before(tree, path, 0);
    return at < tree->count && vh_str_equal(tree->entry[at].path, path) ? &tree->entry[at] : NULL;
}

size_t
vh_tree_below(const struct vh_tree *tree, struct viv_str path, size_t *ret_end)
{
    size_t first = first_not_before(tree, path, '/');
    *ret_end = first_not_before(tree, path, '/' + 1);
    return first;
}

static bool
same_entry(const struct vh_tree_entry *a, const struct vh_tree_entry *b)
{
    return a->mode == b->mode && vh_git_same(&a->id, &b->id);
}

viv_status
vh_tree_diff(struct vh_arena *arena, const struct vh_tree *old, const struct vh_tree *now,
             struct vh_tree_diff *ret_diff, struct viv_error *err)
{
    size_t room = old->count + now->count + 1;
    struct vh_tree_diff diff = { .change = vh_arena_array(arena, room, sizeof *diff.change) };
    if (!diff.change) {
        return no_memory(err);
    }
    for (size_t a = 0, b = 0; a < old->count || b < now->count;) {
        int order = a == old->count   ? 1
                    : b == now->count ? -1
                                      : vh_str_compare(old->entry[a].path, now->entry[b].path);
        const struct vh_tree_entry *was = order <= 0 ? &old->entry[a++] : NULL;
        const struct vh_tree_entry *is = order >= 0 ? &now->entry[b++] : NULL;
        if (!was || !is || !same_entry(was, is)) {
            diff.change[diff.count++] = (struct vh_tree_change){ was, is };
        }
    }
    *ret_diff = diff;
    return VIV_OK;
}

/* Length of the well-formed printable UTF-8 character at `text`, 0 when there is none. */
static size_t
printable(const char *text, uint64_t left)
{
    unsigned char c = (unsigned char)text[0];
    size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (c < 0x20 || c == 0x7f || c == '%' || len > left) {
        return 0;
    }
    return vh_str_utf8((struct viv_str){ text, len }) ? len : 0;
}

struct viv_str
vh_tree_escape(struct vh_arena *arena, struct viv_str path)
{
    struct vh_buf buf;
    vh_buf_init(&buf, arena, 3 * (size_t)path.len + 1);
    for (uint64_t at = 0; at < path.len;) {
        size_t len = printable(path.data + at, path.len - at);
        if (len) {
            vh_buf_add(&buf, path.data + at, len);
        } else {
            vh_buf_format(&buf, "%%%02X", (unsigned char)path.data[at]);
            len = 1;
        }
        at += len;
    }
    return buf.failed ? (struct viv_str){ NULL, 0 } : vh_buf_view(&buf);
}

static int
hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct viv_str
vh_tree_unescape(struct vh_arena *arena, struct viv_str text)
{
    char *path = vh_arena_alloc(arena, (size_t)text.len + 1);
    uint64_t len = 0;
    for (uint64_t at = 0; path && at < text.len; at++) {
        if (text.data[at] == '%' && at + 2 < text.len && hex_digit(text.data[at + 1]) >= 0 &&
            hex_digit(text.data[at + 2]) >= 0) {
            path[len++] = (char)(hex_digit(text.data[at + 1]) * 16 + hex_digit(text.data[at + 2]));
            at += 2;
        } else {
            path[len++] = text.data[at];
        }
    }
    return (struct viv_str){ path, path ? len : 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns are compared with patterns, before any path is known. So a pattern counts as out of
 * reach only where that can be shown: a folder above it is denied, or all that may be read lies
 * elsewhere. */
#include "judge_two.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <tree.h>

#include "glob.h"

static struct viv_str
text_of(const json_t *item)
{
    return (struct viv_str){json_string_value(item), json_string_length(item)};
}

/* As glob_match() reads it: without "./" and without slashes at its end. */
static struct viv_str
plain(struct viv_str glob)
{
    while (glob.len > 1 && glob.data[glob.len - 1] == '/') {
        glob.len--;
    }
    while (glob.len > 2 && glob.data[0] == '.' && glob.data[1] == '/') {
        glob.data += 2;
        glob.len -= 2;
    }
    return glob;
}

/* The folders before the first '*' or '?'; the whole pattern when it has none. */
static struct viv_str
folder_of(struct viv_str glob)
{
    uint64_t end = 0;
    for (uint64_t i = 0; i < glob.len; i++) {
        if (glob.data[i] == '*' || glob.data[i] == '?') {
            return (struct viv_str){glob.data, end};
        }
        end = glob.data[i] == '/' ? i : end;
    }
    return glob;
}

static int
is_same(struct viv_str a, struct viv_str b)
{
    return a.len == b.len && memcmp(a.data, b.data, (size_t)a.len) == 0;
}

static int
has_slash(struct viv_str glob)
{
    return memchr(glob.data, '/', (size_t)glob.len) != NULL;
}

/* Whether a pattern matches every name in a folder: it must match names of one and of two bytes
 * that no letters of it can stand for. */
static int
matches_all_in(struct viv_str deny, struct viv_str folder)
{
    char path[GLOB_MAX + 4];
    int len = snprintf(path, sizeof path, "%.*s/\1\1", (int)folder.len, folder.data);
    return len > 0 && (size_t)len < sizeof path &&
           glob_match(deny, (struct viv_str){path, (uint64_t)len}) &&
           glob_match(deny, (struct viv_str){path, (uint64_t)len - 1});
}

/* All that `glob` matches is certainly matched by `deny`: whatever matches a folder matches what is
 * below it. A pattern without a slash matches at any depth, so only another such one covers it. */
static int
covers(struct viv_str deny, struct viv_str glob)
{
    struct viv_str folder = folder_of(glob);
    if (is_same(deny, (struct viv_str){"**", 2}) || is_same(deny, glob)) {
        return 1;
    }
    if (folder.len == 0 || (!has_slash(glob) && has_slash(deny))) {
        return 0;
    }
    return glob_match(deny, folder) || (folder.len < glob.len && matches_all_in(deny, folder));
}

/* Two patterns match no path together: both begin with folders, and these part somewhere. */
static int
is_apart(struct viv_str a, struct viv_str b)
{
    struct viv_str one = folder_of(a), other = folder_of(b);
    uint64_t least = one.len < other.len ? one.len : other.len;
    if (!has_slash(a) || !has_slash(b) || least == 0) {
        return 0;
    }
    if (memcmp(one.data, other.data, (size_t)least) != 0) {
        return 1;
    }
    struct viv_str longer = one.len > other.len ? one : other;
    return longer.len > least && longer.data[least] != '/';
}

static int
is_readable(const struct policy_layer *layer, struct viv_str glob)
{
    const json_t *read = json_object_get(json_object_get(layer->json, "paths"), "read");
    const json_t *deny = json_object_get(read, "deny");
    const json_t *allow = json_object_get(read, "allow");
    int reached = !json_is_array(allow);
    for (size_t i = 0; i < json_array_size(deny); i++) {
        struct viv_str other = text_of(json_array_get(deny, i));
        if (other.data && glob_is_valid(other) && covers(plain(other), glob)) {
            return 0;
        }
    }
    for (size_t i = 0; i < json_array_size(allow); i++) {
        struct viv_str other = text_of(json_array_get(allow, i));
        reached |= other.data && !is_apart(plain(other), glob);
    }
    return reached;
}

static int
is_readable_to_all(const struct policy *policy, struct viv_str glob)
{
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        if (!is_readable(&policy->layers[i], glob)) {
            return 0;
        }
    }
    return 1;
}

const char *
two_private(const struct policy *policy)
{
    for (uint32_t i = 0; i < policy->layer_count; i++) {
        const json_t *list =
            json_object_get(json_object_get(policy->layers[i].json, "paths"), "private");
        for (size_t j = 0; j < json_array_size(list); j++) {
            struct viv_str glob = text_of(json_array_get(list, j));
            if (glob.data && is_readable_to_all(policy, plain(glob))) {
                return glob.data;
            }
        }
    }
    return NULL;
}

void
two_report(const struct two *two, struct report *report)
{
    const char *private = two_private(two->policy);
    int input = two->has_hosts || two->has_signals;
    int outside = two->has_hosts || two->shows_models;
    int count = input + (private != NULL) + outside;
    char data[160] = "no private data";
    if (private) {
        (void)snprintf(data, sizeof data, "private data ('%.100s' of paths.private can be read)",
                       private);
    }
    report_add(report, "rule-of-two", count == 3 ? VIV_VERDICT_ASK : VIV_VERDICT_ALLOW,
               count == 3 ? "vivhost task approve TASK, or take one of the three away" : "",
               "%s, %s, %s%s",
               two->has_hosts     ? "untrusted input (it may receive from hosts)"
               : two->has_signals ? "untrusted input (a content check found something in its text)"
                                  : "no untrusted input",
               data,
               two->has_hosts      ? "outside effects (it may send to hosts)"
               : two->shows_models ? "outside effects (models may be shown files)"
                                   : "no outside effects",
               count == 3 ? ": the three together need a person" : "");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "commit.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "target.h"
#include <viv/limits.h>

#define SUBJECT_MAX 72 /* what git's own tools show without cutting */

static const char *
head_line(struct vh_arena *arena, const char *head, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = head; at && *at && *at != '\n';) {
        size_t line = strcspn(at, "\n");
        if (strncmp(at, key, len) == 0) {
            return vh_arena_text_of(arena, (struct viv_str){ at + len, line - len });
        }
        at += line + (at[line] == '\n');
    }
    return NULL;
}

static int64_t
seconds_of(const char *who)
{
    const char *end = strrchr(who, '>');
    return end ? strtoll(end + 1, NULL, 10) : 0;
}

viv_status
vh_commit_read(const struct vh_target *target, struct vh_arena *arena, const struct vh_git_id *id,
               struct vh_commit *ret_commit, struct viv_error *err)
{
    struct vh_git_result result;
    const char *words[] = { "cat-file", "commit", id->hex, NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_OBJECTS, .words = words };
    viv_status status = vh_git_run(target, arena, &ask, &result, err);
    if (status) {
        return status;
    }
    struct vh_commit commit = { 0 };
    const char *tree = head_line(arena, result.output.data, "tree ");
    const char *parent = head_line(arena, result.output.data, "parent ");
    commit.author = head_line(arena, result.output.data, "author ");
    commit.committer = head_line(arena, result.output.data, "committer ");
    const char *body = result.output.len ? strstr(result.output.data, "\n\n") : NULL;
    if (!tree || !commit.author || !commit.committer || !body || !vh_git_parse_id(vh_str(tree), &commit.tree) ||
        (parent && !vh_git_parse_id(vh_str(parent), &commit.parent))) {
        return vh_error_set(err, VIV_E_CORRUPT, "commit", "commit '%s' cannot be read", id->hex);
    }
    commit.time_s = seconds_of(commit.committer);
    commit.message = (struct viv_str){ body + 2, result.output.len - (uint64_t)(body + 2 - result.output.data) };
    *ret_commit = commit;
    return VIV_OK;
}

struct viv_str
vh_commit_trailer(const struct vh_commit *commit, const char *key)
{
    size_t len = strlen(key);
    const char *end = commit->message.data + commit->message.len;
    while (end > commit->message.data && end[-1] == '\n') {
        end--;
    }
    const char *start = end;
    while (start > commit->message.data && !(start[-1] == '\n' && *start == '\n')) {
        start--;
    }
    if (start == commit->message.data) {
        return (struct viv_str){ NULL, 0 }; /* a message of one paragraph has a subject, no trailers */
    }
    for (const char *at = start; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t line = stop ? (size_t)(stop - at) : (size_t)(end - at);
        if (line > len + 2 && strncmp(at, key, len) == 0 && at[len] == ':' && at[len + 1] == ' ') {
            return (struct viv_str){ at + len + 2, line - len - 2 };
        }
        at += line + 1;
    }
    return (struct viv_str){ NULL, 0 };
}

/* First line that says something, without control characters, cut between characters. */
static void
add_subject(struct vh_buf *buf, struct viv_str goal, const char *task)
{
    uint64_t at = 0;
    size_t start = buf->len;
    while (at < goal.len && (unsigned char)goal.data[at] <= ' ') {
        at++;
    }
    for (; at < goal.len && goal.data[at] != '\n' && buf->len < SUBJECT_MAX; at++) {
        unsigned char c = (unsigned char)goal.data[at];
        vh_buf_char(buf, c < 0x20 || c == 0x7f ? ' ' : (char)c);
    }
    while (buf->len > start && !vh_str_utf8((struct viv_str){ buf->data + start, buf->len - start })) {
        buf->len--;
    }
    while (buf->len > start && buf->data[buf->len - 1] == ' ') {
        buf->len--;
    }
    if (buf->len == start) {
        vh_buf_text(buf, "Work of task ");
        vh_buf_text(buf, task);
    }
}

struct viv_str
vh_commit_message(struct vh_arena *arena, const char *prefix, struct viv_str goal, const char *task,
                  const char *effect, const char *log_head, const char *undoes)
{
    struct vh_buf buf;
    vh_buf_init(&buf, arena, 4096);
    vh_buf_text(&buf, prefix);
    add_subject(&buf, goal, task);
    vh_buf_format(&buf, "\n\nViv-Task: %s\nViv-Effect: %s\n", task, effect);
    if (log_head && *log_head) {
        vh_buf_format(&buf, "Viv-Log-Head: %s\n", log_head);
    }
    if (undoes) {
        vh_buf_format(&buf, "Viv-Undoes: %s\n", undoes);
    }
    return buf.failed ? (struct viv_str){ NULL, 0 } : vh_buf_view(&buf);
}

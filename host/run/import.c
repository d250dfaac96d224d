/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the stream of `git fast-import`; see its manual for the words used here. */
#include "import.h"

#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "target.h"
#include <viv/limits.h>

static void
put(struct vh_import *import, struct viv_str text)
{
    if (import->status == VIV_OK) {
        import->status = vh_fs_write_all(import->target->tools->seam, import->fd, text, import->err);
    }
}

static void
put_buf(struct vh_import *import, const struct vh_buf *buf)
{
    if (import->status == VIV_OK && buf->failed) {
        import->status = vh_error_set(import->err, VIV_E_MEMORY, "import", "no memory to write a commit");
    }
    put(import, vh_buf_view(buf));
}

/* A path in C quotes: bytes that are not plain ASCII as octal. */
static void
add_path(struct vh_buf *buf, struct viv_str path)
{
    vh_buf_char(buf, '"');
    for (uint64_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.data[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            vh_buf_format(buf, "\\%03o", c);
        } else {
            vh_buf_char(buf, (char)c);
        }
    }
    vh_buf_char(buf, '"');
}

static void
line_buf(struct vh_import *import, struct vh_buf *buf, struct viv_str path)
{
    vh_buf_init(buf, import->arena, 4 * (size_t)path.len + 256);
}

void
vh_import_begin(struct vh_import *import, const struct vh_target *target, struct vh_arena *arena,
                enum vh_git_mode mode, const struct vh_import_head *head, struct viv_error *err)
{
    struct vh_buf buf;
    *import = (struct vh_import){ .target = target, .arena = arena, .mode = mode, .err = err };
    import->fd = vh_git_scratch(target->tools, err);
    import->status = import->fd < 0 ? VIV_E_IO : VIV_OK;
    vh_git_unlock(target, arena, head->ref);
    const char *who = vh_arena_format(arena, "%s <%s> %lld +0000", target->author_name, target->author_email,
                                      (long long)head->time_s);
    const char *author = head->author ? head->author : who ? who : "";
    const char *committer = head->committer ? head->committer : who ? who : "";
    vh_buf_init(&buf, arena, (size_t)head->message.len + 4096 + 2 * VIV_PATH_MAX);
    vh_buf_format(&buf, "feature done\ncommit %s\nmark :1\nauthor %s\ncommitter %s\ndata %llu\n", head->ref, author,
                  committer, (unsigned long long)head->message.len);
    vh_buf_str(&buf, head->message);
    vh_buf_char(&buf, '\n');
    if (head->parent && head->parent->hex[0]) {
        vh_buf_format(&buf, "from %s\n", head->parent->hex);
    } else {
        /* Without `from` the stream would go on from what the reference names now. */
        vh_buf_format(&buf, "from %.*s\n", target->hex_len, VH_GIT_ZEROS);
    }
    if (head->second && head->second->hex[0]) {
        vh_buf_format(&buf, "merge %s\n", head->second->hex);
    }
    put_buf(import, &buf);
}

void
vh_import_tree(struct vh_import *import, const struct vh_git_id *tree)
{
    struct vh_buf buf;
    line_buf(import, &buf, (struct viv_str){ NULL, 0 });
    vh_buf_format(&buf, "M 040000 %s \"\"\n", tree->hex);
    put_buf(import, &buf);
}

void
vh_import_clear(struct vh_import *import)
{
    put(import, VH_STR("deleteall\n"));
}

void
vh_import_delete(struct vh_import *import, struct viv_str path)
{
    struct vh_buf buf;
    line_buf(import, &buf, path);
    vh_buf_text(&buf, "D ");
    add_path(&buf, path);
    vh_buf_char(&buf, '\n');
    put_buf(import, &buf);
}

void
vh_import_known(struct vh_import *import, struct viv_str path, uint32_t mode, const struct vh_git_id *id)
{
    struct vh_buf buf;
    line_buf(import, &buf, path);
    vh_buf_format(&buf, "M %06o %s ", mode, id->hex);
    add_path(&buf, path);
    vh_buf_char(&buf, '\n');
    put_buf(import, &buf);
}

void
vh_import_file(struct vh_import *import, struct viv_str path, int dir, const char *name,
               struct vh_tree_content *content)
{
    struct vh_buf buf;
    struct vh_tree_content found;
    line_buf(import, &buf, path);
    vh_buf_format(&buf, "M %06o inline ", content->mode);
    add_path(&buf, path);
    vh_buf_format(&buf, "\ndata %llu\n", (unsigned long long)content->size);
    put_buf(import, &buf);
    if (import->status) {
        return;
    }
    import->status = vh_tree_look(import->target, import->arena, dir, name, import->fd, &found, import->err);
    if (import->status == VIV_OK && found.mode == VH_TREE_LINK) {
        put(import, found.target);
    }
    bool other = import->status == VIV_OK &&
                 (found.size != content->size || (found.mode == VH_TREE_LINK) != (content->mode == VH_TREE_LINK) ||
                  (content->id.hex[0] && !vh_git_same(&found.id, &content->id)));
    if (other) {
        import->status = vh_error_set(import->err, VIV_E_CONFLICT, "import",
                                      "'%s' changed after it was frozen: '%s' was found, '%s' expected", path.data,
                                      found.id.hex, content->id.hex);
    }
    put(import, VH_STR("\n"));
    if (import->status == VIV_OK) {
        content->id = found.id;
        memcpy(content->digest, found.digest, sizeof content->digest);
        content->stat = found.stat;
    }
}

static viv_status
run_import(struct vh_import *import, struct vh_git_result *ret_result)
{
    const char *words[] = { "fast-import", "--quiet", "--done", "--force", NULL };
    struct vh_git_ask ask = { .mode = import->mode, .words = words, .input_fd = import->fd };
    return vh_git_run(import->target, import->arena, &ask, ret_result, import->err);
}

viv_status
vh_import_finish(struct vh_import *import, struct vh_git_id *ret_commit, struct vh_git_id *ret_tree)
{
    const struct vh_seam *seam = import->target->tools->seam;
    struct vh_git_result result = { 0 };
    put(import, VH_STR("\nget-mark :1\nls :1 \"\"\ndone\n"));
    VH_PLACE(seam, "import.before");
    if (import->status == VIV_OK) {
        import->status = run_import(import, &result);
    }
    VH_PLACE(seam, "import.after");
    if (import->fd >= 0) {
        seam->close(seam->data, import->fd);
    }
    if (import->status) {
        return import->status;
    }
    const char *tree = result.output.len ? strstr(result.output.data, " tree ") : NULL;
    struct viv_str rest = { tree ? tree + 6 : NULL, tree ? strlen(tree + 6) : 0 };
    if (!vh_git_parse_id(result.output, ret_commit) || !vh_git_parse_id(rest, ret_tree)) {
        return vh_error_set(import->err, VIV_E_CORRUPT, "import", "git named no commit and tree: '%.80s'",
                            result.output.len ? result.output.data : "");
    }
    return VIV_OK;
}

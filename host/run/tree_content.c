/* SPDX-License-Identifier: Apache-2.0 */
/* Contents: the name git gives them, computed here; blobs read in bulk; folders opened without following links.
 * The only file of run/ that uses libcrypto: git's object names are SHA-1 or SHA-256 over a head and the bytes. */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "target.h"
#include <viv/limits.h>

#define CHUNK 65536
#define BATCH 4096 /* blobs per run of git: bounds the scratch file they pass through */
#define DEPTH_MAX 512

/* By the direct functions, as in hash.c: they take no memory, and EVP crashes where its own set-up found none. */
struct naming {
    SHA_CTX sha1;
    SHA256_CTX sha256; /* the name in a repository of that format */
    SHA256_CTX digest;
    bool wide;
    bool begun;
    bool failed;
};

static bool
add_to_name(struct naming *naming, const void *bytes, size_t len)
{
    return (naming->wide ? SHA256_Update(&naming->sha256, bytes, len) : SHA1_Update(&naming->sha1, bytes, len)) == 1;
}

static void
naming_add(struct naming *naming, const void *bytes, size_t len)
{
    bool named = add_to_name(naming, bytes, len);
    naming->failed = naming->failed || !named || SHA256_Update(&naming->digest, bytes, len) != 1;
}

static void
naming_begin(struct naming *naming, int hex_len, uint64_t size)
{
    char head[32];
    int len = snprintf(head, sizeof head, "blob %llu", (unsigned long long)size);
    *naming = (struct naming){ .wide = hex_len == 64, .begun = true };
    naming->failed = SHA1_Init(&naming->sha1) != 1 || SHA256_Init(&naming->sha256) != 1 ||
                     SHA256_Init(&naming->digest) != 1 || !add_to_name(naming, head, (size_t)len + 1);
}

static void
hex_of(const unsigned char *bytes, unsigned len, char *ret_hex)
{
    for (unsigned i = 0; i < len; i++) {
        snprintf(ret_hex + 2 * (size_t)i, 3, "%02x", bytes[i]);
    }
}

static viv_status
naming_end(struct naming *naming, struct vh_tree_content *content, struct viv_error *err)
{
    unsigned char bytes[SHA256_DIGEST_LENGTH];
    unsigned len = naming->wide ? SHA256_DIGEST_LENGTH : SHA_DIGEST_LENGTH;
    int named = naming->wide ? SHA256_Final(bytes, &naming->sha256) : SHA1_Final(bytes, &naming->sha1);
    hex_of(bytes, len, content->id.hex);
    bool good = !naming->failed && named == 1 && SHA256_Final(bytes, &naming->digest) == 1;
    hex_of(bytes, sizeof bytes, content->digest);
    return good ? VIV_OK : vh_error_set(err, VIV_E_INTERNAL, "tree", "SHA-1 or SHA-256 failed");
}

static viv_status
read_file(const struct vh_seam *seam, int fd, const char *name, int copy_fd, struct naming *naming, uint64_t size,
          struct viv_error *err)
{
    char chunk[CHUNK];
    uint64_t at = 0;
    for (;;) {
        ssize_t got = seam->pread(seam->data, fd, chunk, sizeof chunk, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return vh_error_errno(err, VIV_E_IO, "tree", "reading '%s' failed", name);
        }
        if (got == 0 || at + (uint64_t)got > size) {
            at += (uint64_t)got;
            break;
        }
        naming_add(naming, chunk, (size_t)got);
        at += (uint64_t)got;
        if (copy_fd > 0) {
            viv_status status = vh_fs_write_all(seam, copy_fd, (struct viv_str){ chunk, (uint64_t)got }, err);
            if (status) {
                return status;
            }
        }
    }
    return at == size ? VIV_OK
                      : vh_error_set(err, VIV_E_CONFLICT, "tree", "'%s' changed while it was read", name);
}

static viv_status
look_at_link(const struct vh_target *target, struct vh_arena *arena, int dir, const char *name,
             struct vh_tree_content *content, struct naming *naming, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    char text[VIV_PATH_MAX + 2];
    ssize_t len = seam->readlink(seam->data, dir, name, text, sizeof text);
    if (len < 0) {
        return vh_error_errno(err, VIV_E_IO, "tree", "cannot read link '%s'", name);
    }
    if (len > VIV_PATH_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "tree", "link '%s' points over more than %d bytes", name, VIV_PATH_MAX);
    }
    content->size = (uint64_t)len;
    content->mode = VH_TREE_LINK;
    content->target = (struct viv_str){ text, (uint64_t)len };
    content->target.data = vh_arena_text_of(arena, content->target);
    naming_begin(naming, target->hex_len, content->size);
    naming_add(naming, text, (size_t)len);
    return content->target.data ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "tree", "no memory for a link");
}

static viv_status
look_at_file(const struct vh_target *target, int dir, const char *name, int copy_fd,
             struct vh_tree_content *content, struct naming *naming, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    int fd = seam->open(seam->data, dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        viv_status status = errno == ENOENT ? VIV_E_NOT_FOUND : errno == ELOOP ? VIV_E_CONFLICT
                            : errno == EACCES ? VIV_E_DENIED : VIV_E_IO;
        return vh_error_errno(err, status, "tree", "cannot open '%s'", name);
    }
    viv_status status = VIV_OK;
    if (seam->fstat(seam->data, fd, &content->stat)) {
        status = vh_error_errno(err, VIV_E_IO, "tree", "cannot look at '%s'", name);
    } else if (!S_ISREG(content->stat.st_mode)) {
        status = vh_error_set(err, VIV_E_CONFLICT, "tree", "'%s' changed while it was read", name);
    } else {
        content->size = (uint64_t)content->stat.st_size;
        content->mode = content->stat.st_mode & S_IXUSR ? VH_TREE_PROGRAM : VH_TREE_FILE;
        naming_begin(naming, target->hex_len, content->size);
        status = read_file(seam, fd, name, copy_fd, naming, content->size, err);
    }
    seam->close(seam->data, fd);
    return status;
}

viv_status
vh_tree_look(const struct vh_target *target, struct vh_arena *arena, int dir, const char *name, int copy_fd,
             struct vh_tree_content *ret_content, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    struct vh_tree_content content = { 0 };
    struct naming naming = { 0 };
    if (seam->stat(seam->data, dir, name, &content.stat, AT_SYMLINK_NOFOLLOW)) {
        viv_status status = errno == ENOENT || errno == ENOTDIR ? VIV_E_NOT_FOUND : VIV_E_IO;
        return vh_error_errno(err, status, "tree", "cannot look at '%s'", name);
    }
    if (!S_ISREG(content.stat.st_mode) && !S_ISLNK(content.stat.st_mode)) {
        return vh_error_set(err, VIV_E_INVALID, "tree", "'%s' is neither a file nor a link", name);
    }
    viv_status status = S_ISLNK(content.stat.st_mode)
                            ? look_at_link(target, arena, dir, name, &content, &naming, err)
                            : look_at_file(target, dir, name, copy_fd, &content, &naming, err);
    struct viv_error *late = status ? NULL : err;
    viv_status named = naming.begun ? naming_end(&naming, &content, late) : VIV_OK;
    status = status ? status : named;
    if (status == VIV_OK) {
        *ret_content = content;
    }
    return status;
}

/* ---- blobs in bulk ---- */

static viv_status
ask_for_blobs(const struct vh_target *target, struct vh_arena *arena, const struct vh_tree_entry *const *want,
              size_t count, int fd, struct viv_error *err)
{
    struct vh_buf buf;
    vh_buf_init(&buf, arena, count * (VH_GIT_HEX + 1));
    for (size_t i = 0; i < count; i++) {
        vh_buf_text(&buf, want[i]->id.hex);
        vh_buf_char(&buf, '\n');
    }
    if (buf.failed) {
        return vh_error_set(err, VIV_E_MEMORY, "tree", "no memory to ask for %zu blobs", count);
    }
    const char *words[] = { "cat-file", "--batch", "--buffer", NULL };
    struct vh_git_ask ask = { .mode = VH_GIT_OBJECTS, .words = words, .input = vh_buf_view(&buf), .output_fd = fd };
    return vh_git_run(target, arena, &ask, NULL, err);
}

/* "ID blob SIZE\n" at `at`; moves `at` to the first byte. */
static viv_status
blob_head(const struct vh_seam *seam, int fd, const struct vh_tree_entry *want, uint64_t *at, uint64_t *ret_size,
          struct viv_error *err)
{
    char head[128];
    ssize_t got = seam->pread(seam->data, fd, head, sizeof head - 1, (off_t)*at);
    head[got > 0 ? got : 0] = '\0';
    char *line_end = strchr(head, '\n');
    char *kind = strstr(head, " blob ");
    if (!line_end || !kind || kind > line_end || strncmp(head, want->id.hex, strlen(want->id.hex)) != 0) {
        return vh_error_set(err, VIV_E_CORRUPT, "tree", "the repository lacks blob %s; fetch it first", want->id.hex);
    }
    struct stat stat;
    uint64_t size = strtoull(kind + 6, NULL, 10);
    uint64_t first = *at + (uint64_t)(line_end - head) + 1;
    if (seam->fstat(seam->data, fd, &stat) || first > (uint64_t)stat.st_size || size > (uint64_t)stat.st_size - first) {
        return vh_error_set(err, VIV_E_CORRUPT, "tree", "git's answer for blob %s is torn: %llu bytes announced",
                            want->id.hex, (unsigned long long)size);
    }
    *ret_size = size;
    *at = first;
    return VIV_OK;
}

static viv_status
one_batch(const struct vh_target *target, struct vh_arena *arena, const struct vh_tree_entry *const *want,
          size_t first, size_t count, const struct vh_tree_sink *sink, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    int fd = vh_git_scratch(target->tools, err);
    if (fd < 0) {
        return VIV_E_IO;
    }
    uint64_t at = 0;
    viv_status status = ask_for_blobs(target, arena, want + first, count, fd, err);
    for (size_t i = 0; i < count && status == VIV_OK; i++) {
        uint64_t size = 0;
        status = blob_head(seam, fd, want[first + i], &at, &size, err);
        if (status == VIV_OK) {
            status = sink->blob(sink->data, first + i, fd, at, size, err);
            at += size + 1;
        }
    }
    seam->close(seam->data, fd);
    return status;
}

viv_status
vh_tree_blobs(const struct vh_target *target, struct vh_arena *arena, const struct vh_tree_entry *const *want,
              size_t count, const struct vh_tree_sink *sink, struct viv_error *err)
{
    viv_status status = VIV_OK;
    for (size_t at = 0; at < count && status == VIV_OK; at += BATCH) {
        size_t size = count - at < BATCH ? count - at : BATCH;
        struct vh_arena *batch = vh_arena_create(arena, 0);
        if (!batch) {
            return vh_error_set(err, VIV_E_MEMORY, "tree", "no memory to read blobs");
        }
        status = one_batch(target, batch, want, at, size, sink, err);
        vh_arena_destroy(batch);
    }
    return status;
}

/* ---- folders without links ---- */

static viv_status
step_into(const struct vh_seam *seam, int dir, const char *part, bool make, int *ret_dir, struct viv_error *err)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    int fd = seam->open(seam->data, dir, part, flags, 0);
    if (fd < 0 && errno == ENOENT && make && (seam->mkdir(seam->data, dir, part, 0777) == 0 || errno == EEXIST)) {
        fd = seam->open(seam->data, dir, part, flags, 0);
    }
    if (fd < 0) {
        viv_status status = errno == ENOENT                       ? VIV_E_NOT_FOUND
                            : errno == ENOTDIR || errno == ELOOP ? VIV_E_CONFLICT
                            : errno == EACCES                    ? VIV_E_DENIED
                                                                 : VIV_E_IO;
        return vh_error_errno(err, status, "tree", "cannot enter folder '%s'", part);
    }
    *ret_dir = fd;
    return VIV_OK;
}

viv_status
vh_tree_parent(const struct vh_target *target, int root, struct viv_str path, bool make, int *ret_dir,
               const char **ret_name, struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    char part[256];
    int dir = -1;
    viv_status status = step_into(seam, root, ".", false, &dir, err);
    const char *at = path.data;
    for (int depth = 0; status == VIV_OK; depth++) {
        const char *slash = strchr(at, '/');
        if (!slash) {
            break;
        }
        size_t len = (size_t)(slash - at);
        if (len == 0 || len >= sizeof part || depth >= DEPTH_MAX) {
            status = vh_error_set(err, VIV_E_INVALID, "tree", "path '%.64s' has an empty, long or deep part",
                                  path.data);
            break;
        }
        memcpy(part, at, len);
        part[len] = '\0';
        int next = -1;
        status = step_into(seam, dir, part, make, &next, err);
        seam->close(seam->data, dir);
        dir = next;
        at = slash + 1;
    }
    if (status) {
        if (dir >= 0) {
            seam->close(seam->data, dir);
        }
        return status;
    }
    *ret_dir = dir;
    *ret_name = at;
    return VIV_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Everything is made with O_EXCL or its like below one descriptor, no link is ever followed: a hostile tree that
 * holds a link and a folder of one name is refused by the kernel. */
#include "layer_write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "target.h"
#include <viv/limits.h>

#define CHUNK 65536

static viv_status
no_memory(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_MEMORY, "layer", "no memory to write a tree");
}

bool
vh_layer_good_path(struct viv_str path)
{
    const char *part = path.data;
    const char *end = path.data + path.len;
    if (!path.len || path.len > VIV_PATH_MAX) {
        return false;
    }
    for (;;) {
        const char *slash = memchr(part, '/', (size_t)(end - part));
        size_t len = (size_t)((slash ? slash : end) - part);
        bool dots = (len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.');
        bool git = (len == 4 && strncasecmp(part, ".git", 4) == 0) ||
                   (len == 5 && strncasecmp(part, "git~1", 5) == 0);
        if (len == 0 || len > 255 || dots || git) {
            return false;
        }
        if (!slash) {
            return true;
        }
        part = slash + 1;
    }
}

void
vh_layer_writer_init(struct vh_layer_writer *writer, const struct vh_target *target, struct vh_arena *arena, int root,
                     int64_t time_s)
{
    *writer = (struct vh_layer_writer){ .target = target, .arena = arena, .root = root, .time_s = time_s, .dir = -1 };
}

static viv_status
remember_folder(struct vh_layer_writer *writer, struct viv_str path, struct viv_error *err)
{
    if (writer->folder_count == writer->folder_room) {
        size_t room = writer->folder_room ? writer->folder_room * 2 : 256;
        struct viv_str *more = vh_arena_array(writer->arena, room, sizeof *more);
        if (!more) {
            return no_memory(err);
        }
        if (writer->folder_count) {
            memcpy(more, writer->folder, writer->folder_count * sizeof *more);
        }
        writer->folder = more;
        writer->folder_room = room;
    }
    const char *copy = vh_arena_text_of(writer->arena, path);
    if (!copy) {
        return no_memory(err);
    }
    writer->folder[writer->folder_count++] = (struct viv_str){ copy, path.len };
    return VIV_OK;
}

/* Make each missing folder of "a/b/c" by its whole path; the walk below then follows no link. */
static viv_status
make_folders(struct vh_layer_writer *writer, struct viv_str path, struct viv_error *err)
{
    const struct vh_seam *seam = writer->target->tools->seam;
    for (uint64_t len = 1; len <= path.len; len++) {
        if (len < path.len && path.data[len] != '/') {
            continue;
        }
        char text[VIV_PATH_MAX + 1];
        memcpy(text, path.data, (size_t)len);
        text[len] = '\0';
        bool known = len <= writer->dir_path.len && memcmp(writer->dir_path.data, text, (size_t)len) == 0 &&
                     (writer->dir_path.len == len || writer->dir_path.data[len] == '/');
        if (known) {
            continue;
        }
        int dir = -1;
        const char *name = NULL;
        viv_status status = vh_tree_parent(writer->target, writer->root, vh_str(text), false, &dir, &name, err);
        if (status) {
            return status;
        }
        bool made = seam->mkdir(seam->data, dir, name, 0755) == 0;
        int code = errno;
        if (made) {
            (void)seam->chmod(seam->data, dir, name, 0755); /* whatever the umask; only ours to read if it fails */
        }
        seam->close(seam->data, dir);
        errno = code;
        if (!made && code != EEXIST) {
            return vh_error_errno(err, VIV_E_IO, "layer", "cannot make folder '%s'", text);
        }
        status = made ? remember_folder(writer, vh_str(text), err) : VIV_OK;
        if (status) {
            return status;
        }
    }
    return VIV_OK;
}

/* The descriptor of the folder that holds `path`; kept for the next entry. */
static viv_status
enter(struct vh_layer_writer *writer, struct viv_str path, const char **ret_name, struct viv_error *err)
{
    const struct vh_seam *seam = writer->target->tools->seam;
    const char *slash = memrchr(path.data, '/', (size_t)path.len);
    struct viv_str folder = { path.data, slash ? (uint64_t)(slash - path.data) : 0 };
    *ret_name = slash ? slash + 1 : path.data;
    if (writer->dir >= 0 && vh_str_equal(folder, writer->dir_path)) {
        return VIV_OK;
    }
    viv_status status = folder.len ? make_folders(writer, folder, err) : VIV_OK;
    int dir = -1;
    const char *name = NULL;
    status = status ? status : vh_tree_parent(writer->target, writer->root, path, false, &dir, &name, err);
    if (status) {
        return status;
    }
    if (writer->dir >= 0) {
        seam->close(seam->data, writer->dir);
    }
    writer->dir = dir;
    writer->dir_path = folder;
    return VIV_OK;
}

static viv_status
put_link(const struct vh_seam *seam, int dir, const char *name, const struct vh_layer_blob *blob,
         struct viv_error *err)
{
    char text[VIV_PATH_MAX + 1];
    uint64_t size = blob->size;
    if (size == 0 || size > VIV_PATH_MAX ||
        seam->pread(seam->data, blob->fd, text, (size_t)size, (off_t)blob->at) != (ssize_t)size ||
        memchr(text, '\0', (size_t)size)) {
        return vh_error_set(err, VIV_E_INVALID, "layer", "link '%s' has a target of %llu bytes, allowed 1 to %d", name,
                            (unsigned long long)size, VIV_PATH_MAX);
    }
    text[size] = '\0';
    return seam->symlink(seam->data, text, dir, name)
               ? vh_error_errno(err, VIV_E_IO, "layer", "cannot make link '%s'", name)
               : VIV_OK;
}

viv_status
vh_layer_put(const struct vh_target *target, int dir, const char *name, const struct vh_layer_blob *blob,
             struct viv_error *err)
{
    const struct vh_seam *seam = target->tools->seam;
    if (blob->mode == VH_TREE_LINK) {
        return put_link(seam, dir, name, blob, err);
    }
    mode_t bits = blob->mode == VH_TREE_PROGRAM ? 0777 : 0666;
    int out = seam->open(seam->data, dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, bits);
    if (out < 0) {
        return vh_error_errno(err, VIV_E_IO, "layer", "cannot make file '%s'", name);
    }
    viv_status status = VIV_OK;
    for (uint64_t done = 0; done < blob->size && status == VIV_OK;) {
        char chunk[CHUNK];
        uint64_t part = blob->size - done < CHUNK ? blob->size - done : CHUNK;
        ssize_t got = seam->pread(seam->data, blob->fd, chunk, (size_t)part, (off_t)(blob->at + done));
        status = got > 0 ? vh_fs_write_all(seam, out, (struct viv_str){ chunk, (uint64_t)got }, err)
                         : vh_error_set(err, VIV_E_IO, "layer", "content of '%s' ends early", name);
        done += got > 0 ? (uint64_t)got : 0;
    }
    if (seam->close(seam->data, out) && status == VIV_OK) {
        status = vh_error_errno(err, VIV_E_IO, "layer", "cannot close '%s'", name);
    }
    return status;
}

static viv_status
write_blob(void *data, size_t which, int fd, uint64_t at, uint64_t size, struct viv_error *err)
{
    struct vh_layer_writer *writer = data;
    const struct vh_seam *seam = writer->target->tools->seam;
    const struct vh_tree_entry *entry = writer->want[which];
    const struct timespec times[2] = { { .tv_sec = writer->time_s }, { .tv_sec = writer->time_s } };
    const char *name = NULL;
    viv_status status = enter(writer, entry->path, &name, err);
    if (status == VIV_OK) {
        struct vh_layer_blob blob = { entry->mode, fd, at, size };
        status = vh_layer_put(writer->target, writer->dir, name, &blob, err);
    }
    if (status) {
        return status;
    }
    writer->bytes += size;
    mode_t bits = entry->mode == VH_TREE_PROGRAM ? 0755 : 0644;
    if (entry->mode != VH_TREE_LINK && seam->chmod(seam->data, writer->dir, name, bits)) {
        return vh_error_errno(err, VIV_E_IO, "layer", "cannot set the mode of '%s'", name);
    }
    return seam->utimens(seam->data, writer->dir, name, times)
               ? vh_error_errno(err, VIV_E_IO, "layer", "cannot set the time of '%s'", name)
               : VIV_OK;
}

viv_status
vh_layer_write(struct vh_layer_writer *writer, const struct vh_tree_entry *const *want, size_t count,
               struct viv_error *err)
{
    const struct vh_tree_entry **blobs = vh_arena_array(writer->arena, count + 1, sizeof *blobs);
    size_t blob_count = 0;
    viv_status status = blobs ? VIV_OK : no_memory(err);
    for (size_t i = 0; i < count && status == VIV_OK; i++) {
        if (!vh_layer_good_path(want[i]->path)) {
            struct viv_str text = vh_tree_escape(writer->arena, want[i]->path);
            status = vh_error_set(err, VIV_E_DENIED, "layer", "the tree holds path '%.*s', which no file may have",
                                  VH_STR_ARGS(text));
        } else if (want[i]->mode == VH_TREE_MODULE) {
            status = make_folders(writer, want[i]->path, err);
        } else {
            blobs[blob_count++] = want[i];
        }
    }
    struct vh_tree_sink sink = { writer, write_blob };
    writer->want = blobs;
    return status ? status : vh_tree_blobs(writer->target, writer->arena, blobs, blob_count, &sink, err);
}

viv_status
vh_layer_whiteout(struct vh_layer_writer *writer, struct viv_str path, struct viv_error *err)
{
    const struct vh_seam *seam = writer->target->tools->seam;
    const char *name = NULL;
    viv_status status = enter(writer, path, &name, err);
    if (status == VIV_OK && seam->mknod(seam->data, writer->dir, name, S_IFCHR, 0)) {
        status = vh_error_errno(err, VIV_E_IO, "layer", "cannot mark '%s' as gone", name);
    }
    return status;
}

viv_status
vh_layer_writer_finish(struct vh_layer_writer *writer, struct viv_error *err)
{
    const struct vh_seam *seam = writer->target->tools->seam;
    const struct timespec times[2] = { { .tv_sec = writer->time_s }, { .tv_sec = writer->time_s } };
    viv_status status = VIV_OK;
    if (writer->dir >= 0) {
        seam->close(seam->data, writer->dir);
        writer->dir = -1;
    }
    for (size_t i = writer->folder_count; i-- > 0 && status == VIV_OK;) {
        if (seam->utimens(seam->data, writer->root, writer->folder[i].data, times)) {
            status = vh_error_errno(err, VIV_E_IO, "layer", "cannot set the time of '%s'", writer->folder[i].data);
        }
    }
    if (status == VIV_OK && seam->utimens(seam->data, writer->root, ".", times)) {
        status = vh_error_errno(err, VIV_E_IO, "layer", "cannot set the time of a tree");
    }
    return status;
}

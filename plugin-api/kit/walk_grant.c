/* SPDX-License-Identifier: Apache-2.0 */
/* Walking by the folder grant: openat from the granted descriptor, component by component, links never followed. Only
 * openat (read-only), getdents64, newfstatat, read and close are called, which is what a runner's filter lets through.
 *
 * A level is a stack frame: pushed when a folder is met, popped when its names are used up. */
#include "walk_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

#define LISTING_BYTES 32768
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define FILE_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

/* A name as kept in a level: two bytes of length, one of kind, then the name and its NUL; even in size. */
struct name {
    uint16_t len;
    unsigned char kind; /* DT_REG or DT_DIR */
    char text[];
};

static int32_t
byte_at(const struct name *name, uint16_t at)
{
    if (at < name->len)
        return (unsigned char)name->text[at];
    return at == name->len && name->kind == DT_DIR ? '/' : -1;
}

/* The order of whole paths: a folder sorts as if its name ended in '/'. */
static int32_t
compare_names(const void *one, const void *other)
{
    const struct name *a = one;
    const struct name *b = other;
    uint16_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->text, b->text, len);
    return order != 0 ? order : byte_at(a, len) - byte_at(b, len);
}

static const char *
reason_of(int error)
{
    if (error == EACCES || error == EPERM)
        return "not readable";
    if (error == ENOENT || error == ELOOP || error == ENOTDIR)
        return "changed while being read";
    return error == EMFILE || error == ENFILE ? "too many open files" : "could not be read";
}

static void
add_name(struct viv_walk_level *level, const char *text, size_t len, unsigned char kind)
{
    uint64_t size = (offsetof(struct name, text) + len + 2) & ~UINT64_C(1);
    struct name *name = (struct name *)(void *)viv_kit_buf_room(&level->names, size);
    if (!name)
        return;
    name->len = (uint16_t)len;
    name->kind = kind;
    memcpy(name->text, text, len + 1);
    level->names.len += size;
    level->count++;
}

static unsigned char
kind_of(int32_t fd, const struct dirent64 *entry)
{
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    struct stat info;
    if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_UNKNOWN;
    return S_ISREG(info.st_mode) ? DT_REG : S_ISDIR(info.st_mode) ? DT_DIR : DT_UNKNOWN;
}

/* All names of an open folder that matter. 0, or the error number. */
static int
read_names(struct viv_kit_walk *walk, struct viv_walk_level *level)
{
    _Alignas(struct dirent64) char listing[LISTING_BYTES];
    for (;;) {
        ssize_t got = getdents64(level->fd, listing, sizeof listing);
        if (got < 0)
            return errno;
        if (got == 0)
            break;
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *entry = (const void *)(listing + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                strcmp(entry->d_name, ".git") == 0)
                continue;
            unsigned char kind = kind_of(level->fd, entry);
            if (kind == DT_REG || kind == DT_DIR) {
                add_name(level, entry->d_name, strlen(entry->d_name), kind);
            }
        }
        if (walk->call->cancelled(walk->call))
            return ECANCELED;
    }
    return level->names.failed ? ENOMEM : 0;
}

static uint32_t
order_names(struct viv_kit_walk *walk, struct viv_walk_level *level)
{
    if (level->count > level->order_size) {
        level->order = walk->memory.alloc(walk->memory.data, level->count * 2 * sizeof *level->order);
        if (!level->order)
            return 0;
        level->order_size = level->count * 2;
    }
    uint64_t at = 0;
    for (uint64_t i = 0; i < level->count; i++) {
        const struct name *name = (const void *)(level->names.data + at);
        level->order[i] = name;
        at += (offsetof(struct name, text) + name->len + 2) & ~UINT64_C(1);
    }
    viv_kit_sort(level->order, level->count, compare_names);
    return 1;
}

static struct viv_walk_level *
push(struct viv_kit_walk *walk, int32_t fd, uint64_t path_len)
{
    struct viv_walk_level *level = &walk->levels[walk->level_count++];
    if (!level->names.memory.alloc) {
        viv_kit_buf_init(&level->names, walk->memory, VIV_CALL_ARENA_MAX);
    }
    level->names.len = 0;
    level->count = 0;
    level->at = 0;
    level->fd = fd;
    level->path_len = path_len;
    return level;
}

static void
pop(struct viv_kit_walk *walk)
{
    walk->level_count--;
    (void)close(walk->levels[walk->level_count].fd); /* read-only: nothing can be lost */
}

static void
enter(struct viv_kit_walk *walk, int32_t fd, uint64_t path_len)
{
    const struct viv_str path = { walk->path, path_len };
    struct viv_walk_level *level = push(walk, fd, path_len);
    int error = read_names(walk, level);
    if (error == ECANCELED) {
        viv_walk_end(walk, VIV_E_CANCELLED, "cancelled while listing", path);
    } else if (error == ENOMEM || (error == 0 && !order_names(walk, level))) {
        viv_walk_end(walk, VIV_E_MEMORY, "no memory to list", path);
    } else if (error != 0) {
        viv_kit_walk_skip(walk, path, reason_of(error));
    }
    if (error != 0 || walk->status != VIV_OK) {
        pop(walk);
    }
}

/* Open the root's last component, its folder being `fd`; a file becomes a level with that one name. */
static void
enter_root(struct viv_kit_walk *walk, int32_t fd, const char *last, uint64_t path_len)
{
    const struct viv_str path = { walk->path, path_len };
    int32_t folder = openat(fd, last, FOLDER_FLAGS);
    if (folder >= 0) {
        if (fd != walk->call->root_fd) {
            (void)close(fd); /* read-only */
        }
        enter(walk, folder, path_len);
        return;
    }
    int error = errno;
    struct stat info;
    if (error == ENOTDIR && fstatat(fd, last, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode)) {
        size_t len = strlen(last);
        struct viv_walk_level *level = push(walk, fd, path_len > len ? path_len - len - 1 : 0);
        add_name(level, last, len, DT_REG);
        if (level->names.failed || !order_names(walk, level)) {
            viv_walk_end(walk, VIV_E_MEMORY, "no memory to list", path);
        }
        return;
    }
    if (fd != walk->call->root_fd) {
        (void)close(fd); /* read-only */
    }
    if (error == ENOENT && viv_walk_missing(walk, path))
        return;
    viv_walk_end(walk, error == ENOENT || error == ENOTDIR ? VIV_E_NOT_FOUND : VIV_E_IO,
                 "no file or folder of the workspace that can be read:", path);
}

/* Down to the folder that holds the root's last component. Takes a private copy of the path, cut by NULs. */
void
viv_walk_grant_open(struct viv_kit_walk *walk, struct viv_str root)
{
    char parts[VIV_PATH_MAX + 1];
    memcpy(parts, root.data, (size_t)root.len);
    parts[root.len] = '\0';
    walk->levels = walk->memory.alloc(walk->memory.data, VIV_KIT_WALK_DEPTH_MAX * sizeof *walk->levels);
    if (!walk->levels) {
        viv_walk_end(walk, VIV_E_MEMORY, "no memory to walk", root);
        return;
    }
    int32_t fd = walk->call->root_fd;
    char *part = parts;
    for (char *slash = strchr(part, '/'); slash; slash = strchr(part, '/')) {
        *slash = '\0';
        int32_t next = openat(fd, part, FOLDER_FLAGS);
        int error = errno;
        if (fd != walk->call->root_fd) {
            (void)close(fd); /* read-only */
        }
        if (next < 0 && error == ENOENT && viv_walk_missing(walk, root))
            return;
        if (next < 0) {
            viv_walk_end(walk, VIV_E_NOT_FOUND, "no file or folder of the workspace that can be read:", root);
            return;
        }
        fd = next;
        part = slash + 1;
    }
    /* A descriptor of our own also for the whole workspace: the granted one's position is not ours to move. */
    if (fd == walk->call->root_fd && root.len > 0) {
        fd = openat(fd, ".", FOLDER_FLAGS);
    }
    if (fd < 0) {
        viv_walk_end(walk, VIV_E_IO, "the workspace cannot be opened to read", root);
    } else {
        enter_root(walk, fd, root.len > 0 ? part : ".", root.len);
    }
}

/* The path of the name in walk->path; 0 when it would be too long. */
static uint64_t
join(struct viv_kit_walk *walk, const struct viv_walk_level *level, const struct name *name)
{
    uint64_t len = level->path_len;
    if (len + 1 + name->len > VIV_PATH_MAX) {
        viv_kit_walk_skip(walk, (struct viv_str){ walk->path, len }, "holds a path of over 4095 bytes");
        return 0;
    }
    if (len > 0) {
        walk->path[len++] = '/';
    }
    memcpy(walk->path + len, name->text, (size_t)name->len + 1);
    return len + name->len;
}

static void
descend(struct viv_kit_walk *walk, const struct viv_walk_level *level, const struct name *name, uint64_t path_len)
{
    const struct viv_str path = { walk->path, path_len };
    if (walk->level_count == VIV_KIT_WALK_DEPTH_MAX) {
        viv_kit_walk_skip(walk, path, "nested too deeply");
        return;
    }
    int32_t fd = openat(level->fd, name->text, FOLDER_FLAGS);
    if (fd < 0) {
        viv_kit_walk_skip(walk, path, reason_of(errno));
    } else {
        enter(walk, fd, path_len);
    }
}

static void
fill_sizes(const struct viv_walk_level *level, const struct name *name, struct viv_kit_file *file)
{
    struct stat info;
    if (fstatat(level->fd, name->text, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    file->bytes = info.st_size;
    file->modified_us = info.st_mtim.tv_sec * INT64_C(1000000) + info.st_mtim.tv_nsec / 1000;
}

uint32_t
viv_walk_grant_next(struct viv_kit_walk *walk, struct viv_kit_file *ret_file)
{
    while (walk->status == VIV_OK && walk->level_count > 0) {
        struct viv_walk_level *level = &walk->levels[walk->level_count - 1];
        if (level->at == level->count) {
            pop(walk);
            continue;
        }
        const struct name *name = level->order[level->at++];
        uint64_t path_len = join(walk, level, name);
        if (path_len == 0)
            continue;
        if (name->kind == DT_DIR) {
            descend(walk, level, name, path_len);
            continue;
        }
        *ret_file = (struct viv_kit_file){ { walk->path, path_len }, -1, 0 };
        if (walk->flags & VIV_KIT_WALK_SIZES) {
            fill_sizes(level, name, ret_file);
        }
        walk->file_name = name->text;
        return 1;
    }
    return 0;
}

static int64_t
changed_ns(const struct stat *info)
{
    return info->st_mtim.tv_sec * INT64_C(1000000000) + info->st_mtim.tv_nsec;
}

uint32_t
viv_walk_grant_file_open(struct viv_kit_walk *walk)
{
    int32_t fd = openat(walk->levels[walk->level_count - 1].fd, walk->file_name, FILE_FLAGS);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        walk->file_problem = fd < 0 ? reason_of(errno) : "changed while being read";
        if (fd >= 0) {
            (void)close(fd); /* read-only */
        }
        return 0;
    }
    walk->file_fd = fd;
    walk->file_bytes = info.st_size;
    walk->file_changed_ns = changed_ns(&info);
    return 1;
}

uint64_t
viv_walk_grant_read(struct viv_kit_walk *walk, char *to, uint64_t size)
{
    ssize_t got;
    do {
        got = read(walk->file_fd, to, (size_t)size);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        walk->file_problem = "could not be read";
        return 0;
    }
    walk->file_read += (uint64_t)got;
    /* A short read that reached the size is the end: one system call saved per file. */
    if (got == 0 || ((uint64_t)got < size && walk->file_read == (uint64_t)walk->file_bytes)) {
        walk->file_done = 1;
    }
    if (walk->file_read > (uint64_t)walk->file_bytes) {
        walk->file_problem = "changed while being read"; /* also bounds a file that grows as fast as we read */
    }
    return walk->file_problem ? 0 : (uint64_t)got;
}

void
viv_walk_grant_file_close(struct viv_kit_walk *walk)
{
    struct stat info;
    if (!walk->file_problem && walk->file_done &&
        (walk->file_read != (uint64_t)walk->file_bytes || fstat(walk->file_fd, &info) != 0 ||
         info.st_size != walk->file_bytes || changed_ns(&info) != walk->file_changed_ns)) {
        walk->file_problem = "changed while being read";
    }
    (void)close(walk->file_fd); /* read-only */
    walk->file_fd = -1;
}

void
viv_walk_grant_close(struct viv_kit_walk *walk)
{
    if (walk->file_fd >= 0) {
        (void)close(walk->file_fd); /* read-only */
    }
    walk->file_fd = -1;
    while (walk->levels && walk->level_count > 0) {
        pop(walk);
    }
}

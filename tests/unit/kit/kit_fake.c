/* SPDX-License-Identifier: Apache-2.0 */
/* See kit_fake.h. Its own mistakes end the test program by cmocka's assertions. */
#include "../../support/cm.h"

#include "kit_fake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *
lend_memory(struct viv_call *call, uint64_t size)
{
    struct kit_fake *fake = call->host_data;
    return vh_arena_alloc(fake->arena, size);
}

static uint32_t
cancelled(struct viv_call *call)
{
    struct kit_fake *fake = call->host_data;
    fake->looks++;
    return fake->cancel_after > 0 && fake->looks >= fake->cancel_after;
}

static viv_status
acquire(const struct viv_host *host, const char *id, const void **ret_table, struct viv_error *err)
{
    const struct kit_fake *fake = host->host_data;
    if (fake->deny_services)
        return viv_kit_fail(err, VIV_E_DENIED, "lend", "service '%s' is not granted", id);
    *ret_table = strcmp(id, VIV_SERVICE_EFFECT) == 0  ? (const void *)&fake->effects
                 : strcmp(id, VIV_SERVICE_CLOCK) == 0 ? (const void *)&fake->clock
                                                      : (const void *)&fake->log;
    return VIV_OK;
}

static int64_t
now_us(const struct viv_clock *clock, struct viv_call *call)
{
    (void)call;
    return ((const struct kit_fake *)clock->host_data)->now_us;
}

static void
write_log(const struct viv_log *log, uint32_t level, struct viv_str text)
{
    (void)log;
    (void)level;
    (void)text;
}

static int64_t
time_of(const struct stat *info)
{
    return info->st_mtim.tv_sec * INT64_C(1000000) + info->st_mtim.tv_nsec / 1000;
}

/* By descriptors, since paths of hostile trees are longer than PATH_MAX. */
static void
list(struct viv_kit_json *json, int fd, const char *prefix, bool recursive, uint32_t depth)
{
    DIR *folder = fdopendir(fd);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        struct stat info;
        char path[VIV_PATH_MAX + 300];
        assert_int_equal(fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW), 0);
        int len = snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", entry->d_name);
        bool is_folder = S_ISDIR(info.st_mode);
        if (len > VIV_PATH_MAX)
            continue;
        viv_kit_json_object(json, NULL);
        viv_kit_json_text(json, "kind",
                          viv_kit_str(is_folder               ? "folder"
                                      : S_ISREG(info.st_mode) ? "file"
                                      : S_ISLNK(info.st_mode) ? "link"
                                                              : "other"));
        viv_kit_json_integer(json, "mtime_us", time_of(&info));
        viv_kit_json_path(json, "path", viv_kit_str(path));
        viv_kit_json_integer(json, "size", info.st_size);
        viv_kit_json_end(json);
        int inner = is_folder && recursive && depth < 200
                        ? openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
                        : -1;
        if (inner >= 0) {
            list(json, inner, path, recursive, depth + 1);
        }
    }
    closedir(folder);
}

static viv_status
do_list(struct kit_fake *fake, const char *path, bool recursive, struct viv_effect_outcome *outcome,
        struct viv_error *err)
{
    int root = open(fake->folder, O_RDONLY | O_DIRECTORY);
    int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    close(root);
    if (fd < 0)
        return viv_kit_fail(err, errno == ENOENT ? VIV_E_NOT_FOUND : VIV_E_INVALID, "effect", "cannot list '%s'",
                            path);
    struct viv_kit_json json;
    viv_kit_json_init(&json, viv_kit_memory_of(&fake->call), 64u << 20);
    viv_kit_json_object(&json, NULL);
    viv_kit_json_list(&json, "entries");
    list(&json, fd, strcmp(path, ".") == 0 ? "" : path, recursive, 0);
    viv_kit_json_end(&json);
    viv_kit_json_end(&json);
    return viv_kit_json_finish(&json, &outcome->detail_json, err);
}

static viv_status
do_read(struct kit_fake *fake, const char *path, struct viv_effect_outcome *outcome, struct viv_error *err)
{
    int root = open(fake->folder, O_RDONLY | O_DIRECTORY);
    int fd = openat(root, path, O_RDONLY | O_NOFOLLOW);
    int error = errno;
    close(root);
    if (fd < 0) {
        return viv_kit_fail(err,
                            error == ENOENT   ? VIV_E_NOT_FOUND
                            : error == EACCES ? VIV_E_DENIED
                                              : VIV_E_IO,
                            "effect", "cannot read '%s'", path);
    }
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    size_t want = info.st_size > VIV_OUTPUT_MAX ? VIV_OUTPUT_MAX : (size_t)info.st_size;
    char *bytes = vh_arena_alloc(fake->arena, want + 1);
    if (bytes) {
        assert_int_equal(read(fd, bytes, want), want);
        outcome->output = (struct viv_str){ bytes, want };
        outcome->flags = info.st_size > (off_t)want ? VIV_EFFECT_OUTPUT_CUT : 0;
    }
    close(fd);
    return bytes ? VIV_OK : viv_kit_fail(err, VIV_E_MEMORY, "effect", "no memory");
}

static viv_status
perform(const struct viv_effects *effects, struct viv_call *call, const struct viv_effect_request *request,
        struct viv_effect_outcome *ret_outcome, struct viv_error *err)
{
    struct kit_fake *fake = effects->host_data;
    (void)call;
    assert_int_equal(request->size, sizeof *request);
    fake->used |= 1u << request->kind;
    if (fake->deny_kind == request->kind || fake->deny_kind == UINT32_MAX)
        return viv_kit_fail(err, fake->deny_status, "effect", "rule 'test' forbids it");
    char path[VIV_PATH_MAX + 1];
    assert_true(request->path.len < sizeof path && viv_kit_path_safe(request->path));
    memcpy(path, request->path.data, request->path.len);
    path[request->path.len] = '\0';
    if (request->kind == VIV_EFFECT_LIST)
        return do_list(fake, path, viv_kit_is(request->spec_json, "{\"recursive\":1}"), ret_outcome, err);
    if (request->kind == VIV_EFFECT_READ)
        return do_read(fake, path, ret_outcome, err);
    assert_int_equal(request->kind, VIV_EFFECT_WRITE);
    fake->writes++;
    kit_fake_file(fake, path, request->bytes.data, request->bytes.len);
    return VIV_OK;
}

void
kit_fake_init(struct kit_fake *fake)
{
    memset(fake, 0, sizeof *fake);
    const char *base = getenv("TMPDIR");
    snprintf(fake->folder, sizeof fake->folder, "%s/viv-kit-XXXXXX", base && strlen(base) < 40 ? base : "/tmp");
    assert_non_null(mkdtemp(fake->folder));
    fake->now_us = KIT_FAKE_TIME_US + INT64_C(86400000000);
    fake->deny_status = VIV_E_DENIED;
    fake->max_bytes = VIV_CALL_ARENA_MAX;
    fake->host = (struct viv_host){ sizeof fake->host, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR, fake, acquire };
    fake->effects = (struct viv_effects){ sizeof fake->effects, 1, fake, perform };
    fake->clock = (struct viv_clock){ sizeof fake->clock, 1, fake, now_us };
    fake->log = (struct viv_log){ sizeof fake->log, 1, fake, write_log };
    fake->call.root_fd = -1;
}

struct viv_call *
kit_fake_call(struct kit_fake *fake, bool grant)
{
    vh_arena_destroy(fake->arena);
    fake->arena = vh_arena_create(NULL, fake->max_bytes);
    assert_non_null(fake->arena);
    if (fake->call.root_fd >= 0) {
        close(fake->call.root_fd);
    }
    fake->looks = 0;
    fake->writes = 0;
    fake->call = (struct viv_call){ .size = sizeof fake->call,
                                    .rev = 1,
                                    .deadline_ns = INT64_MAX,
                                    .host_data = fake,
                                    .root_fd = grant ? open(fake->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1,
                                    .alloc = lend_memory,
                                    .cancelled = cancelled };
    return &fake->call;
}

static int
open_parent(struct kit_fake *fake, const char *path, const char **ret_name)
{
    int fd = open(fake->folder, O_RDONLY | O_DIRECTORY);
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(path, '/')) {
        char part[256];
        assert_true((size_t)(slash - path) < sizeof part);
        memcpy(part, path, (size_t)(slash - path));
        part[slash - path] = '\0';
        (void)mkdirat(fd, part, 0755); /* may be there */
        int next = openat(fd, part, O_RDONLY | O_DIRECTORY);
        close(fd);
        assert_true(next >= 0);
        fd = next;
        path = slash + 1;
    }
    *ret_name = path;
    return fd;
}

void
kit_fake_file(struct kit_fake *fake, const char *path, const void *bytes, size_t len)
{
    const char *name;
    int folder = open_parent(fake, path, &name);
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    if (len > 0) {
        assert_int_equal(write(fd, bytes, len), len);
    }
    close(fd);
    close(folder);
    kit_fake_modified(fake, path, KIT_FAKE_TIME_US);
}

void
kit_fake_modified(struct kit_fake *fake, const char *path, int64_t modified_us)
{
    const char *name;
    int folder = open_parent(fake, path, &name);
    const struct timespec time = { modified_us / 1000000, modified_us % 1000000 * 1000 };
    const struct timespec times[2] = { time, time };
    assert_int_equal(utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW), 0);
    close(folder);
}

char *
kit_fake_read(struct kit_fake *fake, struct vh_arena *arena, const char *path, size_t *ret_len)
{
    const char *name;
    int folder = open_parent(fake, path, &name);
    int fd = openat(folder, name, O_RDONLY);
    assert_true(fd >= 0);
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    char *bytes = vh_arena_alloc(arena, (size_t)info.st_size + 1);
    assert_int_equal(read(fd, bytes, (size_t)info.st_size), info.st_size);
    close(fd);
    close(folder);
    *ret_len = (size_t)info.st_size;
    return bytes;
}

/* By descriptors: nftw stops at PATH_MAX. */
static void
empty_folder(int fd)
{
    DIR *folder = fdopendir(fd);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        int inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        assert_true(inner >= 0);
        empty_folder(inner);
        assert_int_equal(unlinkat(fd, entry->d_name, AT_REMOVEDIR), 0);
    }
    closedir(folder);
}

void
kit_fake_empty(struct kit_fake *fake)
{
    empty_folder(open(fake->folder, O_RDONLY | O_DIRECTORY));
}

void
kit_fake_finish(struct kit_fake *fake)
{
    vh_arena_destroy(fake->arena);
    if (fake->call.root_fd >= 0) {
        close(fake->call.root_fd);
    }
    kit_fake_empty(fake);
    assert_int_equal(rmdir(fake->folder), 0);
}

int
kit_fake_open_files(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder)) {
        count++;
    }
    closedir(folder);
    return count;
}

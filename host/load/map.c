/* SPDX-License-Identifier: Apache-2.0 */
/* The loader of the C library knows what it loaded by name. A descriptor number used twice would bring back the code
 * that had it first (reproduced), so numbers are taken from a counter that only rises. The counter is global because
 * the loader's memory is: both are the process's. */
#include "map.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

#define FIRST_NUMBER 256 /* above what a process has open when it loads, below the usual limit of 1,024 */
#define RESERVED_NUMBER 511
#define TRIES_MAX 4096

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static atomic_int next_number = FIRST_NUMBER;

static int
make_memory_file(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) { /* before Linux 6.3 */
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    return fd;
}

static int
write_all(int fd, const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t put = write(fd, bytes + at, len - at);
        if (put < 0 && errno != EINTR) {
            return -1;
        }
        at += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

viv_status
vh_map_seal(const void *bytes, size_t len, const char *name, int *ret_fd, struct viv_error *err)
{
    int fd = make_memory_file(name);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "map", "cannot make a memory file for '%s'", name);
    }
    if (write_all(fd, bytes, len) || fcntl(fd, F_ADD_SEALS, SEALS)) {
        viv_status status = vh_error_errno(err, VIV_E_IO, "map", "cannot fill and seal the memory file of '%s'", name);
        close(fd);
        return status;
    }
    *ret_fd = fd;
    return VIV_OK;
}

void
vh_map_reserve(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, RESERVED_NUMBER);
    if (copy >= 0) {
        close(copy);
    }
}

/* A copy of `fd` under a number that no plugin of this process had, or -1. A number somebody else holds right now is
 * passed over. */
static int
take_number(int fd)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        int number = atomic_fetch_add(&next_number, 1);
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, number);
        if (copy == number || copy < 0) {
            return copy;
        }
        close(copy);
    }
    return -1;
}

/* The one call of dlopen. NODELETE: a plugin's code stays until the process ends, so no thread, key or handler of
 * it can be left hanging. */
static void *
open_number(int number)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", number);
    return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

viv_status
vh_map_open(int fd, const char *name, struct vh_map *ret_map, struct viv_error *err)
{
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS) {
        return vh_error_set(err, VIV_E_DENIED, "map", "the memory of '%s' is not sealed: seals 0x%x, needed 0x%x", name,
                            seals < 0 ? 0u : (unsigned)seals, (unsigned)SEALS);
    }
    int number = take_number(fd);
    if (number < 0) {
        return vh_error_set(err, VIV_E_LIMIT, "map",
                            "no unused descriptor number is left to map '%s': tried up to %d, allowed by the limit on "
                            "open files; raise it (ulimit -n) or restart",
                            name, atomic_load(&next_number) - 1);
    }
    void *handle = open_number(number);
    close(number); /* the mapping keeps the memory; the number is never taken again */
    if (!handle) {
        const char *reason = dlerror();
        return vh_error_set(err, VIV_E_PLUGIN, "map", "plugin '%s' cannot be mapped: %s", name,
                            reason ? reason : "the loader gave no reason");
    }
    void *symbol = dlsym(handle, "viv_plugin_entry");
    if (!symbol) {
        return vh_error_set(err, VIV_E_PLUGIN, "entry",
                            "plugin '%s' does not export 'viv_plugin_entry', the one symbol it must export", name);
    }
    struct vh_map map = { .handle = handle };
    memcpy(&map.entry, &symbol, sizeof map.entry);
    *ret_map = map;
    return VIV_OK;
}

viv_status
vh_map_bytes(const void *bytes, size_t len, const char *name, struct vh_map *ret_map, struct viv_error *err)
{
    int fd;
    viv_status status = vh_map_seal(bytes, len, name, &fd, err);
    if (status) {
        return status;
    }
    status = vh_map_open(fd, name, ret_map, err);
    close(fd);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces, one step each. Which variant uses which: full all; reduced-root all but the user
 * namespace; reduced-copy none. The task's user is 1000 inside a user namespace whatever it is
 * outside: never root inside, and outside it holds no capability. */
#include "keeper.h"
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TASK_ID 1000

pid_t
ns_clone(enum vw_variant variant, int *ret_pidfd, struct vw_reply *reply)
{
    uint64_t flags = CLONE_PIDFD;
    enum step step = STEP_FORK;
    if (variant != VW_REDUCED_COPY) {
        flags |= CLONE_NEWPID;
        step = STEP_PIDNS;
    }
    if (variant == VW_FULL) {
        flags |= CLONE_NEWUSER;
    }
    if ((variant == VW_FULL && step_fails(STEP_USERNS))) {
        return step_refuse(reply, STEP_USERNS, NULL);
    }
    if (step_fails(step)) {
        return step_refuse(reply, step, NULL);
    }
    /* The plain call: glibc's wrapper wants a stack, and a single-threaded program needs none. */
    pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, ret_pidfd, NULL, 0);
    if (pid < 0) {
        return step_refuse(reply, variant == VW_FULL ? STEP_USERNS : step, NULL);
    }
    return pid;
}

static int
write_proc(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t put = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return put == (ssize_t)strlen(text) ? 0 : -1;
}

static int
map_user(struct keeper *keeper, uid_t uid, gid_t gid)
{
    char line[64];
    if (step_fails(STEP_MAPS) || write_proc("/proc/self/setgroups", "deny")) {
        return step_refuse(&keeper->ready, STEP_MAPS, "setgroups");
    }
    snprintf(line, sizeof line, "%d %u 1\n", TASK_ID, uid);
    if (write_proc("/proc/self/uid_map", line)) {
        return step_refuse(&keeper->ready, STEP_MAPS, "uid_map");
    }
    snprintf(line, sizeof line, "%d %u 1\n", TASK_ID, gid);
    if (write_proc("/proc/self/gid_map", line)) {
        return step_refuse(&keeper->ready, STEP_MAPS, "gid_map");
    }
    keeper->ready.bits |= VW_USERNS;
    return 0;
}

/* Our mounts stay ours; what is unmounted outside goes away here too, so that a keeper waiting for
 * work holds no disk busy. In a chroot "/" is not a mount, so its propagation cannot be set.
 * Entering our own mount namespace once more puts us at its real root; from there everything is
 * made to follow, then we return to where we were. */
static int
make_follower(struct keeper *keeper)
{
    int here = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (here < 0 || self < 0 || step_fails(STEP_PRIVATE)) {
        return step_refuse(&keeper->ready, STEP_PRIVATE, NULL);
    }
    bool chrooted = mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0;
    if (chrooted &&
        (errno != EINVAL || setns(self, CLONE_NEWNS) ||
         mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) || fchdir(here) || chroot("."))) {
        return step_refuse(&keeper->ready, STEP_PRIVATE, NULL);
    }
    close(here);
    close(self);
    return 0;
}

static int
leave(struct keeper *keeper, enum step step, int flag, uint32_t bit)
{
    if (step_fails(step) || unshare(flag)) {
        return step_refuse(&keeper->ready, step, NULL);
    }
    keeper->ready.bits |= bit;
    return 0;
}

/* So that what a task starts on 127.0.0.1 or ::1 is found by itself. It reaches nothing else: this
 * loopback is the namespace's only interface. Less than the full profile has no such sockets. */
static int
raise_loopback(struct keeper *keeper)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = step_fails(STEP_LOOPBACK) ? -1 : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request)) {
        return step_refuse(&keeper->ready, STEP_LOOPBACK, NULL);
    }
    request.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request)) {
        return step_refuse(&keeper->ready, STEP_LOOPBACK, "up");
    }
    close(fd);
    return 0;
}

int
ns_door(struct keeper *keeper)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(VW_DOOR_PORT),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (keeper->variant != VW_FULL) {
        errno = EOPNOTSUPP;
        return step_refuse(&keeper->ready, STEP_DOOR, "this profile has no network");
    }
    keeper->door = step_fails(STEP_DOOR) ? -1 : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* It listens more than once, and connections of before may still be dying. */
    int yes = 1;
    if (keeper->door < 0 || setsockopt(keeper->door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
        bind(keeper->door, (const struct sockaddr *)&address, sizeof address)) {
        return step_refuse(&keeper->ready, STEP_DOOR, NULL);
    }
    return 0;
}

int
ns_enter(struct keeper *keeper)
{
    enum vw_variant variant = keeper->variant;
    if (variant == VW_REDUCED_COPY) {
        return 0;
    }
    keeper->ready.bits |= VW_PIDNS;
    if (variant == VW_FULL && map_user(keeper, keeper->uid, keeper->gid)) {
        return -1;
    }
    if (leave(keeper, STEP_MOUNTNS, CLONE_NEWNS, VW_MOUNTNS) || make_follower(keeper) ||
        leave(keeper, STEP_NETNS, CLONE_NEWNET, VW_NETNS) ||
        (variant == VW_FULL && raise_loopback(keeper)) ||
        leave(keeper, STEP_IPCNS, CLONE_NEWIPC, VW_IPCNS) ||
        leave(keeper, STEP_UTSNS, CLONE_NEWUTS, VW_UTSNS)) {
        return -1;
    }
    if (sethostname("vivarium", 8)) {
        return step_refuse(&keeper->ready, STEP_UTSNS, "host name");
    }
    return 0;
}

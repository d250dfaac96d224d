# SPDX-License-Identifier: Apache-2.0
"""The table of doors, for the lint that reads sources (onedoor) and the one that reads objects (doorsymbols).

A row names files, and where it can the calls they make: a new caller is a new row with its reason, so that a review
sees it. The launcher, the zygote, the runner and viv-egress are programs of their own; with plain files, memory and time
they may do as they like, so those rows name their folders."""
import fnmatch
import functools
import re

SEAM = "host/base/seam.c"
HOST, PLUGINS = ["host/*"], ["plugins/*", "skills/*", "plugin-api/*", "tools/*"]
LAUNCHER, RUNNER, RUN, EGRESS = "host/launcher/", "host/runner/", "host/run/", "host/egress/"
APART = {LAUNCHER + "*": "separate program", RUNNER + "*": "separate program", EGRESS + "*": "separate program"}

# (calls, where the rule holds, {file or file:calls: reason}, what to do instead)
DOORS = [
    ("fork vfork clone clone2 clone3 forkpty daemon execl execle execlp execv execve execvp execvpe fexecve execveat "
     "posix_spawn* pidfd_spawn* system popen wordexp", HOST + PLUGINS,
     {SEAM + ":posix_spawn*": "starts launcher and zygote", LAUNCHER + "run.c:fork": "a child for each program of a task",
      LAUNCHER + "spawn.c:execvp": "tools of the host's side", RUNNER + "main.c:fork": "the zygote forks runners"},
     "seam->spawn, or an exec effect"),
    ("connect socket bind listen accept accept4 getaddrinfo* gethostby* getnameinfo res_query res_search rcmd* rexec*",
     HOST + PLUGINS, {RUN + "socket.c:socket connect bind listen accept4": "the host's own control socket",
                      RUN + "notify.c:socket": "words to the service manager that started the host",
                      LAUNCHER + "ns.c:socket bind": "a task's loopback is raised, and its door made, inside",
                      RUN + "network.c:listen": "a task's door, which the launcher made",
                      EGRESS + "transfer.c:socket": "libcurl's sockets, for addresses that were checked",
                      EGRESS + "connection.c:socket connect": "doors' connections, to addresses that were checked",
                      EGRESS + "door.c:accept4": "clients of doors", EGRESS + "resolve.c:getaddrinfo": "the one look-up"},
     "host/run/socket.c, or viv-egress"),
    ("socketpair sendmsg recvmsg sendmmsg recvmmsg send recv sendto recvfrom", HOST + PLUGINS,
     {RUN + "socket.c:send recv": "the control socket",
      RUN + "notify.c:sendto": "words to the service manager that started the host",
      RUN + "sandbox_wire.c:sendmsg recvmsg": "the channel to the launcher", RUN + "launcher.c:socketpair": "makes that channel",
      RUN + "runner.c:socketpair send recv": "the channel to runners",
      RUN + "zygote.c:socketpair sendmsg recvmsg": "the channel to the zygote",
      LAUNCHER + "channel.c:sendmsg recvmsg": "the other end", LAUNCHER + "spawn.c:socketpair": "the channel to keepers",
      RUNNER + "main.c:sendmsg recvmsg": "the other end", RUNNER + "lend.c:send": "the other end",
      RUNNER + "serve.c:send recv": "the other end", RUN + "egress.c:socketpair sendmsg recv": "the channel to viv-egress",
      RUN + "egress_door.c:send": "the end of a door",
      EGRESS + "channel.c:sendmsg recvmsg": "the other end", EGRESS + "door.c:recv": "the end of a door",
      EGRESS + "relay.c:send recv": "doors' connections"}, "one of these files"),
    ("dlopen dlmopen dlsym dlvsym dlclose dladdr* dlinfo dl_iterate_phdr dlopen_mode", HOST + PLUGINS,
     {"host/load/map.c": "behind the digest check; the runner links this file"}, "vh_map_* of host/load/map.h"),
    ("sqlite3_load_extension sqlite3_enable_load_extension sqlite3_auto_extension", HOST + PLUGINS, {},
     "what SQLite is built with"),
    ("unlink unlinkat rmdir remove rename renameat renameat2 link linkat symlink symlinkat mktemp mkstemp* mkostemp* mkdtemp "
     "tmpfile tmpnam* tempnam", HOST + PLUGINS,
     {SEAM + ":unlinkat renameat2 linkat symlinkat": "the seam", LAUNCHER + "root.c:symlink": "links of a task's root",
      LAUNCHER + "filter_gen.c:tmpfile": "runs at build time", RUNNER + "gen_filter.c:tmpfile": "runs at build time",
      EGRESS + "filter_gen.c:tmpfile": "runs at build time"},
     "the seam's members, vh_fs_*, or a file effect"),
    ("mount umount umount2 unshare setns pivot_root chroot fsopen fsconfig fsmount fspick open_tree* move_mount mount_setattr",
     HOST + PLUGINS, {LAUNCHER + file: "namespaces are the launcher's work" for file in
                      ("ns.c:mount unshare setns chroot", "workspace.c:mount move_mount",
                       "root.c:mount umount2 chroot open_tree move_mount mount_setattr")}, "the launcher"),
    ("ptrace process_vm_readv process_vm_writev userfaultfd perf_event_open io_uring_* aio_* lio_listio", HOST + PLUGINS, {},
     "the seam: nothing looks into another process or queues calls past it"),
    ("open openat openat2 open_by_handle_at creat fopen fdopen freopen open_memstream read readv write writev pread pwrite "
     "preadv* pwritev* fsync fdatasync syncfs sync truncate ftruncate fallocate posix_fallocate mkdir mkdirat mkfifo mkfifoat "
     "mknod mknodat chmod fchmod fchmodat chown fchown fchownat lchown utimensat futimens utime utimes futimes lutimes flock "
     "lockf stat lstat fstat fstatat statx access euidaccess faccessat readlink readlinkat opendir fdopendir readdir closedir "
     "scandir nftw ftw copy_file_range sendfile splice tee vmsplice close getxattr lgetxattr fgetxattr setxattr lsetxattr "
     "fsetxattr listxattr flistxattr removexattr lremovexattr fremovexattr", HOST,
     {SEAM: "the seam", RUN + "control.c:read": "a word of its table of members",
      "host/base/fs.c:fdopendir readdir closedir": "a folder stream on a descriptor of the seam",
      "host/base/log.c:write": "the operator's log goes to standard error", RUN + "socket.c:write close": "the control socket",
      RUN + "sandbox_exec.c:read": "output of what runs there", RUN + "sandbox_tool.c:read": "output of what runs there",
      RUN + "sandbox_wire.c:pwrite close": "the channel to the launcher",
      RUN + "runner.c:close ftruncate": "the channel to runners and the memory shared with them",
      RUN + "zygote.c:close": "the channel to the zygote",
      "host/load/map.c:write close": "the sealed file a plugin is mapped from; the runner links this file", **APART},
     "the seam's members or vh_fs_*"),
    ("mmap mremap munmap memfd_create memfd_secret shm_open shm_unlink", HOST,
     {"host/load/map.c:memfd_create": "the sealed file a plugin is mapped from",
      RUN + "runner.c:memfd_create mmap munmap": "the memory shared with a runner",
      RUN + "sandbox_wire.c:memfd_create": "a request too large for one message", **APART}, "vh_fs_read"),
    ("sched_setaffinity pthread_setaffinity_np pthread_attr_setaffinity_np setrlimit prlimit", HOST + PLUGINS,
     {SEAM + ":sched_setaffinity": "the seam", LAUNCHER + "confine.c:setrlimit": "its children",
      RUNNER + "confine.c:setrlimit": "itself", EGRESS + "confine.c:setrlimit": "itself"}, "seam->pin"),
    ("kill tgkill killpg sigqueue waitpid wait wait3 wait4 waitid pidfd_open pidfd_getfd pidfd_send_signal", HOST + PLUGINS,
     {SEAM + ":kill waitpid": "the seam", LAUNCHER + "launcher.c:kill waitid waitpid": "its own children",
      LAUNCHER + "keeper.c:waitpid": "its own children", LAUNCHER + "run.c:wait4": "its own children",
      LAUNCHER + "tree.c:kill": "its own children", RUNNER + "main.c:kill waitpid": "its own children"},
     "seam->kill, seam->wait"),
    ("time clock clock_gettime gettimeofday times localtime mktime timespec_get", HOST + PLUGINS,
     {SEAM: "the seam", **APART}, "seam->monotonic_ns, seam->wall_us; in a plugin viv.clock/1"),
    ("getrandom getentropy rand rand_r random srand srandom drand48 arc4random arc4random_buf arc4random_uniform "
     "randombytes_buf randombytes_random RAND_bytes", HOST + PLUGINS,
     {SEAM + ":getrandom": "the seam"}, "seam->random; in a plugin viv.random/1"),
    ("sleep usleep nanosleep clock_nanosleep thrd_sleep", HOST + PLUGINS + ["tests/*"], {},
     "waiting for what you wait for: poll with a deadline"),
    ("malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf posix_memalign aligned_alloc alloca getline",
     HOST, {"host/base/arena.c": "counts and can be told to fail", "host/load/document.c:free": "texts that jansson makes",
            **APART}, "vh_arena_*"),
    ("getenv secure_getenv setenv putenv unsetenv clearenv", HOST + PLUGINS,
     {SEAM + ":getenv": "the name of a crash place", "host/app.c:getenv": "where the user's folders are",
      "host/commands/cli.c:getenv": "the same", "host/commands/cmd_doctor.c:getenv": "the same",
      "host/commands/service.c:getenv unsetenv": "what the service manager handed over",
      RUN + "secrets.c:getenv unsetenv": "keys, which no other process may get"},
     "an argument from the command line's side"),
    ("printf puts putchar putc fputs fputc fprintf vprintf vfprintf dprintf vdprintf fwrite perror", HOST,
     {"host/commands/*": "answers go to standard output", "host/replay/main.c": "a program of its own",
      SEAM + ":dprintf": "a crash place says its name", **APART}, "vh_log, or an error text"),
]

# File -> the system calls it makes by number, as 'syscall(SYS_name'. A number that is not named there is no call.
NUMBERED = {
    SEAM: "openat2 pidfd_send_signal",
    RUN + "launcher.c": "pidfd_open",
    RUN + "sandbox.c": "pidfd_send_signal",
    RUN + "sandbox_exec.c": "pidfd_send_signal",
    RUN + "sandbox_tool.c": "pidfd_send_signal",
    LAUNCHER + "child.c": "openat2 execveat",
    LAUNCHER + "confine.c": "capset seccomp",
    LAUNCHER + "landlock.c": "landlock_add_rule landlock_create_ruleset landlock_restrict_self",
    LAUNCHER + "ns.c": "clone pidfd_open",
    LAUNCHER + "root.c": "pivot_root",
    LAUNCHER + "spawn.c": "clone",
    LAUNCHER + "workspace.c": "openat2",
    RUNNER + "confine.c": "landlock_add_rule landlock_create_ruleset landlock_restrict_self capset",
    EGRESS + "confine.c": "landlock_add_rule landlock_create_ruleset landlock_restrict_self capset",
    RUNNER + "filter.c": "seccomp",
    RUNNER + "main.c": "pidfd_open",
}
# Numbers that stand in a filter and are not called.
COMPARED = {LAUNCHER + "filter_gen.c": "personality socket"}
NUMBERED_INSTEAD = "a member of the seam"

EXACT = {call: row for row in DOORS for call in row[0].split() if not call.endswith("*")}
BEGIN = [(call[:-1], row) for row in DOORS for call in row[0].split() if call.endswith("*")]
# What the C library puts around a name: __read, __libc_fork, __GI_execve, open64, __read_chk, renameat2@GLIBC_2.28.
AROUND = re.compile(r"_*(?:(?:libc|GI|IO)_+)?(?:x(?=stat|lstat|fstat))?([A-Za-z]\w*?)(?:64)?(?:_time64)?(?:_2|_chk)?(?:@.*)?$", re.S)


@functools.cache
def door_of(symbol):
    """(call, row) of a name as a source or an object has it, or None."""
    match = AROUND.fullmatch(symbol)
    if not match:
        return None
    bare = match[1]
    for name in (symbol, bare, bare.lower() if symbol.startswith("_") else bare):
        if name in EXACT:
            return name, EXACT[name]
    for begin, row in BEGIN:
        if bare.startswith(begin):
            return bare, row
    return None


@functools.cache
def is_numbered(symbol):
    match = AROUND.fullmatch(symbol)
    return bool(match) and match[1] == "syscall"


def allowed(path, call, row):
    """Whether `path` may make `call`; true where the row does not hold."""
    if not any(fnmatch.fnmatchcase(path, place) for place in row[1]):
        return True
    for place in row[2]:
        file, _, calls = place.partition(":")
        if fnmatch.fnmatchcase(path, file) and (not calls or any(fnmatch.fnmatchcase(call, one) for one in calls.split())):
            return True
    return False


def refusal(call, row):
    """'execve' is allowed in ...; use ..."""
    where = ", ".join(sorted({place.partition(":")[0] for place in row[2]})) or "nowhere"
    return f"'{call}' is allowed in {where}; use {row[3]}"


def refusal_numbered():
    return f"'syscall' is allowed in {', '.join(sorted(NUMBERED))}, as 'syscall(SYS_name'; use {NUMBERED_INSTEAD}"

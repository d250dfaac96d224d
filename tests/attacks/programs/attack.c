/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks that Python cannot make: `attack NAME [WORDS]`. What was reached is said in a line of its
 * own, "REACHED WORD"; what is read is printed, and whoever planted it knows it again. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void
reached(const char *what)
{
    printf("REACHED %s\n", what);
    fflush(stdout);
}

static void
print_file(int fd)
{
    char text[512];
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (len > 0) {
        printf("%.*s\n", (int)len, text);
    }
}

/* ---- namespaces ---- */

static void
in_user_namespace(const char *folder)
{
    reached("userns");
    if (unshare(CLONE_NEWNS) == 0 && mount("none", folder, "tmpfs", 0, NULL) == 0) {
        reached("mount");
    }
}

static int
attack_userns(char **words)
{
    if (unshare(CLONE_NEWUSER) == 0) {
        in_user_namespace(words[0] ? words[0] : "/tmp");
    }
    return 0;
}

static int
attack_clone3(char **words)
{
    (void)words;
    static const uint64_t flags[] = {CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWPID,
                                     CLONE_NEWNET};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        struct clone_args args = {.flags = flags[i], .exit_signal = SIGCHLD};
        long pid = syscall(SYS_clone3, &args, sizeof args);
        if (pid == 0) {
            _exit(0);
        }
        if (pid > 0) {
            (void)waitpid((pid_t)pid, NULL, 0);
            reached("clone3");
        }
    }
    return 0;
}

/* ---- other entries of the kernel ---- */

/* open, read through the 32-bit entry, whose numbers a filter for 64 bits would take for others. */
static int
attack_i386(char **words)
{
#if defined(__x86_64__)
    char *low =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED || !words[0]) {
        return 1;
    }
    snprintf(low, 4096, "%s", words[0]);
    long fd;
    __asm__ volatile("int $0x80"
                     : "=a"(fd)
                     : "a"(5L), "b"(low), "c"(0L), "d"(0L)
                     : "memory", "r8", "r9", "r10", "r11");
    print_file((int)fd);
#else
    (void)words;
#endif
    return 0;
}

static int
attack_x32(char **words)
{
#if defined(__x86_64__)
    if (words[0]) {
        print_file((int)syscall(0x40000000 | SYS_open, words[0], O_RDONLY));
    }
#else
    (void)words;
#endif
    return 0;
}

struct ring {
    struct io_uring_params params;
    char *sq, *cq;
    struct io_uring_sqe *entries;
    int fd;
};

static int
ring_open(struct ring *ring)
{
    memset(ring, 0, sizeof *ring);
    ring->fd = (int)syscall(SYS_io_uring_setup, 4, &ring->params);
    if (ring->fd < 0) {
        return -1;
    }
    size_t size = ring->params.sq_off.array + ring->params.sq_entries * sizeof(uint32_t);
    size_t cq_size =
        ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe);
    ring->sq = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
    ring->cq =
        mmap(NULL, cq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_CQ_RING);
    ring->entries = mmap(NULL, ring->params.sq_entries * sizeof(struct io_uring_sqe),
                         PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQES);
    return ring->sq == MAP_FAILED || ring->cq == MAP_FAILED || ring->entries == MAP_FAILED ? -1 : 0;
}

/* An open that the kernel does on its own behalf, past a filter that looks at openat. */
static int
attack_io_uring(char **words)
{
    struct ring ring;
    if (!words[0] || ring_open(&ring)) {
        return 0;
    }
    reached("io_uring");
    struct io_uring_sqe *entry = &ring.entries[0];
    *entry = (struct io_uring_sqe){
        .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (uintptr_t)words[0], .len = 0};
    ((uint32_t *)(void *)(ring.sq + ring.params.sq_off.array))[0] = 0;
    __atomic_store_n((uint32_t *)(void *)(ring.sq + ring.params.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1) {
        print_file(((struct io_uring_cqe *)(void *)(ring.cq + ring.params.cq_off.cqes))->res);
    }
    return 0;
}

/* ---- numbers ---- */

/* At most `most`; none of them ever ends by itself. */
static int
attack_forks(char **words)
{
    long most = words[0] ? strtol(words[0], NULL, 10) : 5000;
    long count = 0;
    for (; count < most; count++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (;;) {
                pause();
            }
        }
        if (pid < 0) {
            break;
        }
    }
    printf("forked %ld\n", count);
    if (count >= most) {
        reached("processes");
    }
    return 0;
}

static void *
stand(void *nothing)
{
    for (;;) {
        pause();
    }
    return nothing;
}

static int
attack_threads(char **words)
{
    long most = words[0] ? strtol(words[0], NULL, 10) : 5000;
    long count = 0;
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    while (count < most && pthread_create(&thread, &attributes, stand, NULL) == 0) {
        count++;
    }
    printf("threads %ld\n", count);
    if (count >= most) {
        reached("processes");
    }
    fflush(stdout);
    _exit(0);
}

static int
attack_zombies(char **words)
{
    long most = words[0] ? strtol(words[0], NULL, 10) : 2000;
    for (long i = 0; i < most; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (i % 2 && fork() == 0) {
                _exit(0); /* an orphan for whoever reaps here */
            }
            _exit(0);
        }
        if (pid < 0) {
            break;
        }
    }
    return 0;
}

/* Address space is asked for and never touched. */
static int
attack_memory(char **words)
{
    (void)words;
    if (mmap(NULL, (size_t)64 << 30, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED) {
        reached("memory");
    }
    return 0;
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(char **words);
    } attacks[] = {
        {"userns", attack_userns},   {"clone3", attack_clone3},     {"i386", attack_i386},
        {"x32", attack_x32},         {"io_uring", attack_io_uring}, {"forks", attack_forks},
        {"threads", attack_threads}, {"zombies", attack_zombies},   {"memory", attack_memory},
    };
    for (size_t i = 0; argc > 1 && i < sizeof attacks / sizeof *attacks; i++) {
        if (strcmp(attacks[i].name, argv[1]) == 0) {
            return attacks[i].run(argv + 2);
        }
    }
    fprintf(stderr, "usage: attack NAME [WORDS]\n");
    return 2;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the product cannot run in a chroot (no user namespaces there, no pivot_root), or
 * its mounts leak from there into the machine. Needs root. A child makes a mount namespace with a
 * small root in it, shared as systemd shares it, and a grandchild runs the sandbox inside a chroot
 * into that root. */
#include "sandbox_world.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

static char root[256];
static char real[4096]; /* path of the launcher */

static void
show(const char *source, const char *target)
{
    char path[600];
    struct stat stat_;
    snprintf(path, sizeof path, "%s%s", root, target);
    if (lstat(source, &stat_)) {
        return;
    }
    if (S_ISLNK(stat_.st_mode)) {
        char link[256];
        ssize_t len = readlink(source, link, sizeof link - 1);
        assert_true(len > 0);
        link[len] = '\0';
        assert_int_equal(symlink(link, path), 0);
        return;
    }
    if (S_ISDIR(stat_.st_mode)) {
        assert_int_equal(vh_fs_make_folders(vh_seam_real(), AT_FDCWD, path, 0755, NULL), VIV_OK);
    } else {
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(mount(source, path, NULL, MS_BIND | MS_REC, NULL), 0);
}

static void
make_root(const char *build, bool with_proc)
{
    static const char *const folders[] = {"/etc", "/dev", "/proc", "/tmp"};
    char path[600];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%s", root, folders[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    static const char *const shown[] = {
        "/usr",      "/bin",      "/sbin",     "/lib",        "/lib64",      "/etc/ld.so.cache",
        "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        show(shown[i], shown[i]);
    }
    show(build, build);
    if (with_proc) {
        show("/proc", "/proc");
    }
}

static size_t
count_mounts(void)
{
    static char text[262144];
    size_t lines = 0;
    FILE *file = fopen("/proc/self/mountinfo", "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    for (size_t i = 0; i < len; i++) {
        lines += text[i] == '\n';
    }
    return lines;
}

/* In the chroot. `hold` tells that a keeper is open, and waits until it was looked at. */
static int
use_sandbox(const char *launcher_path, const int hold[2])
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_launcher *launcher = vh_launcher_create(arena, vh_seam_real(), launcher_path, NULL);
    struct viv_error err = VIV_ERROR_INIT;
    struct world world = {.arena = arena, .seam = vh_seam_real(), .launcher = launcher};
    static const char *const names[] = {"/tmp/lower", "/tmp/upper", "/tmp/work", "/tmp/scratch"};
    char byte = 0;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(mkdir(names[i], 0755), 0);
    }
    if (vh_launcher_start(launcher, &err)) {
        fail_msg("%s", err.text);
    }
    struct vh_sandbox_profile profile;
    assert_int_equal(vh_sandbox_probe(launcher, "/tmp", VH_SANDBOX_FULL, &profile, &err),
                     VIV_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "full: step 'userns' failed: Operation not permitted"));
    struct vh_sandbox_plan plan = {
        .lowers = names,
        .lower_count = 1,
        .upper = names[1],
        .work = names[2],
        .scratch = names[3],
        .minimum = VH_PROFILE_MOUNTNS | VH_PROFILE_PIDNS | VH_PROFILE_NETNS | VH_PROFILE_OVERLAY,
    };
    struct vh_keeper *keeper = NULL;
    if (vh_sandbox_open(launcher, arena, &plan, &keeper, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(vh_keeper_profile(keeper)->variant, VH_SANDBOX_REDUCED_ROOT);
    world_expect(&world, keeper, "echo done >file; cat file; ls -d /work /tmp",
                 "done\n/tmp\n/work\n");
    world_refuse(&world, keeper, "cat /tmp/lower/file || cat /etc/shadow || ls /tmp/upper");
    (void)!write(hold[1], &byte, 1);
    (void)!read(hold[0], &byte, 1);
    vh_sandbox_close(keeper);
    vh_arena_destroy(arena);
    return 0;
}

/* Child: a mount namespace of its own, so that whatever goes wrong ends with it. */
static void
in_chroot(bool with_proc)
{
    char build[600];
    int up[2];
    int down[2];
    char byte = 0;
    snprintf(build, sizeof build, "%.500s", real);
    *strrchr(build, '/') = '\0';
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), 0);
    make_root(build, with_proc);
    assert_int_equal(pipe2(up, O_CLOEXEC) | pipe2(down, O_CLOEXEC), 0);
    size_t before = count_mounts();
    pid_t inside = fork();
    if (inside == 0) {
        assert_int_equal(chroot(root), 0);
        assert_int_equal(chdir("/"), 0);
        close(up[0]);
        close(down[1]);
        _exit(use_sandbox(real, (int[]){down[0], up[1]}));
    }
    close(up[1]);
    close(down[0]);
    assert_int_equal(read(up[0], &byte, 1), 1);
    assert_int_equal(count_mounts(), before);
    assert_int_equal(write(down[1], &byte, 1), 1);
    int status;
    assert_int_equal(waitpid(inside, &status, 0), inside);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
run_case(bool with_proc)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%.200s/viv-chroot-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(root));
    pid_t child = fork();
    if (child == 0) {
        setenv("CMOCKA_TEST_ABORT", "1",
               1); /* a check that fails here must not go on with the parent's tests */
        in_chroot(with_proc);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, root, NULL), VIV_OK);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
chroot_with_proc(void **state)
{
    (void)state;
    run_case(true);
}

static void
chroot_without_proc(void **state)
{
    (void)state;
    run_case(false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chroot_with_proc),
                                       cmocka_unit_test(chroot_without_proc)};
    if (geteuid() != 0) {
        fprintf(stderr, "skipped: a chroot needs root\n");
        return 77;
    }
    /* Looked up first: when this runs in a chroot already, a new mount namespace no longer knows
     * the path of the program. */
    char launcher_path[600];
    world_launcher_path(launcher_path, sizeof launcher_path);
    if (!realpath(launcher_path, real)) {
        fprintf(stderr, "no launcher at '%s'\n", launcher_path);
        return 1;
    }
    if (unshare(CLONE_NEWNS)) {
        fprintf(stderr, "skipped: no mount namespaces here: %s\n", strerror(errno));
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

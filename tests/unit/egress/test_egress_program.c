/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the program that ships has rights it does not need, trusts a stranger's certificate, or outlives the
 * host. */
#include "world.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/seam.h"

static struct server server;
static struct got got;
static char folder[128];

static int
set_up(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    server_start(&server, "127.0.0.1");
    snprintf(folder, sizeof folder, "%.90s/viv-egress-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    char path[200];
    server_stop(&server);
    snprintf(path, sizeof path, "%s/ca.pem", folder);
    (void)unlink(path); /* only one test makes it */
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static void
proc_holds(pid_t pid, const char *file, const char *text)
{
    char path[64], bytes[8192];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t len = read(fd, bytes, sizeof bytes - 1);
    close(fd);
    bytes[len > 0 ? len : 0] = '\0';
    if (!strstr(bytes, text)) {
        fail_msg("'%s' is not in '%s'", text, bytes);
    }
}

static void
it_is_confined(void **state)
{
    (void)state;
    struct vh_egress *egress = world_shipped(NULL);
    world_ask(egress, &server, &(struct want){ .url = world_url(&server, "127.0.0.1", "/ok") }, &got);
    if (got.status) {
        fail_msg("%s", got.err.text);
    }
    pid_t pid = world_child("viv-egress");
    assert_true(pid > 0);
    proc_holds(pid, "status", "NoNewPrivs:\t1\n");
    proc_holds(pid, "status", "Seccomp:\t2\n");
    proc_holds(pid, "status", "CapEff:\t0000000000000000\n");
    proc_holds(pid, "status", "CapPrm:\t0000000000000000\n");
    proc_holds(pid, "limits", "Max core file size        0                    0 ");
    /* Names are looked up by the machine; this one stands in a file of it. */
    world_refused(egress, &server, &(struct want){ .url = "http://localhost:1/", .allow = "[\"http://localhost:1\"]" },
                  VIV_E_DENIED, "a loopback address");
    vh_egress_destroy(egress);
    assert_int_equal(world_child("viv-egress"), 0);
}

static void
certificates_are_checked(void **state)
{
    (void)state;
    char path[200], url[128];
    snprintf(path, sizeof path, "%s/ca.pem", folder);
    server_tls(&server, path);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/ok", (unsigned)server.port);
    struct vh_egress *egress = world_shipped(path);
    world_ask(egress, &server, &(struct want){ .url = url }, &got);
    if (got.status) {
        fail_msg("%s", got.err.text);
    }
    assert_memory_equal(got.body, "hello", 5);
    vh_egress_destroy(egress);
    egress = world_shipped(NULL);
    world_refused(egress, &server, &(struct want){ .url = url }, VIV_E_UNAVAILABLE, "certificate");
    vh_egress_destroy(egress);
    egress = world_egress(path);
    world_ask(egress, &server, &(struct want){ .url = world_url(&server, "https://good.test", "/ok") }, &got);
    assert_int_equal(got.status, VIV_OK);
    world_ask(egress, &server, &(struct want){ .url = world_url(&server, "https://sub.good.test", "/ok") }, &got);
    assert_int_equal(got.status, VIV_E_UNAVAILABLE); /* the certificate names another host */
    assert_int_equal(got.sent, 0);
    vh_egress_destroy(egress);
}

/* ---- the host's end ---- */

/* In a process of its own: use it, tell its process id, and end without a word. */
static int
be_host(const char *port)
{
    struct server remote = { .port = (uint16_t)atoi(port) };
    struct vh_egress *egress = world_shipped(NULL);
    world_ask(egress, &remote, &(struct want){ .url = world_url(&remote, "127.0.0.1", "/ok") }, &got);
    pid_t pid = got.status ? 0 : world_child("viv-egress");
    return write(1, &pid, sizeof pid) == (ssize_t)sizeof pid && pid ? raise(SIGKILL) : 1;
}

static void
it_ends_with_the_host(void **state)
{
    (void)state;
    char self[600], port[16];
    int ends[2], status = 0;
    pid_t pid = 0;
    snprintf(self, sizeof self, "%s/test_egress_program", world_folder());
    snprintf(port, sizeof port, "%u", (unsigned)server.port);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        execl(self, self, "--host", port, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &pid, sizeof pid), (ssize_t)sizeof pid);
    int end = (int)syscall(SYS_pidfd_open, pid, 0); /* gone already: good */
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct pollfd polled = { .fd = end, .events = POLLIN };
    if (end >= 0) {
        assert_int_equal(poll(&polled, 1, 60000), 1);
        close(end);
    }
    close(ends[0]);
}

static void
it_is_started_by_nobody_else(void **state)
{
    (void)state;
    char program[600], text[200];
    static const char *const words[][3] = {
        { NULL, NULL }, { "--parent=1", NULL }, { "--parent=x", "--ca=/x" }, { "--parent=999999", NULL }
    };
    snprintf(program, sizeof program, "%s/../../libexec/viv-egress", world_folder());
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        int ends[2], status = 0;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        if (child == 0) {
            dup2(ends[1], 2);
            execl(program, program, words[i][0], words[i][1], (char *)NULL);
            _exit(127);
        }
        close(ends[1]);
        ssize_t len = read(ends[0], text, sizeof text - 1);
        text[len > 0 ? len : 0] = '\0';
        close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
        assert_string_equal(text, "viv-egress is started by vivhost and by nothing else\n");
    }
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--host") == 0) {
        return be_host(argv[2]);
    }
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(it_is_confined),
        CASE(certificates_are_checked),
        CASE(it_ends_with_the_host),
        CASE(it_is_started_by_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a task reaches what listens on the machine or belongs to another task, its own test server is not
 * found by its own client, or its way out is somebody else's. */
#include "sandbox_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* ---- inside: `--reach ADDRESS PORT`, `--own` ---- */

static int
dial(const char *address, int port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool four = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    if (!four && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
        return -1;
    }
    int fd = socket(four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *to = four ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
    if (fd < 0 || connect(fd, to, four ? sizeof v4 : sizeof v6)) {
        return -1;
    }
    return fd;
}

/* Says what it read, or why it could not connect. */
static int
reach(const char *address, int port)
{
    char text[64] = "";
    int fd = dial(address, port);
    if (fd < 0) {
        printf("%s\n", strerror(errno));
        return 1;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    printf("%.*s\n", got > 0 ? (int)got : 0, text);
    return 0;
}

/* A server and its client in one task. */
static int
own(const char *address)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6};
    socklen_t len = sizeof at;
    bool four = strchr(address, '.') != NULL;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int server = socket(four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin6_addr = in6addr_loopback;
    if (server < 0 || bind(server, four ? (struct sockaddr *)&v4 : (struct sockaddr *)&at,
                           four ? sizeof v4 : sizeof at) ||
        listen(server, 1) || getsockname(server, (struct sockaddr *)&at, &len)) {
        printf("%s\n", strerror(errno));
        return errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT ? 2 : 1; /* a kernel without IPv6 */
    }
    int port = ntohs(four ? ((struct sockaddr_in *)(void *)&at)->sin_port : at.sin6_port);
    int client = dial(address, port);
    int served = client < 0 ? -1 : accept(server, NULL, NULL);
    bool told = served >= 0 && write(served, "x", 1) == 1;
    char byte = 0;
    return told && read(client, &byte, 1) == 1 && byte == 'x' ? 0 : 1;
}

/* ---- outside ---- */

static struct vh_exec_result
run_self(struct world *world, struct vh_keeper *keeper, const char *what, const char *address, int port)
{
    char text[12];
    snprintf(text, sizeof text, "%d", port);
    const char *const argv[] = {world_self(world, keeper), what, address, text};
    return world_run(world, keeper, argv, 4);
}

static struct vh_keeper *
open_door(struct world *world, enum vh_sandbox_variant variant, bool door, struct viv_error *err)
{
    struct vh_keeper *keeper = NULL;
    struct vh_sandbox_plan plan = world_plan(world, variant);
    plan.door = door;
    (void)vh_sandbox_open(world->launcher, world->arena, &plan, &keeper, err);
    return keeper;
}

/* A canary on the machine's own loopback; the port is free on purpose when it is the door's. */
static int
canary(int port, int *ret_port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_ANY)}};
    socklen_t len = sizeof at;
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 8)) {
        close(fd);
        return -1; /* somebody else has it */
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static bool
untouched(int fd)
{
    int got = accept(fd, NULL, NULL);
    if (got >= 0) {
        close(got);
    }
    return got < 0 && errno == EAGAIN;
}

static void
the_machine_is_out_of_reach(struct world *world, struct vh_keeper *keeper)
{
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::ffff:127.0.0.1",
                                            "192.0.2.1", "169.254.169.254"};
    int port = 0;
    int fd = canary(0, &port);
    assert_true(fd >= 0);
    assert_int_equal(vh_keeper_door(keeper), -1);
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct vh_exec_result result = run_self(world, keeper, "--reach", addresses[i], port);
        if (result.stages[0].exit_code != 1 || !untouched(fd)) {
            fail_msg("%s was reached: %s", addresses[i], world_text(world, result.output.kept));
        }
    }
    close(fd);
}

static void
own_servers_are_found(struct world *world, struct vh_keeper *keeper)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};
    bool full = vh_keeper_profile(keeper)->variant == VH_SANDBOX_FULL;
    for (size_t i = 0; i < 2; i++) {
        struct vh_exec_result result = run_self(world, keeper, "--own", addresses[i], 0);
        int code = result.stages[0].exit_code;
        if (code != (full ? 0 : 1) && !(full && i == 1 && code == 2)) {
            fail_msg("%s: %d %s", addresses[i], code, world_text(world, result.output.kept));
        }
    }
    if (full) {
        world_expect(world, keeper, "cat /etc/hosts", "127.0.0.1 localhost vivarium\n::1 localhost\n");
    }
}

static void
test_the_machine_is_out_of_reach(void **state)
{
    (void)state;
    world_each(the_machine_is_out_of_reach);
}

static void
test_own_servers_are_found(void **state)
{
    (void)state;
    world_each(own_servers_are_found);
}

static bool
has_full(void)
{
    for (size_t i = 0; i < world_variant_count; i++) {
        if (world_variants[i] == VH_SANDBOX_FULL) {
            return true;
        }
    }
    return false;
}

/* Who has the socket serves the task, and nobody else's connection comes by it. */
static void
test_a_door_is_the_tasks_own(void **state)
{
    (void)state;
    if (!has_full()) {
        skip();
    }
    struct world one, two, three;
    struct viv_error err = VIV_ERROR_INIT;
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int port = 0;
    world_make(&one, NULL);
    world_make(&two, NULL);
    world_make(&three, NULL);
    int host = canary(VH_SANDBOX_DOOR_PORT, &port);
    struct vh_keeper *mine = open_door(&one, VH_SANDBOX_FULL, true, &err);
    struct vh_keeper *other = open_door(&two, VH_SANDBOX_FULL, true, &err);
    struct vh_keeper *none = world_open(&three, VH_SANDBOX_FULL);
    assert_non_null(mine);
    assert_non_null(other);
    int door = vh_keeper_door(mine);
    assert_int_equal(fcntl(door, F_GETFD), FD_CLOEXEC);
    assert_int_equal(getsockname(door, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(ntohs(at.sin_port), VH_SANDBOX_DOOR_PORT);
    assert_int_equal(ntohl(at.sin_addr.s_addr), INADDR_LOOPBACK);
    /* Before somebody serves it, it refuses. */
    assert_int_equal(run_self(&one, mine, "--reach", "127.0.0.1", VH_SANDBOX_DOOR_PORT).stages[0].exit_code, 1);
    assert_int_equal(listen(door, 8), 0);
    assert_int_equal(listen(vh_keeper_door(other), 8), 0);
    assert_int_equal(fcntl(door, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(vh_keeper_door(other), F_SETFL, O_NONBLOCK), 0);

    /* From the machine, and from a task without a door, there is nothing. */
    int fd = dial("127.0.0.1", VH_SANDBOX_DOOR_PORT);
    if (fd >= 0) {
        close(fd);
        int taken = accept(host, NULL, NULL); /* the canary's, or that of somebody who had the port before */
        close(taken);
    }
    assert_int_equal(run_self(&three, none, "--reach", "127.0.0.1", VH_SANDBOX_DOOR_PORT).stages[0].exit_code, 1);
    assert_true(untouched(door));
    assert_true(untouched(vh_keeper_door(other)));

    /* The task itself comes in at its own. */
    static const char *const knock[] = {"sh", "-c", "/opt/self --knock & exit 0"};
    world_run(&one, mine, knock, 3);
    struct pollfd polled = {.fd = door, .events = POLLIN};
    assert_int_equal(poll(&polled, 1, 20000), 1);
    fd = accept(door, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hello", 5), 5);
    close(fd);
    assert_true(untouched(vh_keeper_door(other)));
    assert_true(host < 0 || untouched(host));
    vh_sandbox_close(mine);
    assert_int_equal(vh_keeper_door(mine), -1);
    if (host >= 0) {
        close(host);
    }
    world_end(&three);
    world_end(&two);
    world_end(&one);
}

static void
test_less_than_full_has_no_door(void **state)
{
    (void)state;
    for (size_t i = 0; i < world_variant_count; i++) {
        struct world world;
        struct viv_error err = VIV_ERROR_INIT;
        char said[120];
        if (world_variants[i] == VH_SANDBOX_FULL) {
            continue;
        }
        world_make(&world, NULL);
        assert_null(open_door(&world, world_variants[i], true, &err));
        snprintf(said, sizeof said,
                 "%s: step 'door' failed: Operation not supported (this profile has no network)",
                 vh_sandbox_variant_name(world_variants[i]));
        assert_string_equal(err.text, said);
        world_end(&world);
    }
}

int
main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--reach") == 0) {
        int code = reach(argv[2], (int)strtol(argv[3], NULL, 10));
        fflush(stdout);
        _exit(code); /* a leak check at the end would trace, which is forbidden */
    }
    if (argc == 4 && strcmp(argv[1], "--own") == 0) {
        int code = own(argv[2]);
        fflush(stdout);
        _exit(code);
    }
    if (argc == 2 && strcmp(argv[1], "--knock") == 0) {
        _exit(reach("127.0.0.1", VH_SANDBOX_DOOR_PORT));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_machine_is_out_of_reach),
        cmocka_unit_test(test_own_servers_are_found),
        cmocka_unit_test(test_a_door_is_the_tasks_own),
        cmocka_unit_test(test_less_than_full_has_no_door),
    };
    if (!world_probe()) {
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

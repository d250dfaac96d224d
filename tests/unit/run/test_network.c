/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a command gets a way out that nobody gave it, keeps one when it has ended, or what it sent is not
 * known. */
#include "sandbox_world.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "fake_egress.h"
#include "run/network.h"

#define EXEC(words) "{\"stages\":[{\"argv\":[" words "]}]}"
#define HOSTS "\"hosts\":[\"a.example:80\"]"

/* A claim as far as the way out looks at it. */
struct claim {
    struct vh_run run;
    struct vh_run_policy policy;
    struct vh_work work;
};

static void
begin(struct claim *claim, struct vh_arena *arena, const char *stage, const char *policy, const char *capability)
{
    struct vh_json *root = NULL;
    *claim = (struct claim){
        .run = { .seam = vh_seam_real(), .egress = fake_egress(), .profile = { .variant = VH_SANDBOX_FULL } },
    };
    assert_int_equal(vh_json_import(arena, vh_str(policy), &root, NULL), VIV_OK);
    claim->policy.root = root;
    claim->work = (struct vh_work){ .run = &claim->run, .arena = arena, .policy = &claim->policy };
    claim->work.stage = vh_str(stage);
    claim->work.ask.task.id = VH_STR("t1");
    claim->work.ask.task.capability = vh_str(capability);
}

static struct vh_json *
json(struct vh_arena *arena, const char *text)
{
    struct vh_json *value = NULL;
    assert_int_equal(vh_json_import(arena, vh_str(text), &value, NULL), VIV_OK);
    return value;
}

static const struct {
    const char *stage, *policy, *capability, *spec;
    bool by_policy, wanted;
    const char *allow; /* NULL: no way out */
    int64_t bytes;
} cases[] = {
    { "execute", "{}", "{}", EXEC("\"x\""), false, false, NULL, 0 },
    { "execute", "{}", "{\"hosts\":[]}", EXEC("\"x\""), false, false, NULL, 0 },
    { "execute", "{}", "{" HOSTS "}", EXEC("\"x\""), false, true, "[\"a.example:80\"]", 104857600 },
    { "execute", "{}", "{" HOSTS ",\"network_bytes\":7}", EXEC("\"x\""), false, true, "[\"a.example:80\"]", 7 },
    /* What the policy allows is not what the task was given. */
    { "execute", "{\"network\":{\"allow\":[\"a.example:80\"]}}", "{\"hosts\":[]}", EXEC("\"x\""), false, false,
      NULL, 0 },
    { "execute", "{\"prepare\":{" HOSTS "}}", "{}", EXEC("\"x\""), false, false, NULL, 0 },
    /* What a task was given is not for gates and prepare; they have their own, and for their own commands. */
    { "needs_qa", "{}", "{" HOSTS "}", EXEC("\"make\",\"check\""), true, false, NULL, 0 },
    { "prepare", "{}", "{" HOSTS "}", EXEC("\"make\""), true, false, NULL, 0 },
    { "prepare", "{\"network\":{\"bytes\":9},\"prepare\":{" HOSTS "}}", "{}", EXEC("\"make\""), true, true,
      "[\"a.example:80\"]", 9 },
    { "prepare", "{\"prepare\":{" HOSTS "}}", "{}", EXEC("\"make\""), false, true, NULL, 0 },
    { "needs_qa", "{\"gates\":{\"needs_qa\":[{\"run\":[\"true\"]},{" HOSTS ",\"run\":[\"make\",\"check\"]}]}}", "{}",
      EXEC("\"make\",\"check\""), true, true, "[\"a.example:80\"]", 104857600 },
    { "needs_qa", "{\"gates\":{\"needs_qa\":[{\"run\":[\"true\"]},{" HOSTS ",\"run\":[\"make\",\"check\"]}]}}", "{}",
      EXEC("\"make\",\"check\""), false, true, NULL, 0 },
    { "needs_qa", "{\"gates\":{\"needs_qa\":[{\"run\":[\"true\"]},{" HOSTS ",\"run\":[\"make\",\"check\"]}]}}", "{}",
      EXEC("\"true\""), true, true, NULL, 0 },
    { "needs_qa", "{\"gates\":{\"needs_qa\":[{" HOSTS ",\"run\":[\"make\",\"check\"]}]}}", "{}", EXEC("\"make\""),
      true, true, NULL, 0 },
    { "needs_qa", "{\"gates\":{\"needs_qa\":[{" HOSTS ",\"run\":[\"make\"]}]}}", "{}", EXEC("\"make\",\"x\""),
      true, true, NULL, 0 },
    { "e2e", "{\"gates\":{\"needs_qa\":[{" HOSTS ",\"run\":[\"make\"]}]}}", "{}", EXEC("\"make\""),
      true, false, NULL, 0 },
};

static void
test_hosts_are_those_of_the_command(void **state)
{
    (void)state;
    struct world world;
    if (world_variants[0] != VH_SANDBOX_FULL) {
        skip();
    }
    world_make(&world, NULL);
    struct vh_keeper *keeper = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_sandbox_plan plan = world_plan(&world, VH_SANDBOX_FULL);
    plan.door = true;
    assert_int_equal(vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err), VIV_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct claim claim;
        struct vh_network network;
        char rules[400];
        begin(&claim, world.arena, cases[i].stage, cases[i].policy, cases[i].capability);
        bool wanted = vh_network_wanted(&claim.work);
        viv_status status = vh_network_open(&claim.work, keeper, json(world.arena, cases[i].spec), cases[i].by_policy,
                                            &network, &err);
        if (status || wanted != cases[i].wanted || !cases[i].allow != !network.bytes_max ||
            fake_egress_open_doors() != (cases[i].allow != NULL) || !network.env_count != !cases[i].allow) {
            fail_msg("case %zu: %d, wanted %d, doors %d", i, status, wanted, fake_egress_open_doors());
        }
        if (cases[i].allow) {
            snprintf(rules, sizeof rules, "{\"allow\":%s,\"bytes_max\":%lld,\"connections_max\":64,\"name\":\"t1/%s\"}",
                     cases[i].allow, (long long)cases[i].bytes, cases[i].stage);
            assert_string_equal(fake_egress_rules(), rules);
        }
        struct vh_json *record = vh_network_close(&claim.work, &network);
        assert_int_equal(record != NULL, cases[i].allow != NULL);
        assert_int_equal(fake_egress_open_doors(), 0);
    }
    world_end(&world);
}

static const char ask_one[] = "exec 3<>/dev/tcp/127.0.0.1/3128 || exit 9\n"
                              "printf 'GET http://%s/ HTTP/1.1\\r\\n\\r\\n' \"$1\" >&3\n"
                              "cat <&3 | tail -n 1\n";

static struct vh_exec_result
ask(struct world *world, struct vh_keeper *keeper, const struct vh_network *network, const char *host)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_exec_result result;
    const char *const argv[] = { "bash", "-c", ask_one, "bash", host };
    struct vh_exec_stage stage = { .argv = argv, .argc = 5 };
    struct vh_exec exec = { .stages = &stage,
                            .stage_count = 1,
                            .env = network->env,
                            .env_count = network->env_count,
                            .wall_ns = 30 * SECOND_NS,
                            .output_max = 4096,
                            .error_max = 4096 };
    assert_int_equal(vh_sandbox_exec(keeper, world->arena, &exec, NULL, &result, &err), VIV_OK);
    return result;
}

/* From the command through the door and back, counted; and what was used is not there for the next. */
static void
test_what_went_through_is_counted(void **state)
{
    (void)state;
    struct world world;
    struct claim claim;
    struct vh_network network;
    struct vh_keeper *keeper = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (world_variants[0] != VH_SANDBOX_FULL) {
        skip();
    }
    world_make(&world, NULL);
    struct vh_sandbox_plan plan = world_plan(&world, VH_SANDBOX_FULL);
    plan.door = true;
    assert_int_equal(vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err), VIV_OK);
    begin(&claim, world.arena, "execute", "{}", "{" HOSTS ",\"network_bytes\":10000}");
    const struct vh_json *spec = json(world.arena, EXEC("\"x\""));
    assert_int_equal(vh_network_open(&claim.work, keeper, spec, false, &network, &err), VIV_OK);
    struct vh_exec_result result = ask(&world, keeper, &network, "a.example:80");
    assert_string_equal(world_text(&world, result.output.kept), "fake\n");
    result = ask(&world, keeper, &network, "b.example:80");
    assert_string_equal(world_text(&world, result.output.kept), "no\n");
    struct vh_json *record = vh_network_close(&claim.work, &network);
    assert_int_equal(vh_json_int(record, "connections", 0), 2);
    const struct vh_json *refused = vh_json_get(record, "refused");
    assert_int_equal(refused->count, 1);
    assert_true(vh_str_is(vh_json_str(refused->child, "host"), "b.example:80"));
    int64_t used = vh_json_int(record, "bytes_in", 0) + vh_json_int(record, "bytes_out", 0);
    assert_true(used > 100);
    assert_int_equal(claim.work.network_bytes, used);

    /* Nobody serves it now: who connects is refused and does not wait for ever. */
    assert_int_equal(ask(&world, keeper, &network, "a.example:80").stages[0].exit_code, 9);

    /* The next command has what is left; when nothing is, one byte, so that the proxy says it. */
    char rest[40];
    assert_int_equal(vh_network_open(&claim.work, keeper, spec, false, &network, &err), VIV_OK);
    snprintf(rest, sizeof rest, "\"bytes_max\":%lld,", (long long)(10000 - used));
    assert_non_null(strstr(fake_egress_rules(), rest));
    assert_string_equal(world_text(&world, ask(&world, keeper, &network, "a.example:80").output.kept), "fake\n");
    (void)vh_network_close(&claim.work, &network);
    claim.work.network_bytes = 10000;
    assert_int_equal(vh_network_open(&claim.work, keeper, spec, false, &network, &err), VIV_OK);
    assert_non_null(strstr(fake_egress_rules(), "\"bytes_max\":1,"));
    (void)vh_network_close(&claim.work, &network);

    /* A process that sits on the port between two commands hurts its own task alone. */
    world_expect(&world, keeper, "/opt/self --sit & while ! test -e sits; do sleep 0.01; done", "");
    assert_int_equal(vh_network_open(&claim.work, keeper, spec, false, &network, &err), VIV_E_EXISTS);
    assert_string_equal(err.text, "port 3128, the way out of commands, is taken by what a command of 'execute' left "
                                  "behind; let it end or use another port");
    assert_int_equal(fake_egress_open_doors(), 0);
    world_end(&world);
}

static void
test_programs_are_told_where_it_is(void **state)
{
    (void)state;
    struct world world;
    struct claim claim;
    struct vh_network network;
    struct vh_keeper *keeper = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    if (world_variants[0] != VH_SANDBOX_FULL) {
        skip();
    }
    world_make(&world, NULL);
    struct vh_sandbox_plan plan = world_plan(&world, VH_SANDBOX_FULL);
    plan.door = true;
    assert_int_equal(vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err), VIV_OK);
    begin(&claim, world.arena, "execute", "{}", "{" HOSTS "}");
    assert_int_equal(vh_network_open(&claim.work, keeper, json(world.arena, EXEC("\"x\"")), false, &network, &err),
                     VIV_OK);
    const char *const argv[] = { "env" };
    struct vh_exec_result result;
    struct vh_exec_stage stage = { .argv = argv, .argc = 1 };
    struct vh_exec exec = { .stages = &stage, .stage_count = 1, .env = network.env, .env_count = network.env_count,
                            .wall_ns = 30 * SECOND_NS, .output_max = 4096, .error_max = 4096 };
    assert_int_equal(vh_sandbox_exec(keeper, world.arena, &exec, NULL, &result, &err), VIV_OK);
    const char *said = world_text(&world, result.output.kept);
    static const char *const wanted[] = {
        "\nHTTP_PROXY=http://127.0.0.1:3128\n",  "\nhttp_proxy=http://127.0.0.1:3128\n",
        "\nHTTPS_PROXY=http://127.0.0.1:3128\n", "\nhttps_proxy=http://127.0.0.1:3128\n",
        "\nALL_PROXY=http://127.0.0.1:3128\n",   "\nall_proxy=http://127.0.0.1:3128\n",
        "\nNO_PROXY=localhost,127.0.0.1,::1\n",  "\nno_proxy=localhost,127.0.0.1,::1\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (!strstr(said, wanted[i])) {
            fail_msg("%s is not in %s", wanted[i], said);
        }
    }
    (void)vh_network_close(&claim.work, &network);
    world_end(&world);
}

static void
test_without_proxy_or_door_nothing_runs(void **state)
{
    (void)state;
    struct world world;
    struct claim claim;
    struct vh_network network;
    struct vh_keeper *keeper = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    world_make(&world, NULL);
    begin(&claim, world.arena, "execute", "{}", "{" HOSTS ",\"network_bytes\":500}");
    const struct vh_json *spec = json(world.arena, EXEC("\"x\""));
    /* A task that was admitted on another machine, or before namespaces were taken away. */
    enum vh_sandbox_variant last = world_variants[world_variant_count - 1];
    claim.run.profile.variant = last;
    keeper = world_open(&world, last);
    assert_int_equal(vh_network_open(&claim.work, keeper, spec, false, &network, &err), VIV_E_UNSUPPORTED);
    char said[200];
    snprintf(said, sizeof said,
             "the command may reach hosts, and the profile '%s' of this machine has no network; run it where user "
             "namespaces are, or take 'hosts' away", vh_sandbox_variant_name(last));
    assert_string_equal(err.text, said);
    assert_int_equal(network.bytes_max, 0);
    vh_sandbox_close(keeper);
    world_end(&world);
    if (world_variants[0] != VH_SANDBOX_FULL) {
        return;
    }
    world_make(&world, NULL);
    begin(&claim, world.arena, "execute", "{}", "{" HOSTS ",\"network_bytes\":500}");
    spec = json(world.arena, EXEC("\"x\""));
    struct vh_sandbox_plan plan = world_plan(&world, VH_SANDBOX_FULL);
    plan.door = true;
    assert_int_equal(vh_sandbox_open(world.launcher, world.arena, &plan, &keeper, &err), VIV_OK);
    claim.run.egress = NULL;
    assert_int_equal(vh_network_open(&claim.work, keeper, spec, false, &network, &err), VIV_E_UNAVAILABLE);
    assert_string_equal(err.text,
                        "the command may reach hosts, and viv-egress is not beside vivhost; install it");
    claim.run.egress = fake_egress();
    fake_egress_fail(VIV_E_UNAVAILABLE, 0);
    assert_int_equal(vh_network_open(&claim.work, keeper, spec, false, &network, &err), VIV_E_UNAVAILABLE);
    assert_int_equal(network.bytes_max, 0);
    assert_null(vh_network_close(&claim.work, &network));
    /* A proxy that died knows nothing any more: the record says so, and everything counts as used. */
    fake_egress_fail(0, VIV_E_UNAVAILABLE);
    assert_int_equal(vh_network_open(&claim.work, keeper, spec, false, &network, &err), VIV_OK);
    struct vh_json *record = vh_network_close(&claim.work, &network);
    struct viv_str text = vh_json_print(world.arena, record);
    assert_true(vh_str_is(text, "{\"lost\":1}"));
    assert_int_equal(claim.work.network_bytes, 500);
    fake_egress_fail(0, 0);
    world_end(&world);
}

static void
test_hosts_of_a_submission_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *hosts, *why;
    } rows[] = {
        { "[]", NULL },
        { "[\"a.example:80\",\"[::1]:443\"]", NULL },
        { "{}", "'hosts' is no list, allowed: a list of at most 64 texts like example.org:443" },
        { "[7]", "host '' is empty" },
        { "[\"a.example\"]", "host 'a.example' has no port" },
        { "[\"*.a.example:80\"]", "host '*.a.example:80' has a '*' elsewhere" },
        { "[\"http://a.example:80\"]", "has a scheme" },
    };
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct viv_error err = VIV_ERROR_INIT;
        viv_status status = vh_network_hosts(json(arena, rows[i].hosts), &err);
        if (!rows[i].why != (status == VIV_OK) || (rows[i].why && !strstr(err.text, rows[i].why))) {
            fail_msg("%s: %d %s", rows[i].hosts, status, err.text);
        }
    }
    struct vh_json *many = vh_json_array(arena);
    for (int i = 0; i < 65; i++) {
        vh_json_push(many, vh_json_string(arena, VH_STR("a.example:80")));
    }
    struct viv_error err = VIV_ERROR_INIT;
    assert_int_equal(vh_network_hosts(many, &err), VIV_E_INVALID);
    assert_non_null(strstr(err.text, "'hosts' is too long"));
    vh_arena_destroy(arena);
}

/* Inside: has the door's port until the keeper ends. */
static int
sit(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(VH_SANDBOX_DOOR_PORT),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
        bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 1)) {
        return 1;
    }
    int made = open("sits", O_WRONLY | O_CREAT, 0600);
    return made < 0 || pause() ? 1 : 0;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--sit") == 0) {
        _exit(sit());
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_are_those_of_the_command),
        cmocka_unit_test(test_what_went_through_is_counted),
        cmocka_unit_test(test_programs_are_told_where_it_is),
        cmocka_unit_test(test_without_proxy_or_door_nothing_runs),
        cmocka_unit_test(test_hosts_of_a_submission_are_read_strictly),
    };
    if (!world_probe()) {
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

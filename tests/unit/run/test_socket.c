/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, one client of the host's socket can bring the host down, keep it from ending, or keep others out: by
 * garbage, half frames, frames out of bounds, words of wrong types, or by coming in numbers. */
#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "home.h"
#include "run/socket.h"

struct served {
    struct home home;
    struct vh_run run;
    struct vh_control control;
    struct vh_socket *socket;
    struct vh_arena *arena;
    int folder;
};

static void
begin(struct served *s)
{
    struct viv_error err = VIV_ERROR_INIT;
    *s = (struct served){ .arena = vh_arena_create(NULL, 0) };
    home_new(&s->home);
    s->folder = open(s->home.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(s->folder >= 0);
    s->run = (struct vh_run){ .seam = vh_seam_real(), .sequencer = s->home.sequencer, .arena = s->arena,
                              .home = s->folder, .home_path = s->home.folder, .project = s->home.folder,
                              .uid = getuid(), .pid = getpid() };
    s->control = (struct vh_control){ .run = &s->run, .store = s->home.store };
    if (vh_socket_start(&s->control, s->arena, s->folder, &s->socket, &err)) {
        fail_msg("%s", err.text);
    }
}

static void
end(struct served *s)
{
    vh_socket_stop(s->socket);
    struct stat stat;
    assert_int_not_equal(fstatat(s->folder, VH_SOCKET_NAME, &stat, 0), 0);
    close(s->folder);
    home_end(&s->home);
    vh_arena_destroy(s->arena);
}

static int
knock(struct served *s)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" VH_SOCKET_NAME, s->folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void
put(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void
put_frame(int fd, const char *text, size_t len)
{
    unsigned char head[4] = { (unsigned char)len, (unsigned char)(len >> 8), (unsigned char)(len >> 16),
                              (unsigned char)(len >> 24) };
    put(fd, head, sizeof head);
    if (len) {
        put(fd, text, len);
    }
}

/* The answer's text, or NULL when the host ended the connection. */
static char *
take_frame(int fd)
{
    unsigned char head[4];
    if (recv(fd, head, sizeof head, MSG_WAITALL) != (ssize_t)sizeof head) {
        return NULL;
    }
    size_t len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    assert_true(len <= VH_SOCKET_FRAME_MAX);
    char *text = malloc(len + 1);
    assert_non_null(text);
    assert_int_equal(recv(fd, text, len, MSG_WAITALL), (ssize_t)len);
    text[len] = '\0';
    return text;
}

static void
expect(int fd, const char *part)
{
    char *text = take_frame(fd);
    if (!text || !strstr(text, part)) {
        fail_msg("answered '%s', expected '%s'", text ? text : "nothing", part);
    }
    free(text);
}

static void
expect_end(int fd)
{
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

/* Words of wrong types are refused by name or taken for missing; the connection goes on. */
static void
wrong_words_are_answered(void **state)
{
    static const struct {
        const char *request;
        const char *part;
    } rows[] = {
        { "{}", "there is no request ''" },
        { "[]", "there is no request ''" },
        { "7", "there is no request ''" },
        { "\"status\"", "there is no request ''" },
        { "{\"op\":7}", "there is no request ''" },
        { "{\"op\":[\"status\"]}", "there is no request ''" },
        { "{\"op\":\"no\\nsuch\"}", "there is no request 'no?such'" },
        { "{\"op\":\"submit\"}", "\"error\":" },
        { "{\"op\":\"submit\",\"task\":7}", "\"error\":" },
        { "{\"op\":\"submit\",\"task\":{\"goal\":7}}", "member 'goal'" },
        { "{\"op\":\"submit\",\"task\":{\"evil\":\"x\",\"goal\":\"g\"}}", "member 'evil'" },
        { "{\"op\":\"submit\",\"task\":{\"goal\":\"g\",\"id\":\"../x\"}}", "\"error\":" },
        { "{\"op\":\"submit\",\"task\":{\"goal\":\"g\",\"id\":7}}", "\"status\":" },
        { "{\"op\":\"submit\",\"task\":{\"attempts_max\":\"9\",\"goal\":\"g\"}}", "member 'attempts_max'" },
        { "{\"op\":\"submit\",\"task\":{\"depends\":{},\"goal\":\"g\"}}", "member 'depends'" },
        { "{\"op\":\"submit\",\"task\":{\"depends\":[7],\"goal\":\"g\"}}", "\"error\":" },
        { "{\"op\":\"approve\",\"task\":[]}", "\"error\":" },
        { "{\"digest\":{},\"op\":\"approve\",\"task\":\"nobody\"}", "there is no task 'nobody'" },
        { "{\"op\":\"cancel\"}", "there is no task ''" },
        { "{\"op\":\"rollback\",\"task\":7}", "there is no task ''" },
        { "{\"answers\":7,\"op\":\"answer\",\"task\":\"nobody\"}", "there is no task 'nobody'" },
        { "{\"op\":\"task\",\"task\":7}", "there is no task ''" },
        { "{\"op\":\"tasks\",\"state\":\"flying\"}", "there is no state 'flying'" },
        { "{\"after\":\"x\",\"op\":\"tasks\",\"state\":7}", "\"tasks\":[" },
        { "{\"after\":-9007199254740991,\"op\":\"events\",\"wait\":\"x\"}", "\"events\":[" },
        { "{\"after\":9007199254740991,\"op\":\"events\"}", "\"events\":[]" },
        { "{\"op\":\"call\",\"skill\":7}", "no runners" },
        { "{\"op\":\"status\"}", "\"status\":0" },
    };
    struct served s;
    (void)state;
    begin(&s);
    int fd = knock(&s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_frame(fd, rows[i].request, strlen(rows[i].request));
        expect(fd, rows[i].part);
    }
    close(fd);
    end(&s);
}

/* What is no frame ends its own connection, with a word where one can be said. */
static void
garbage_ends_its_connection(void **state)
{
    static const char *const frames[] = { "", " ", "{", "nonsense", "{\"op\":\"status\"}x", "{ \"op\": \"status\" }",
                                          "{\"op\":\"status\",\"op\":\"status\"}", "{\"op\":null}", "\xff\xfe" };
    struct served s;
    (void)state;
    begin(&s);
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        int fd = knock(&s);
        put_frame(fd, frames[i], strlen(frames[i]));
        expect(fd, "\"error\":");
        expect_end(fd);
    }
    int fd = knock(&s);
    put(fd, "\xff\xff\xff\xff", 4);
    expect(fd, "a frame announces 4294967295 bytes, allowed 16777216");
    expect_end(fd);
    fd = knock(&s); /* gone in the middle of a head, of a body, and before an answer */
    put(fd, "\x10", 1);
    close(fd);
    fd = knock(&s);
    put(fd, "\x10\0\0\0{\"op", 8);
    close(fd);
    fd = knock(&s);
    put_frame(fd, "{\"op\":\"verify\"}", 15);
    close(fd);
    fd = knock(&s); /* and the host goes on */
    put_frame(fd, "{\"op\":\"status\"}", 15);
    expect(fd, "\"status\":0");
    close(fd);
    end(&s);
}

/* Others are turned away while the house is full, and come in when somebody leaves; who holds half a frame or never
 * reads keeps nobody from stopping. */
static void
crowds_are_bounded(void **state)
{
    struct served s;
    int fds[VH_SOCKET_CLIENTS_MAX];
    (void)state;
    begin(&s);
    for (size_t i = 0; i < VH_SOCKET_CLIENTS_MAX; i++) {
        fds[i] = knock(&s);
        put_frame(fds[i], "{\"op\":\"status\"}", 15);
        expect(fds[i], "\"status\":0");
    }
    assert_int_equal(vh_socket_clients(s.socket), VH_SOCKET_CLIENTS_MAX);
    int more = knock(&s);
    expect_end(more);
    close(fds[0]);
    for (int tries = 0; tries < 10000; tries++) { /* its thread needs a moment to see it */
        more = knock(&s);
        struct pollfd ready = { more, POLLIN, 0 };
        bool in = send(more, "\x0f\0\0\0{\"op\":\"status\"}", 19, MSG_NOSIGNAL) == 19;
        char *text = in && poll(&ready, 1, 10000) == 1 ? take_frame(more) : NULL;
        if (text) {
            free(text);
            break;
        }
        close(more);
        assert_int_not_equal(tries, 9999);
    }
    put(fds[1], "\x10\0\0\0{\"op", 8);
    for (int i = 0; i < 3000; i++) { /* until its pipe is full of answers that nobody takes */
        if (send(fds[2], "\x0f\0\0\0{\"op\":\"status\"}", 19, MSG_NOSIGNAL | MSG_DONTWAIT) < 19) {
            break;
        }
    }
    put_frame(fds[3], "{\"after\":9007199254740990,\"op\":\"events\",\"wait\":1}", 50);
    int64_t before = s.run.seam->monotonic_ns(NULL);
    end(&s);
    assert_true(s.run.seam->monotonic_ns(NULL) - before < INT64_C(4000000000)); /* not the 5 s of who waits */
    for (size_t i = 1; i < VH_SOCKET_CLIENTS_MAX; i++) {
        close(fds[i]);
    }
    close(more);
}

/* A host that cannot take one more descriptor waits for one; it does not run in circles, and goes on afterwards. */
static void
full_tables_are_waited_out(void **state)
{
    struct served s;
    int held[256];
    size_t count = 0;
    (void)state;
    begin(&s);
    int early = knock(&s);
    put_frame(early, "{\"op\":\"status\"}", 15);
    expect(early, "\"status\":0");
    int late = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" VH_SOCKET_NAME, s.folder);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit small = { 256, limit.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    while (count < 256 && (held[count] = dup(early)) >= 0) {
        count++;
    }
    assert_int_equal(errno, EMFILE);
    assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof address), 0);
    put_frame(late, "{\"op\":\"status\"}", 15);
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    struct pollfd ready = { late, POLLIN, 0 };
    assert_int_equal(poll(&ready, 1, 500), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    int64_t used_ns = (after.tv_sec - before.tv_sec) * INT64_C(1000000000) + after.tv_nsec - before.tv_nsec;
    for (size_t i = 0; i < count; i++) {
        close(held[i]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    expect(late, "\"status\":0");
    assert_true(used_ns < INT64_C(100000000));
    close(late);
    close(early);
    end(&s);
}

/* Nothing is asked that was not meant, and no answer is taken for another one. */
static void
a_client_without_memory_asks_nothing(void **state)
{
    (void)state;
    struct served s;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_client *client = NULL;
    struct vh_json *response = NULL;
    begin(&s);
    assert_int_equal(vh_socket_connect(vh_seam_real(), s.arena, s.folder, NULL, &client, &err), VIV_OK);
    struct vh_json *request = vh_json_object(s.arena);
    vh_arena_fail_at(1);
    vh_json_set_text(s.arena, request, "op", "status");
    vh_arena_fail_at(0);
    assert_int_equal(vh_socket_ask(client, request, s.arena, &response, &err), VIV_E_MEMORY);
    assert_string_equal(err.text, "no memory for a request or an answer");
    request = vh_json_object(s.arena);
    vh_json_set_text(s.arena, request, "op", "status");
    vh_arena_fail_at(1);
    assert_int_equal(vh_socket_ask(client, request, s.arena, &response, &err), VIV_E_MEMORY);
    assert_string_equal(err.text, "no memory for a request or an answer");
    vh_arena_fail_at(0);
    assert_int_equal(vh_socket_ask(client, request, s.arena, &response, &err), VIV_OK); /* nothing of it was sent */
    assert_int_equal(vh_json_int(response, "status", -1), 0);
    vh_arena_fail_at(2);
    assert_int_equal(vh_socket_ask(client, request, s.arena, &response, &err), VIV_E_MEMORY);
    assert_non_null(strstr(err.text, "no memory for a frame of "));
    vh_arena_fail_at(0);
    assert_int_equal(vh_socket_ask(client, request, s.arena, &response, &err), VIV_E_UNAVAILABLE);
    vh_socket_close(client);
    end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_words_are_answered),
        cmocka_unit_test(garbage_ends_its_connection),
        cmocka_unit_test(crowds_are_bounded),
        cmocka_unit_test(full_tables_are_waited_out),
        cmocka_unit_test(a_client_without_memory_asks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

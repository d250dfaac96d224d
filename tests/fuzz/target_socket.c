/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a client brings the host down, leaves it in a state its own log does not lead to, or gets an answer
 * nobody can read. The input goes to a real socket of a real home: frames as they are when it begins with a NUL, else
 * text, each line of which is one request. Every so often the home ends, and with it comes the check of the log:
 * verified, rebuilt, folded again, every decision replayed. */
#include "cm.h"

#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "home.h"
#include "run/router.h"
#include "run/socket.h"

#define INPUTS_A_HOME 400
#define INPUT_MAX (256u << 10)

static struct served {
    struct home home;
    struct vh_run run;
    struct vh_control control;
    struct vh_socket *socket;
    struct vh_arena *arena;
    int folder;
    int inputs;
} served;

static void
end_home(void)
{
    if (served.arena) {
        vh_socket_stop(served.socket);
        close(served.folder);
        home_end(&served.home);
        vh_arena_destroy(served.arena);
        served = (struct served){ .folder = -1 };
    }
}

static void
begin_home(void)
{
    static bool known;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct viv_error err = VIV_ERROR_INIT;
    if (!known) {
        char hex[VH_HASH_HEX];
        (void)setenv("TMPDIR", fuzz_folder(), 1); /* homes are made below it */
        vh_hash_text(VH_STR(""), hex); /* libcrypto ends at exit too, and after us when it began before */
        atexit(end_home);
        known = true;
    }
    served.arena = vh_arena_create(NULL, 0);
    home_new(&served.home);
    served.folder = open(served.home.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    served.run = (struct vh_run){ .seam = vh_seam_real(), .sequencer = served.home.sequencer, .arena = served.arena,
                                  .home = served.folder, .home_path = served.home.folder,
                                  .project = served.home.folder, .uid = getuid(), .pid = getpid(),
                                  .registry_lock = &lock };
    struct vh_registry_places places = { .store = vh_arena_format(served.arena, "%s/plugins", served.home.folder) };
    served.run.router = vh_router_create(served.arena, served.run.seam);
    FUZZ_MUST(vh_registry_open(served.run.seam, served.arena, &places, &served.run.registry, &err) == VIV_OK, "%s",
              err.text);
    served.control = (struct vh_control){ .run = &served.run, .store = served.home.store };
    FUZZ_MUST(vh_socket_start(&served.control, served.arena, served.folder, &served.socket, &err) == VIV_OK, "%s",
              err.text);
    (void)home_must(&served.home, "task.submitted", "seen", "{\"attempts_max\":3,\"goal\":\"g\",\"target\":\"/p\"}");
}

static int
knock(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" VH_SOCKET_NAME, served.folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_MUST(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "the host does not listen");
    return fd;
}

static void
put_frame(struct vh_buf *buf, struct viv_str text)
{
    unsigned char head[4] = { (unsigned char)text.len, (unsigned char)(text.len >> 8), (unsigned char)(text.len >> 16),
                              (unsigned char)(text.len >> 24) };
    vh_buf_add(buf, head, sizeof head);
    vh_buf_str(buf, text);
}

/* Whether a request would wait for what never comes: five seconds each are too long for a test. */
static bool
waits(struct viv_str text)
{
    return text.len && memmem(text.data, (size_t)text.len, "wait", 4);
}

/* Read one answer; false at the end of the connection. */
static bool
take_answer(struct vh_arena *arena, int fd)
{
    unsigned char head[4];
    ssize_t got = recv(fd, head, sizeof head, MSG_WAITALL);
    if (got <= 0) {
        return false;
    }
    FUZZ_MUST(got == (ssize_t)sizeof head, "half a head");
    size_t len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    FUZZ_MUST(len > 0 && len <= VH_SOCKET_FRAME_MAX, "an answer has %zu bytes", len);
    char *text = vh_arena_alloc(arena, len + 1);
    FUZZ_MUST(text && recv(fd, text, len, MSG_WAITALL) == (ssize_t)len, "half an answer");
    struct vh_json *answer = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    viv_status read = vh_json_read(arena, (struct viv_str){ text, len }, &answer, &err);
    FUZZ_MUST(read == VIV_OK, "%s in '%s'", err.text, text);
    const struct vh_json *status = vh_json_get(answer, "status");
    FUZZ_MUST(status && status->type == VH_JSON_INTEGER && status->integer <= 0, "no status in '%s'", text);
    if (status->integer) {
        struct viv_str said = vh_json_str(answer, "error");
        fuzz_line(vh_arena_text_of(arena, said), "the error of an answer");
        fuzz_count.refused++;
    } else {
        fuzz_count.accepted++;
    }
    return true;
}

static size_t
make_frames(struct vh_arena *arena, struct viv_str text, struct vh_buf *buf)
{
    size_t frames = 0;
    vh_buf_init(buf, arena, 2 * (size_t)INPUT_MAX);
    if (text.len && text.data[0] == '\0') {
        vh_buf_add(buf, text.data + 1, (size_t)text.len - 1);
        return text.len / 4;
    }
    while (text.len) {
        put_frame(buf, fuzz_part(&text, "\n"));
        frames++;
    }
    return frames;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct viv_str text = fuzz_text(data, size);
    if (size > INPUT_MAX / 4 || waits(text)) {
        return 0;
    }
    if (served.arena && served.inputs++ >= INPUTS_A_HOME) {
        end_home();
    }
    if (!served.arena) {
        begin_home();
    }
    struct vh_arena *arena = fuzz_arena();
    struct vh_buf buf;
    size_t frames = make_frames(arena, text, &buf);
    size_t answers = 0;
    int fd = knock();
    FUZZ_MUST(!buf.failed, "no memory");
    /* The host may have ended the connection already, at the first frame that is none. */
    ssize_t put = buf.len ? send(fd, buf.data, buf.len, MSG_NOSIGNAL) : 0;
    (void)put;
    shutdown(fd, SHUT_WR);
    while (take_answer(arena, fd)) {
        answers++;
    }
    FUZZ_MUST(answers <= frames + 1, "%zu answers to %zu requests", answers, frames);
    close(fd);
    vh_arena_destroy(arena);
    return 0;
}

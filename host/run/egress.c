/* SPDX-License-Identifier: Apache-2.0 */
/* The host's handle on viv-egress. One thread of the handle starts the process, waits for its end and starts it again
 * when somebody wants it: the kernel ends the process with the thread that started it, and a worker may end any time.
 * Everything else is done by who calls, on a pair of sockets made for that; only the channel is shared, under the
 * lock. */
#include "egress_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "run/sandbox_inside.h"
#include "run/secrets.h"

#define CA_BYTES_MAX 4000
#define CANCEL_LOOK_MS 50 /* how soon a cancel flag is seen */

/* ---- the channel, under the lock ---- */

static int
send_request(int channel, const struct ew_request *request, const struct viv_str texts[3], const int *fds,
             size_t fd_count)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * EW_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct ew_request head = *request;
    struct iovec parts[4] = { { &head, sizeof head } };
    struct msghdr header = { .msg_iov = parts, .msg_iovlen = 4 };
    size_t len = sizeof head;
    for (size_t i = 0; i < 3; i++) {
        union {
            const char *from;
            void *to;
        } data = { .from = texts ? texts[i].data : NULL };
        parts[i + 1] = (struct iovec){ data.to, texts ? (size_t)texts[i].len : 0 };
        len += parts[i + 1].iov_len;
    }
    if (fd_count) {
        memset(&control, 0, sizeof control);
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(part), fds, sizeof(int) * fd_count);
    }
    ssize_t put;
    do {
        put = sendmsg(channel, &header, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    return put == (ssize_t)len ? 0 : -1;
}

static int
send_secret(int channel, const struct vh_egress_secret *secret)
{
    const struct viv_str texts[3] = { vh_str(secret->name), vh_str(secret->value), vh_str(secret->place) };
    const struct ew_request request = { .magic = EW_MAGIC,
                                        .kind = EW_SECRET,
                                        .name_len = (uint32_t)texts[0].len,
                                        .value_len = (uint32_t)texts[1].len,
                                        .place_len = (uint32_t)texts[2].len };
    return send_request(channel, &request, texts, NULL, 0);
}

/* viv-egress never sends on it: what can be read is its end. */
static bool
has_ended(int channel)
{
    struct pollfd polled = { .fd = channel, .events = POLLIN };
    return channel < 0 || poll(&polled, 1, 0) != 0;
}

static void
bury(struct vh_egress *egress)
{
    const struct vh_seam *seam = egress->seam;
    int status;
    if (egress->pid > 0) {
        (void)seam->kill(seam->data, egress->pid, SIGKILL); /* not reaped, so the number is still its own */
        while (seam->wait(seam->data, egress->pid, &status, 0) < 0 && errno == EINTR) {
            continue;
        }
    }
    if (egress->channel >= 0) {
        seam->close(seam->data, egress->channel);
    }
    egress->pid = 0;
    egress->channel = -1;
}

static viv_status
start(struct vh_egress *egress, struct viv_error *err)
{
    const struct vh_seam *seam = egress->seam;
    const struct timeval patience = { VH_EGRESS_ANSWER_NS / 1000000000, 0 };
    char parent[32], ca[CA_BYTES_MAX + 8];
    int ends[2];
    char *argv[] = { egress->program, parent, egress->ca ? ca : NULL, NULL };
    snprintf(parent, sizeof parent, "--parent=%d", (int)getpid());
    snprintf(ca, sizeof ca, "--ca=%s", egress->ca ? egress->ca : "");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        return vh_error_errno(err, VIV_E_UNAVAILABLE, "egress", "no socket for '%s'", egress->program);
    }
    (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience,
                     sizeof patience); /* then a stopped one waits longer */
    int code = seam->spawn(seam->data, egress->program, argv, &ends[1], 1, &egress->pid);
    int error = errno;
    seam->close(seam->data, ends[1]);
    egress->channel = ends[0];
    for (size_t i = 0; i < egress->secret_count && code == 0; i++) {
        code = send_secret(egress->channel, &egress->secrets[i]);
        error = errno;
    }
    if (code) {
        egress->pid = egress->pid > 0 ? egress->pid : 0;
        bury(egress);
        errno = error;
        return vh_error_errno(err, VIV_E_UNAVAILABLE, "egress", "cannot start '%s'", egress->program);
    }
    return VIV_OK;
}

/* ---- the thread that keeps it ---- */

static void
wait_for_end(struct vh_egress *egress)
{
    struct pollfd fds[2] = { { egress->channel, POLLIN, 0 }, { egress->wake[0], POLLIN, 0 } };
    pthread_mutex_unlock(&egress->lock);
    (void)poll(fds, 2, -1); /* an interrupted wait only looks sooner */
    pthread_mutex_lock(&egress->lock);
    if (has_ended(egress->channel)) {
        bury(egress);
    }
}

static void *
keep(void *data)
{
    struct vh_egress *egress = data;
    pthread_mutex_lock(&egress->lock);
    while (!egress->stop) {
        if (egress->channel >= 0) {
            wait_for_end(egress);
        } else if (egress->wanted) {
            egress->failed = start(egress, &egress->fault);
            egress->wanted = false;
            egress->starts++;
            pthread_cond_broadcast(&egress->changed);
        } else {
            pthread_cond_wait(&egress->changed, &egress->lock);
        }
    }
    bury(egress);
    pthread_cond_broadcast(&egress->changed);
    pthread_mutex_unlock(&egress->lock);
    return NULL;
}

/* Under the lock: there is a process when this returns VIV_OK. */
static viv_status
need(struct vh_egress *egress, struct viv_error *err)
{
    if (!has_ended(egress->channel)) {
        return VIV_OK;
    }
    if (!egress->keeping && !egress->stop) {
        egress->keeping = pthread_create(&egress->keeper, NULL, keep, egress) == 0;
    }
    uint64_t seen = egress->starts;
    egress->wanted = true;
    pthread_cond_broadcast(&egress->changed);
    while (egress->keeping && !egress->stop && egress->starts == seen) {
        pthread_cond_wait(&egress->changed, &egress->lock);
    }
    if (egress->starts == seen) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "egress", "there is no thread to start '%s'", egress->program);
    }
    if (egress->failed && err) {
        *err = egress->fault;
    }
    return egress->failed;
}

viv_status
vh_egress_ask(struct vh_egress *egress, enum ew_kind kind, struct viv_str text, int third, int *ret_answer,
              struct viv_error *err)
{
    const struct vh_seam *seam = egress->seam;
    const struct ew_request request = { .magic = EW_MAGIC, .kind = (uint32_t)kind };
    int ends[2] = { -1, -1 }, memory = vh_sandbox_memory_file(text);
    if (memory < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        viv_status status = vh_error_errno(err, VIV_E_UNAVAILABLE, "egress", "nothing can be asked of viv-egress");
        vh_sandbox_close_fds(seam, &memory, 1);
        return status;
    }
    const int fds[EW_FDS_MAX] = { ends[1], memory, third };
    pthread_mutex_lock(&egress->lock);
    viv_status status = need(egress, err);
    if (status == VIV_OK && send_request(egress->channel, &request, NULL, fds, EW_FDS_MAX)) {
        status = vh_error_errno(err, VIV_E_UNAVAILABLE, "egress", "'%s' does not take requests", egress->program);
    }
    pthread_mutex_unlock(&egress->lock);
    vh_sandbox_close_fds(seam, (int[]){ ends[1], memory }, 2);
    if (status) {
        vh_sandbox_close_fds(seam, ends, 1);
        return status;
    }
    *ret_answer = ends[0];
    return VIV_OK;
}

/* ---- answers ---- */

/* Until there is something to read. */
static viv_status
wait_for_frame(struct vh_egress *egress, int answer, int64_t until_ns, const atomic_uint *cancel,
               struct viv_error *err)
{
    for (;;) {
        struct pollfd polled = { .fd = answer, .events = POLLIN };
        int64_t left_ms = (until_ns - egress->seam->monotonic_ns(egress->seam->data)) / 1000000;
        int64_t most_ms = cancel ? CANCEL_LOOK_MS : 60000;
        if (cancel && atomic_load(cancel)) {
            return vh_error_set(err, VIV_E_CANCELLED, "egress", "it was cancelled");
        }
        int ready = poll(&polled, 1, left_ms <= 0 ? 0 : left_ms < most_ms ? (int)left_ms + 1 : (int)most_ms);
        if (ready > 0) {
            return VIV_OK;
        }
        if (ready == 0 && left_ms <= 0) {
            return vh_error_set(err, VIV_E_TIMEOUT, "egress", "no end came before the deadline");
        }
        if (ready < 0 && errno != EINTR) {
            return vh_error_errno(err, VIV_E_IO, "egress", "cannot wait for an answer");
        }
    }
}

viv_status
vh_egress_take(struct vh_egress *egress, int answer, int64_t until_ns, const atomic_uint *cancel,
               struct vh_egress_frame *frame, struct viv_error *err)
{
    viv_status status = wait_for_frame(egress, answer, until_ns, cancel, err);
    if (status) {
        return status;
    }
    ssize_t got;
    do {
        got = recv(answer, frame->message, sizeof frame->message, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < (ssize_t)sizeof frame->head) {
        frame->head.kind = 0;
        return vh_error_set(err, VIV_E_UNAVAILABLE, "egress",
                            "'%s' ended before it answered; the next use starts it "
                            "again",
                            egress->program);
    }
    memcpy(&frame->head, frame->message, sizeof frame->head);
    frame->bytes = (struct viv_str){ frame->message + sizeof frame->head, (uint64_t)got - sizeof frame->head };
    return frame->head.len == frame->bytes.len ? VIV_OK
                                               : vh_error_set(err, VIV_E_INTERNAL, "egress",
                                                              "a frame has another length "
                                                              "than it says");
}

viv_status
vh_egress_end(struct vh_arena *arena, const struct vh_egress_frame *frame, struct vh_json **ret_end,
              struct viv_error *err)
{
    struct vh_json *end = NULL;
    if (frame->head.kind != EW_END) {
        return vh_error_set(err, VIV_E_INTERNAL, "egress", "viv-egress says %u, which was not asked",
                            frame->head.kind);
    }
    viv_status status = vh_json_read(arena, frame->bytes, &end, err);
    if (status) {
        return status;
    }
    int64_t said = vh_json_int(end, "status", VIV_E_INTERNAL);
    if (said) {
        status = said < 0 && said >= VIV_STATUS_LAST ? (viv_status)said : VIV_E_INTERNAL;
        return vh_error_set(err, status, "egress", "%.*s", VH_STR_ARGS(vh_json_str(end, "text")));
    }
    if (ret_end) {
        *ret_end = end;
    }
    return VIV_OK;
}

/* ---- life ---- */

viv_status
vh_egress_create(const struct vh_egress_config *config, struct vh_egress **ret_egress, struct viv_error *err)
{
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_egress *egress = vh_arena_alloc(arena, sizeof *egress);
    if (!egress) {
        vh_arena_destroy(arena);
        return vh_error_set(err, VIV_E_MEMORY, "egress", "no memory to start");
    }
    *egress = (struct vh_egress){ .seam = config->seam, .arena = arena, .channel = -1, .fault = VIV_ERROR_INIT };
    egress->program = vh_arena_text(arena, config->program);
    egress->ca = config->ca_file ? vh_arena_text(arena, config->ca_file) : NULL;
    bool memory = egress->program && (egress->ca || !config->ca_file);
    viv_status status = memory ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "egress", "no memory to start");
    if (memory && egress->ca && strlen(egress->ca) > CA_BYTES_MAX) {
        status = vh_error_set(err, VIV_E_INVALID, "egress", "the path of the certificates has %zu bytes, allowed %d",
                              strlen(egress->ca), CA_BYTES_MAX);
    }
    if (status == VIV_OK && pipe2(egress->wake, O_CLOEXEC)) {
        status = vh_error_errno(err, VIV_E_UNAVAILABLE, "egress", "cannot make a pipe");
    }
    if (status) {
        vh_arena_destroy(arena);
        return status;
    }
    pthread_mutex_init(&egress->lock, NULL);
    pthread_cond_init(&egress->changed, NULL);
    *ret_egress = egress;
    return VIV_OK;
}

void
vh_egress_destroy(struct vh_egress *egress)
{
    if (!egress) {
        return;
    }
    const struct vh_seam *seam = egress->seam;
    pthread_mutex_lock(&egress->lock);
    egress->stop = true;
    pthread_cond_broadcast(&egress->changed);
    pthread_mutex_unlock(&egress->lock);
    ssize_t put = seam->write(seam->data, egress->wake[1], "x", 1);
    (void)put; /* an empty pipe takes it */
    if (egress->keeping) {
        pthread_join(egress->keeper, NULL);
    }
    for (size_t i = 0; i < EW_DOORS_MAX; i++) {
        if (egress->doors[i].id) {
            seam->close(seam->data, egress->doors[i].answer);
        }
    }
    for (size_t i = 0; i < egress->secret_count; i++) {
        vh_secret_drop(egress->secrets[i].value);
    }
    seam->close(seam->data, egress->wake[0]);
    seam->close(seam->data, egress->wake[1]);
    pthread_cond_destroy(&egress->changed);
    pthread_mutex_destroy(&egress->lock);
    vh_arena_destroy(egress->arena);
}

/* ---- secrets ---- */

static viv_status
put_secret(struct vh_egress *egress, struct vh_egress_secret *fresh, struct viv_error *err)
{
    struct vh_egress_secret *place = NULL, old = { .value = NULL };
    for (size_t i = 0; i < egress->secret_count; i++) {
        place = strcmp(egress->secrets[i].name, fresh->name) == 0 ? &egress->secrets[i] : place;
    }
    if (!place && egress->secret_count == EW_SECRETS_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "egress", "secret '%s' is one more than %d", fresh->name,
                            EW_SECRETS_MAX);
    }
    if (place) {
        old = *place;
    }
    place = place ? place : &egress->secrets[egress->secret_count++];
    *place = *fresh;
    fresh->value = old.value;
    /* One that does not take it is ended: it would go on with the old value. The next one gets all anew. */
    if (egress->channel >= 0 && send_secret(egress->channel, place)) {
        (void)shutdown(egress->channel, SHUT_RDWR);
    }
    return VIV_OK;
}

viv_status
vh_egress_secret(struct vh_egress *egress, struct viv_str name, struct viv_str value, struct viv_str host_port,
                 struct viv_error *err)
{
    struct vh_egress_secret fresh = { .value = NULL };
    if (!vh_str_id(name) || value.len < VH_SECRET_BYTES_MIN || value.len > VH_SECRET_BYTES_MAX || !host_port.len ||
        host_port.len > VH_EGRESS_PLACE_MAX || vh_str_nul(value) || vh_str_nul(host_port)) {
        return vh_error_set(err, VIV_E_INVALID, "egress",
                            "secret '%.*s' for '%.*s': its name has %s; its value %d to %d "
                            "bytes; its place is 'host:port'",
                            (int)(name.len < 64 ? name.len : 64), name.len ? name.data : "",
                            (int)(host_port.len < 64 ? host_port.len : 64), host_port.len ? host_port.data : "",
                            VH_STR_ID_WORDS, VH_SECRET_BYTES_MIN, VH_SECRET_BYTES_MAX);
    }
    snprintf(fresh.name, sizeof fresh.name, "%.*s", VH_STR_ARGS(name));
    snprintf(fresh.place, sizeof fresh.place, "%.*s", VH_STR_ARGS(host_port));
    fresh.value = vh_secret_keep(value);
    if (!fresh.value) {
        return vh_error_set(err, VIV_E_MEMORY, "egress", "no memory for a secret");
    }
    pthread_mutex_lock(&egress->lock);
    viv_status status = put_secret(egress, &fresh, err);
    pthread_mutex_unlock(&egress->lock);
    vh_secret_drop(fresh.value);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A seam for tests: passes everything on to the real one, counts, and lets the n-th call of a kind fail with an
 * errno. It can also shorten reads and writes and hold the clock still. Counters are atomic, so code under test may
 * have threads; set it up before they start.
 *
 *     struct seam_fail fail;
 *     seam_fail_init(&fail, vh_seam_real());
 *     seam_fail_at(&fail, SEAM_SYNC, 1, EIO);
 *     status = vh_fs_replace(&fail.seam, ...);
 *     assert_true(fail.reached);           a point that was not reached tests nothing
 */
#ifndef SUPPORT_SEAM_FAIL_H
#define SUPPORT_SEAM_FAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include "base/seam.h"

enum seam_call {
    SEAM_RANDOM, SEAM_OPEN, SEAM_CLOSE, SEAM_READ, SEAM_WRITE, SEAM_PREAD, SEAM_PWRITE, SEAM_SYNC, SEAM_TRUNCATE,
    SEAM_STAT, SEAM_FSTAT, SEAM_MKDIR, SEAM_RENAME, SEAM_UNLINK, SEAM_LINK, SEAM_SYMLINK, SEAM_READLINK, SEAM_CHMOD,
    SEAM_UTIMENS, SEAM_CHOWN, SEAM_MKNOD, SEAM_SYNC_ALL, SEAM_GET_ATTRIBUTE, SEAM_LOCK, SEAM_SPAWN, SEAM_KILL,
    SEAM_WAIT, SEAM_KILL_PIDFD, SEAM_PIN,
    SEAM_ANY, /* all of the above together; also their number */
};

struct seam_fail {
    struct vh_seam seam; /* pass `&fail.seam` to the code under test */
    const struct vh_seam *under;
    atomic_uint_fast64_t calls[SEAM_ANY + 1];
    enum seam_call kind;
    uint64_t at; /* number of the call to fail, counted in calls[kind]; 0: none */
    int code;
    bool forever;        /* fail every call from `at` on */
    atomic_bool reached; /* the failure was delivered */
    size_t longest;      /* reads and writes move at most so many bytes; 0: no limit */
    bool still;          /* the clock shows the two values below */
    int64_t monotonic_ns;
    int64_t wall_us;
    const char *watch;          /* name of a crash place to count, or NULL */
    atomic_uint_fast64_t places; /* how often it was passed */
};

/* All calls go to `under`. */
void seam_fail_init(struct seam_fail *fail, const struct vh_seam *under);

/* Let the n-th call of `kind` from now on fail with errno `code`, without reaching the system. A failing close still
 * closes, as in the kernel. Starts counting again. n is 0: nothing fails. */
void seam_fail_at(struct seam_fail *fail, enum seam_call kind, uint64_t n, int code);

/* Calls of `kind` since seam_fail_at or seam_fail_init. */
uint64_t seam_fail_calls(const struct seam_fail *fail, enum seam_call kind);

#endif

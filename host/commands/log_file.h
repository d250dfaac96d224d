/* SPDX-License-Identifier: Apache-2.0 */
/* An exported log as a file, whole or redacted, looked at without its home: form, order and chain; of a redacted one
 * the tree that its last line signs (keep/redact.h). */
#ifndef VH_LOG_FILE_H
#define VH_LOG_FILE_H

#include "cli.h"
#include "keep/checkpoint.h"

struct vh_log_file {
    int64_t events;
    int64_t time_us;       /* of the last */
    bool redacted;
    struct vh_hash head;   /* of a whole one */
    char home[VH_CHECKPOINT_HOME_MAX + 1]; /* "": no event says it */
    struct vh_checkpoint seal; /* of a redacted one: its last line, whose signature the caller looks at */
    int64_t bad_seq;       /* 0: nothing wrong */
    char problem[400];
};

/* `against` may be NULL. A bad line is a result, not a failed call. With `prove` event, number and hash before of an
 * original line (log prove), `ret_proved` says whether the file commits to just that event. */
struct vh_log_proof {
    int64_t seq;
    struct vh_hash leaf;
    bool proved;
};
viv_status vh_log_file_check(struct vh_cli *cli, const char *path, struct vh_against *against,
                             struct vh_log_proof *proof, struct vh_log_file *ret_file, struct viv_error *err);

#endif

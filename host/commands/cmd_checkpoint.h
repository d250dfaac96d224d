/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of `log` about checkpoints, and what they share with those of cmd_log.c. */
#ifndef VH_CMD_CHECKPOINT_H
#define VH_CMD_CHECKPOINT_H

#include "cli.h"

/* Read the home beside whoever has it; says what is wrong. Ended by vh_cli_close. */
bool vh_cli_view(struct vh_cli *cli, int *ret_exit);

/* cmd_skill.c: `key list | rotate | retire KEY` of one kind of the user's keys. */
int vh_cli_key(struct vh_cli *cli, const struct vh_trust_names *names);

int vh_cli_log_checkpoint(struct vh_cli *cli);
int vh_cli_log_prove(struct vh_cli *cli);
/* `verify` of a file, or against a checkpoint, or with a line to prove; each may be NULL. */
struct vh_cli_check {
    const char *against, *key, *line;
};
int vh_cli_log_check(struct vh_cli *cli, const struct vh_cli_check *words);

/* cmd_redact.c: all of the viewed home's log, redacted, and its seal. */
viv_status vh_cli_write_redacted(struct vh_cli *cli, int fd, int64_t *ret_events, struct viv_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Events in words, and following a task to its end. Used by the commands that show events. */
#ifndef VH_FOLLOW_H
#define VH_FOLLOW_H

#include "cli.h"

/* Follow a task's events after `after` to its end and print them in words; gives the exit code. With `cancels` Ctrl-C
 * cancels the task and waits for it; otherwise it only ends the following. */
int vh_follow_task(struct vh_cli *cli, struct viv_str task, int64_t after, bool cancels);

/* One event in words, one line and for failed commands a few more; NULL for those that only matter to machines. */
const char *vh_follow_words(struct vh_cli *cli, const struct vh_json *event);

#endif

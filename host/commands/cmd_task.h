/* SPDX-License-Identifier: Apache-2.0 */
/* Showing one task: a verb of both 'task' and 'queue'. */
#ifndef VH_CMD_TASK_H
#define VH_CMD_TASK_H

#include "cli.h"

int vh_cmd_task_show(struct vh_cli *cli);
int vh_cmd_task_output(struct vh_cli *cli);

/* What the commands of task `cli->argv[0]` sent and received, summed over its events: {"bytes_in","bytes_out",
 * "commands","connections","hosts","lost","refused"}. NULL after a complaint. */
struct vh_json *vh_cli_traffic(struct vh_cli *cli, int *ret_exit);
/* In words; nothing when no command had a way out. */
void vh_cli_say_traffic(struct vh_cli *cli, const struct vh_json *traffic);
/* The task with it as its member "network". */
struct vh_json *vh_cli_with_traffic(struct vh_cli *cli, const struct vh_json *task, const struct vh_json *traffic);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Showing one task: a verb of both 'task' and 'queue'. */
#ifndef VH_CMD_TASK_H
#define VH_CMD_TASK_H

#include "cli.h"

int vh_cmd_task_show(struct vh_cli *cli);
int vh_cmd_task_output(struct vh_cli *cli);

#endif

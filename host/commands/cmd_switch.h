/* SPDX-License-Identifier: Apache-2.0 */
/* Holding all work. */
#ifndef VH_CMD_SWITCH_H
#define VH_CMD_SWITCH_H

#include "cli.h"

/* People hold all work, or the host does not answer: said, with the exit code. The home is open. */
bool vh_cli_held(struct vh_cli *cli, int *ret_exit);

int vh_cli_stop_all(struct vh_cli *cli);
int vh_cli_resume(struct vh_cli *cli);
int vh_cli_status(struct vh_cli *cli);

#endif

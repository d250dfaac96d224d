/* SPDX-License-Identifier: Apache-2.0 */
/* The home's tasks as a queue file of contract 1.1 (queue export). docs/contract/queue.md has the table of states. */
#ifndef VH_CMD_EXPORT_H
#define VH_CMD_EXPORT_H

#include "cli.h"

int vh_export_queue(struct vh_cli *cli);

#endif

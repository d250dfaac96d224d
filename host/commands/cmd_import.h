/* SPDX-License-Identifier: Apache-2.0 */
/* A queue file in (submit --queue). Its other way is cmd_export.c, a verb of 'queue'. */
#ifndef VH_CMD_IMPORT_H
#define VH_CMD_IMPORT_H

#include "cli.h"

/* With `check` nothing is submitted. Gives the exit code. */
int vh_import_queue(struct vh_cli *cli, const char *path, bool check);

#endif

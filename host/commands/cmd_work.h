/* SPDX-License-Identifier: Apache-2.0 */
/* A host with workers, whoever runs it: shared by 'work' and 'run'. */
#ifndef VH_CMD_WORK_H
#define VH_CMD_WORK_H

#include "cli.h"

/* Open the home so that somebody works: as the host with `workers`, or as a client of a host that has some. A host
 * without any is a command about to end: it is waited for. */
bool vh_work_open(struct vh_cli *cli, int workers, int *ret_exit);

#endif

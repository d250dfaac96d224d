/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the lines of ready work stand where the log says it published last. A home that was restored, or a repository
 * that was, can lag behind the other; nothing is moved, it is only said. */
#ifndef VH_LINE_CHECK_H
#define VH_LINE_CHECK_H

#include "cli.h"

/* The home is open as a host whose sandbox runs. Says each line that stands elsewhere. Gives how many lines there are;
 * `ret_bad` counts those elsewhere. */
int vh_line_check(struct vh_cli *cli, void (*say)(void *data, const char *text), void *data, int *ret_bad);

#endif

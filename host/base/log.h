/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's log: one line to standard error, may be lost. The audit is the event log in keep/. */
#ifndef VH_LOG_H
#define VH_LOG_H

#include <stdint.h>

enum vh_log_level { VH_LOG_DEBUG, VH_LOG_INFO, VH_LOG_WARNING, VH_LOG_ERROR };

/* Lines below `level` are dropped. Set once, before the first thread. */
void vh_log_level(enum vh_log_level level);

void vh_log(enum vh_log_level level, const char *part, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

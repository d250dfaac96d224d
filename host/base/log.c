/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "str.h"

/* The log sink: one of the two globals of the host. */
static enum vh_log_level lowest = VH_LOG_WARNING;

void
vh_log_level(enum vh_log_level level)
{
    lowest = level;
}

void
vh_log(enum vh_log_level level, const char *part, const char *format, ...)
{
    static const char *const names[] = { "debug", "info", "warning", "error" };
    if (level < lowest) {
        return;
    }
    char line[1200];
    int at = snprintf(line, sizeof line, "vivhost: %s: %s: ", names[level], part);
    va_list list;
    va_start(list, format);
    vsnprintf(line + at, sizeof line - (size_t)at - 1, format, list);
    va_end(list);
    vh_str_clean(line);
    size_t len = strlen(line);
    line[len++] = '\n';
    ssize_t put = write(STDERR_FILENO, line, len);
    (void)put; /* an operator's log line may be lost */
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOY_HOST_H
#define TOY_HOST_H

#include <stdbool.h>
#include <stddef.h>

char *toy_right(const char *text);
char *toy_crashes(const char *text);
bool toy_hangs(void);
bool toy_leaves_process(void);
bool toy_leaves_file(void);
bool toy_is_broken(void);
bool toy_leaks(void);

#endif

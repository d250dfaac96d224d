/* SPDX-License-Identifier: Apache-2.0 */
/* Which language a file is written in, and what a comment looks like there. Pure; no host. */
#ifndef COUNT_LINES_LANGUAGES_H
#define COUNT_LINES_LANGUAGES_H

#include "kit.h"

struct language {
    const char *name;
    const char *names; /* file names, extensions with their dot, and programs of #! lines; parted by blanks */
    const char *line;  /* starts a comment to the line's end, or NULL */
    const char *open;  /* starts a comment to `close`, or NULL */
    const char *close;
};

/* Sorted by name. */
extern const struct language languages[];
extern const uint32_t language_count;

/* Index, or `language_count` for none. By name: case ignored. By path: file name or extension. By content: the
 * program of a #! line. */
uint32_t language_named(struct viv_str name);
uint32_t language_of_path(struct viv_str path);
uint32_t language_of_content(struct viv_str bytes);

#endif

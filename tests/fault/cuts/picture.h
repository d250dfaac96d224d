/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a small folder are, to compare with later; ".git" at the top is left out. */
#ifndef FAULT_CUTS_PICTURE_H
#define FAULT_CUTS_PICTURE_H

#include <stddef.h>

#define FILES_MAX 24
#define TEXT_MAX 2048

struct file {
    char path[64];
    char text[TEXT_MAX]; /* kind and executable bit first */
};

struct picture {
    struct file file[FILES_MAX];
    size_t count;
};

void picture_take(const char *root, struct picture *ret_picture);
const struct file *picture_file(const struct picture *picture, const char *path); /* NULL: none */
/* A path that is not the same in both, leaving `but` out unless it is NULL; NULL when there is
 * none. */
const char *picture_difference(const struct picture *a, const struct picture *b, const char *but);

#endif

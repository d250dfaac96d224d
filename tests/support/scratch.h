/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of its own for one test, below TMPDIR or the system's temporary folder; gone with everything in it at the
 * end. Small helpers fill and look at it. All of them stop the test when the system refuses. */
#ifndef SUPPORT_SCRATCH_H
#define SUPPORT_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

struct scratch {
    char path[256];
    int fd; /* the folder */
};

void scratch_make(struct scratch *scratch);
void scratch_remove(struct scratch *scratch);
/* Remove a folder with all that is in it, without the functions of the host: those are what is tested. */
void scratch_clear(const char *path);

/* Write a file below the folder. */
void scratch_write(const struct scratch *scratch, const char *path, const char *text);

/* Read at most `size` - 1 bytes and end them in NUL; false when the file does not exist. */
bool scratch_read(const struct scratch *scratch, const char *path, char *ret_text, size_t size);

/* Number of entries of a folder below the scratch folder, without "." and "..". */
size_t scratch_count(const struct scratch *scratch, const char *path);

#endif

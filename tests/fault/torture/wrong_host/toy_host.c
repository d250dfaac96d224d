/* SPDX-License-Identifier: Apache-2.0 */
/* What stands for the host in toy_unit.c: functions that fail in every wrong way when they get no memory, and one that
 * does it right. */
#include "toy_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *
toy_right(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    return copy ? strcpy(copy, text) : NULL;
}

char *
toy_crashes(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    return strcpy(copy, text); /* wrong: copy may be NULL */
}

bool
toy_hangs(void)
{
    void *memory = malloc(1);
    while (!memory) {
        pause();
    }
    free(memory);
    return true;
}

bool
toy_leaves_process(void)
{
    void *memory = malloc(1);
    if (!memory && fork() == 0) {
        for (;;) {
            pause();
        }
    }
    free(memory);
    return memory != NULL;
}

bool
toy_leaves_file(void)
{
    void *memory = malloc(1);
    if (!memory) {
        close(open("half-made", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    free(memory);
    return true;
}

bool
toy_is_broken(void)
{
    void *memory = malloc(1);
    if (!memory) {
        fprintf(stderr, "the command would break invariant I3\n");
    }
    free(memory);
    return memory != NULL;
}

bool
toy_leaks(void)
{
    char *one = malloc(10), *two = malloc(10);
    if (!one || !two) {
        return false; /* wrong: one may be there */
    }
    free(one);
    free(two);
    return true;
}

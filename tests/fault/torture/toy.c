/* SPDX-License-Identifier: Apache-2.0 */
/* A program for test_torture.py: it writes a word into a file, well or with one fault of its own. usage: toy HOW FILE
 * good: every failure ends it with 1 and a reason. deaf: a failed write is ignored. crash:
 * memory that was not given is used. mute: it fails without a word. vague: without the reason. hang: it waits for a
 * write to succeed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
failed(const char *how, const char *what)
{
    if (strcmp(how, "vague") == 0) {
        fprintf(stderr, "toy: it failed\n");
    } else if (strcmp(how, "mute") != 0) {
        fprintf(stderr, "toy: %s: %s\n", what, strerror(errno));
    }
    return 1;
}

int
main(int argc, char **argv)
{
    const char *how = argc == 3 ? argv[1] : "";
    char *word = malloc(6);
    if (!word && strcmp(how, "crash") != 0) {
        return failed(how, "no memory");
    }
    memcpy(word, "whole", 6);
    int fd = open(argc == 3 ? argv[2] : "", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed(how, "open");
    }
    while (write(fd, word, 5) != 5) {
        if (strcmp(how, "deaf") == 0) {
            break;
        }
        if (strcmp(how, "hang") != 0) {
            return failed(how, "write");
        }
        (void)poll(NULL, 0, 10);
    }
    if (fsync(fd)) {
        return failed(how, "sync");
    }
    close(fd);
    free(word);
    return 0;
}

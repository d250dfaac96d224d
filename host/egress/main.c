/* SPDX-License-Identifier: Apache-2.0 */
/* viv-egress --parent=PID [--ca=FILE]: started by vivhost alone, with the channel of wire.h as descriptor EW_CHANNEL.
 */
#include "egress.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifdef VH_SANITIZED
/* It would look for leaks by tracing a process that cannot be traced. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

/* With the host's thread that started it this ends; it may have ended before this was asked for. */
static int
follow_parent(const char *word)
{
    long parent = strncmp(word, "--parent=", 9) == 0 ? strtol(word + 9, NULL, 10) : 0;
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && parent > 1 && getppid() == (pid_t)parent ? 0 : -1;
}

int
main(int argc, char **argv)
{
    const char *ca = argc == 3 && strncmp(argv[2], "--ca=", 5) == 0 ? argv[2] + 5 : NULL;
    struct egress_config config = { .channel = EW_CHANNEL, .ca_file = ca, .calls = &resolve_machine };
    if (argc < 2 || argc > 3 || (argc == 3 && !ca) || follow_parent(argv[1]) != 0) {
        fprintf(stderr, "viv-egress is started by vivhost and by nothing else\n");
        return 2;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        fprintf(stderr, "viv-egress: libcurl does not start\n");
        return 1;
    }
    const char *failed = confine(ca);
    if (failed) {
        fprintf(stderr, "viv-egress: cannot be confined, step '%s' failed\n", failed);
        return 1;
    }
    return egress_serve(&config);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* viv-egress as tests start it: the same loop, with names of their own. It stands in no package and is not confined.
 */
#include "egress/egress.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const struct {
    const char *host;
    const char *addresses[4];
} names[] = {
    { "good.test", { "127.0.0.1" } },
    { "sub.good.test", { "127.0.0.1" } },
    { "public.test", { "93.184.216.34" } },
    { "private.test", { "10.1.2.3" } },
    { "mixed.test", { "10.1.2.3", "169.254.169.254", "127.0.0.1" } },
    { "own.test", { "93.184.216.35" } },
    { "mapped.test", { "::ffff:127.0.0.1" } },
    { "next.test", { "127.0.0.9", "127.0.0.1" } }, /* nobody listens at the first */
};

static int
look(const char *host, struct address ret_addresses[ADDRESSES_MAX], const char **ret_why)
{
    static atomic_int rebinds;
    if (strcmp(host, "stuck.test") == 0) {
        for (;;) {
            pause();
        }
    }
    if (strcmp(host, "rebind.test") == 0) { /* each answer is another one */
        *ret_addresses = (struct address){ .bytes = { 127, 0, 0, (uint8_t)(1 + atomic_fetch_add(&rebinds, 1)) } };
        return 1;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int count = 0;
        while (strcmp(host, names[i].host) == 0 && names[i].addresses[count]) {
            const char *text = names[i].addresses[count];
            (void)address_read((struct viv_str){ text, strlen(text) }, &ret_addresses[count++]);
        }
        if (count) {
            return count;
        }
    }
    *ret_why = "no such name in the test";
    return -1;
}

static bool
own(const struct address *address)
{
    return !address->v6 && address->bytes[3] == 35;
}

int
main(int argc, char **argv)
{
    static const struct resolve_calls calls = { look, own };
    const struct egress_config config = { .channel = EW_CHANNEL,
                                          .ca_file = argc > 2 ? argv[2] + 5 : NULL,
                                          .calls = &calls };
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* its end is seen at the channel too */
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return egress_serve(&config);
}

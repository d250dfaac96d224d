/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses, in a few threads, since the C library has no other way. Each question is asked once; who asked
 * may go away before the answer comes. */
#ifndef EGRESS_RESOLVE_H
#define EGRESS_RESOLVE_H

#include "rules.h"

#define RESOLVE_THREADS 8
#define RESOLVE_WAITING_MAX 128
#define RESOLVE_NS INT64_C(15000000000) /* for one answer */

/* What tests put in the place of the machine's resolver and interfaces. */
struct resolve_calls {
    /* Fill `ret_addresses`; gives how many, or -1 with a reason. Called in threads. */
    int (*look)(const char *host, struct address ret_addresses[ADDRESSES_MAX], const char **ret_why);
    bool (*own)(const struct address *address); /* one of this machine's; may be NULL */
};
extern const struct resolve_calls resolve_machine;

struct resolver;
struct lookup;

/* NULL: no memory or no thread. */
struct resolver *resolver_create(const struct resolve_calls *calls);
void resolver_destroy(struct resolver *resolver); /* waits for no thread that asks */

/* Readable when answers are there; then call resolver_ready, which calls `done` for each: addresses, or none and why.
 */
int resolver_fd(const struct resolver *resolver);
void resolver_ready(struct resolver *resolver);

/* NULL: too many wait already. */
struct lookup *resolver_ask(struct resolver *resolver, const char *host,
                            void (*done)(void *data, struct address *addresses, size_t count, const char *why),
                            void *data);
/* The answer is not wanted any more. Not after `done`. */
void resolver_forget(struct resolver *resolver, struct lookup *lookup);

#endif

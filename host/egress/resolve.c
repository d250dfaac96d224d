/* SPDX-License-Identifier: Apache-2.0 */
/* A lookup is in one list at a time: free, asked, or answered; or with a thread. All under the lock. Lookups are a
 * fixed table that is never freed while a thread may hold one: the process ends before that. */
#include "resolve.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct lookup {
    struct lookup *next;
    char host[HOST_MAX + 1];
    struct address addresses[ADDRESSES_MAX];
    int count;
    const char *why;
    void (*done)(void *data, struct address *addresses, size_t count, const char *why); /* NULL: not wanted */
    void *data;
};

struct resolver {
    const struct resolve_calls *calls;
    pthread_mutex_t lock;
    pthread_cond_t asked_one;
    struct lookup *spare, *asked, *asked_last, *answered;
    struct lookup lookups[RESOLVE_WAITING_MAX];
    int threads; /* that run */
    int wake;
    bool stop;
};

static int
machine_look(const char *host, struct address ret_addresses[ADDRESSES_MAX], const char **ret_why)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    int code = getaddrinfo(host, NULL, &hints, &list), count = 0;
    if (code) {
        *ret_why = gai_strerror(code);
        return -1;
    }
    for (const struct addrinfo *one = list; one && count < ADDRESSES_MAX; one = one->ai_next) {
        count += address_from(one->ai_addr, &ret_addresses[count]);
    }
    freeaddrinfo(list);
    return count;
}

static bool
machine_own(const struct address *address)
{
    struct ifaddrs *list = NULL;
    struct address one;
    bool own = getifaddrs(&list) != 0; /* what cannot be known is not dialled */
    for (const struct ifaddrs *at = list; at && !own; at = at->ifa_next) {
        own = at->ifa_addr && address_from(at->ifa_addr, &one) && address_equal(&one, address);
    }
    if (list) {
        freeifaddrs(list);
    }
    return own;
}

const struct resolve_calls resolve_machine = { machine_look, machine_own };

static void
wake(struct resolver *resolver)
{
    const uint64_t one = 1;
    ssize_t put = write(resolver->wake, &one, sizeof one);
    (void)put; /* a full counter is readable too */
}

static void
give_back(struct resolver *resolver, struct lookup *lookup)
{
    lookup->next = resolver->spare;
    resolver->spare = lookup;
}

static void *
work(void *data)
{
    struct resolver *resolver = data;
    pthread_mutex_lock(&resolver->lock);
    while (!resolver->stop) {
        struct lookup *lookup = resolver->asked;
        if (!lookup) {
            pthread_cond_wait(&resolver->asked_one, &resolver->lock);
            continue;
        }
        resolver->asked = lookup->next;
        bool wanted = lookup->done != NULL;
        pthread_mutex_unlock(&resolver->lock);
        if (wanted) {
            lookup->count = resolver->calls->look(lookup->host, lookup->addresses, &lookup->why);
        }
        pthread_mutex_lock(&resolver->lock);
        if (lookup->done) {
            lookup->next = resolver->answered;
            resolver->answered = lookup;
            wake(resolver);
        } else {
            give_back(resolver, lookup);
        }
    }
    bool last = --resolver->threads == 0;
    pthread_mutex_unlock(&resolver->lock);
    if (last) {
        close(resolver->wake);
        free(resolver);
    }
    return NULL;
}

struct resolver *
resolver_create(const struct resolve_calls *calls)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver) {
        return NULL;
    }
    resolver->calls = calls;
    resolver->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_cond_init(&resolver->asked_one, NULL);
    for (size_t i = 0; i < RESOLVE_WAITING_MAX; i++) {
        give_back(resolver, &resolver->lookups[i]);
    }
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_mutex_lock(&resolver->lock);
    for (size_t i = 0; i < RESOLVE_THREADS && resolver->wake >= 0; i++) {
        pthread_t thread;
        resolver->threads += pthread_create(&thread, &detached, work, resolver) == 0;
    }
    bool none = resolver->threads == 0;
    pthread_mutex_unlock(&resolver->lock);
    pthread_attr_destroy(&detached);
    if (none) {
        if (resolver->wake >= 0) {
            close(resolver->wake);
        }
        free(resolver);
        return NULL;
    }
    return resolver;
}

void
resolver_destroy(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->lock);
    resolver->stop = true;
    pthread_cond_broadcast(&resolver->asked_one);
    pthread_mutex_unlock(&resolver->lock); /* the last thread frees it */
}

int
resolver_fd(const struct resolver *resolver)
{
    return resolver->wake;
}

void
resolver_ready(struct resolver *resolver)
{
    uint64_t count;
    ssize_t got = read(resolver->wake, &count, sizeof count);
    (void)got; /* nothing there: nothing answered */
    for (;;) {
        pthread_mutex_lock(&resolver->lock);
        struct lookup *lookup = resolver->answered;
        resolver->answered = lookup ? lookup->next : NULL;
        pthread_mutex_unlock(&resolver->lock);
        if (!lookup) {
            return;
        }
        if (lookup->done) { /* only this thread takes it away */
            lookup->done(lookup->data, lookup->addresses, lookup->count > 0 ? (size_t)lookup->count : 0,
                         lookup->why ? lookup->why : "it has no address");
        }
        pthread_mutex_lock(&resolver->lock);
        give_back(resolver, lookup);
        pthread_mutex_unlock(&resolver->lock);
    }
}

struct lookup *
resolver_ask(struct resolver *resolver, const char *host,
             void (*done)(void *data, struct address *addresses, size_t count, const char *why), void *data)
{
    pthread_mutex_lock(&resolver->lock);
    struct lookup *lookup = resolver->spare;
    if (lookup) {
        resolver->spare = lookup->next;
        *lookup = (struct lookup){ .done = done, .data = data };
        memcpy(lookup->host, host, strnlen(host, HOST_MAX));
        if (resolver->asked) {
            resolver->asked_last->next = lookup;
        } else {
            resolver->asked = lookup;
        }
        resolver->asked_last = lookup;
        pthread_cond_signal(&resolver->asked_one);
    }
    pthread_mutex_unlock(&resolver->lock);
    return lookup;
}

void
resolver_forget(struct resolver *resolver, struct lookup *lookup)
{
    pthread_mutex_lock(&resolver->lock);
    lookup->done = NULL;
    pthread_mutex_unlock(&resolver->lock);
}

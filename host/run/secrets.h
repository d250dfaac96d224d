/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that the policy names: where each comes from, and where it lies while the host lives: in memory of its own
 * between guard pages, left out of core dumps, wiped at the end. A secret never comes by argv and never goes into a
 * log, an error or a task. redact.h takes it out of texts that may hold it. */
#ifndef VH_SECRETS_H
#define VH_SECRETS_H

#include <pthread.h>
#include <stddef.h>

#include "base/seam.h"
#include <viv/limits.h>
#include <viv/status.h>

#define VH_SECRETS_MAX 32
#define VH_SECRET_BYTES_MIN 8    /* a shorter one would be taken out of any text */
#define VH_SECRET_BYTES_MAX 2048 /* keys and tokens; redaction holds three times as much back */
#define VH_SECRET_VARIABLE_MAX 128

struct vh_secret {
    char name[VIV_ID_MAX + 1];
    char variable[VH_SECRET_VARIABLE_MAX]; /* it came from this one, which is gone from the environment; or "" */
    char *value;                           /* guarded, ends in NUL */
    char *forms;                           /* guarded: as redact.c looks for them */
};

struct vh_secrets {
    const struct vh_seam *seam;
    pthread_rwlock_t lock;
    struct vh_secret secret[VH_SECRETS_MAX];
    size_t count;
};

viv_status vh_secrets_init(struct vh_secrets *secrets, const struct vh_seam *seam, struct viv_error *err);
void vh_secrets_finish(struct vh_secrets *secrets);

/* Take secret `name` from a file of the user's own that nobody else may read. One newline at its end is not part of
 * it. VIV_E_NOT_FOUND, VIV_E_DENIED, VIV_E_INVALID, VIV_E_LIMIT: each with path, what was found, what is allowed,
 * cure. */
viv_status vh_secrets_file(struct vh_secrets *secrets, struct viv_str name, const char *path, struct viv_error *err);

/* Take it from a variable of the host's environment, which is wiped and removed: nothing that is started gets it. When
 * it is asked for again it is still known. Before there are threads that read the environment. */
viv_status vh_secrets_variable(struct vh_secrets *secrets, struct viv_str name, const char *variable,
                               struct viv_error *err);

/* Hand the value to `use`, which may not keep it. VIV_E_NOT_FOUND. */
viv_status vh_secrets_use(struct vh_secrets *secrets, struct viv_str name,
                          viv_status (*use)(void *data, struct viv_str value, struct viv_error *err), void *data,
                          struct viv_error *err);

/* Guarded memory, readable only: a copy that ends in NUL, or NULL; and its end. */
char *vh_secret_keep(struct viv_str bytes);
void vh_secret_drop(char *bytes);

#endif

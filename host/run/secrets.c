/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "redact.h"

/* ---- memory ---- */

char *
vh_secret_keep(struct viv_str bytes)
{
    char *kept = sodium_init() < 0 ? NULL : sodium_malloc((size_t)bytes.len + 1);
    if (kept) {
        memcpy(kept, bytes.data, (size_t)bytes.len);
        kept[bytes.len] = '\0';
        (void)sodium_mprotect_readonly(kept); /* a second wall; the first are the guard pages */
    }
    return kept;
}

void
vh_secret_drop(char *bytes)
{
    sodium_free(bytes); /* wipes; NULL is fine */
}

viv_status
vh_secrets_init(struct vh_secrets *secrets, const struct vh_seam *seam, struct viv_error *err)
{
    *secrets = (struct vh_secrets){ .seam = seam };
    if (sodium_init() < 0 || pthread_rwlock_init(&secrets->lock, NULL)) {
        return vh_error_set(err, VIV_E_UNAVAILABLE, "secret", "there is no guarded memory: libsodium does not start");
    }
    return VIV_OK;
}

void
vh_secrets_finish(struct vh_secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++) {
        vh_secret_drop(secrets->secret[i].value);
        vh_secret_drop(secrets->secret[i].forms);
    }
    secrets->count = 0;
    pthread_rwlock_destroy(&secrets->lock);
}

/* ---- one secret ---- */

static struct vh_secret *
find(struct vh_secrets *secrets, struct viv_str name)
{
    for (size_t i = 0; i < secrets->count; i++) {
        if (vh_str_is(name, secrets->secret[i].name)) {
            return &secrets->secret[i];
        }
    }
    return NULL;
}

static viv_status
check_name(struct viv_str name, struct viv_error *err)
{
    return vh_str_id(name)
               ? VIV_OK
               : vh_error_set(err, VIV_E_INVALID, "secret", "the name of a secret is '%.*s', allowed: %s",
                              (int)(name.len < 64 ? name.len : 64), name.len ? name.data : "", VH_STR_ID_WORDS);
}

/* What a header can carry, and long enough to be told from other text. Never shows the value. */
static viv_status
check_value(struct viv_str name, struct viv_str value, const char *from, struct viv_error *err)
{
    if (value.len == 0) {
        return vh_error_set(err, VIV_E_INVALID, "secret", "secret '%.*s': %s is empty; put the key into it",
                            VH_STR_ARGS(name), from);
    }
    if (value.len < VH_SECRET_BYTES_MIN || value.len > VH_SECRET_BYTES_MAX) {
        return vh_error_set(err, VIV_E_LIMIT, "secret", "secret '%.*s': %s holds %llu bytes, allowed %d to %d",
                            VH_STR_ARGS(name), from, (unsigned long long)value.len, VH_SECRET_BYTES_MIN,
                            VH_SECRET_BYTES_MAX);
    }
    for (uint64_t i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] > 0x7e) {
            return vh_error_set(err, VIV_E_INVALID, "secret",
                                "secret '%.*s': %s holds a %s at byte %llu; one line of "
                                "printable ASCII is allowed, with one newline at its end",
                                VH_STR_ARGS(name), from,
                                value.data[i] == '\n' || value.data[i] == '\r' ? "line break"
                                                                               : "byte that is none of it",
                                (unsigned long long)i + 1);
        }
    }
    return VIV_OK;
}

static viv_status
put(struct vh_secrets *secrets, struct viv_str name, struct viv_str value, const char *variable, struct viv_error *err)
{
    struct vh_secret fresh = { .value = vh_secret_keep(value), .forms = vh_redact_forms(value) };
    viv_status status =
        fresh.value && fresh.forms ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "secret", "no memory for a secret");
    snprintf(fresh.name, sizeof fresh.name, "%.*s", VH_STR_ARGS(name));
    snprintf(fresh.variable, sizeof fresh.variable, "%s", variable);
    pthread_rwlock_wrlock(&secrets->lock);
    struct vh_secret *place = find(secrets, name);
    if (status == VIV_OK && !place && secrets->count == VH_SECRETS_MAX) {
        status = vh_error_set(err, VIV_E_LIMIT, "secret", "secret '%.*s' is one more than %d", VH_STR_ARGS(name),
                              VH_SECRETS_MAX);
    } else if (status == VIV_OK) {
        struct vh_secret old = place ? *place : (struct vh_secret){ .value = NULL };
        place = place ? place : &secrets->secret[secrets->count++];
        *place = fresh;
        fresh = old;
    }
    pthread_rwlock_unlock(&secrets->lock);
    vh_secret_drop(fresh.value);
    vh_secret_drop(fresh.forms);
    return status;
}

viv_status
vh_secrets_use(struct vh_secrets *secrets, struct viv_str name,
               viv_status (*use)(void *data, struct viv_str value, struct viv_error *err), void *data,
               struct viv_error *err)
{
    pthread_rwlock_rdlock(&secrets->lock);
    const struct vh_secret *secret = find(secrets, name);
    viv_status status = secret ? use(data, vh_str(secret->value), err)
                               : vh_error_set(err, VIV_E_NOT_FOUND, "secret", "no secret is called '%.*s'",
                                              (int)(name.len < 64 ? name.len : 64), name.len ? name.data : "");
    pthread_rwlock_unlock(&secrets->lock);
    return status;
}

/* ---- where they come from ---- */

static viv_status
check_file(const struct stat *stat, struct viv_str name, const char *path, struct viv_error *err)
{
    if (!S_ISREG(stat->st_mode)) {
        return vh_error_set(err, VIV_E_INVALID, "secret", "secret '%.*s': '%.200s' is not a regular file",
                            VH_STR_ARGS(name), path);
    }
    if (stat->st_uid != geteuid()) {
        return vh_error_set(err, VIV_E_DENIED, "secret",
                            "secret '%.*s': '%.200s' belongs to user %u, allowed is you, "
                            "%u; make a copy of your own",
                            VH_STR_ARGS(name), path, (unsigned)stat->st_uid, (unsigned)geteuid());
    }
    if (stat->st_mode & 077) {
        return vh_error_set(err, VIV_E_DENIED, "secret",
                            "secret '%.*s': '%.200s' has mode %04o, allowed 0600 or less; "
                            "'chmod 600' it, and take another key if others may have read it",
                            VH_STR_ARGS(name), path, (unsigned)stat->st_mode & 07777);
    }
    if (stat->st_size > VH_SECRET_BYTES_MAX + 2) {
        return vh_error_set(err, VIV_E_LIMIT, "secret", "secret '%.*s': '%.200s' holds %lld bytes, allowed %d to %d",
                            VH_STR_ARGS(name), path, (long long)stat->st_size, VH_SECRET_BYTES_MIN,
                            VH_SECRET_BYTES_MAX);
    }
    return VIV_OK;
}

static viv_status
read_file(struct vh_secrets *secrets, struct viv_str name, const char *path, int fd, struct viv_error *err)
{
    const struct vh_seam *seam = secrets->seam;
    struct stat stat;
    char bytes[VH_SECRET_BYTES_MAX + 3], from[232];
    size_t len = 0;
    ssize_t got = seam->fstat(seam->data, fd, &stat);
    viv_status status = got == 0 ? check_file(&stat, name, path, err)
                                 : vh_error_errno(err, VIV_E_IO, "secret", "cannot look at '%.200s'", path);
    for (got = 1; status == VIV_OK && got > 0 && len<sizeof bytes; len += got> 0 ? (size_t)got : 0) {
        got = seam->read(seam->data, fd, bytes + len, sizeof bytes - len);
        if (got < 0) {
            status = vh_error_errno(err, VIV_E_IO, "secret", "secret '%.*s': cannot read '%.200s'", VH_STR_ARGS(name),
                                    path);
        }
    }
    struct viv_str value = { bytes, len };
    value.len -= value.len && bytes[value.len - 1] == '\n';
    value.len -= value.len && value.len < len && bytes[value.len - 1] == '\r';
    snprintf(from, sizeof from, "'%.200s'", path);
    status = status ? status : check_value(name, value, from, err);
    status = status ? status : put(secrets, name, value, "", err);
    sodium_memzero(bytes, sizeof bytes);
    return status;
}

viv_status
vh_secrets_file(struct vh_secrets *secrets, struct viv_str name, const char *path, struct viv_error *err)
{
    const struct vh_seam *seam = secrets->seam;
    viv_status status = check_name(name, err);
    if (status) {
        return status;
    }
    /* A pipe would wait for a writer. */
    int fd = seam->open(seam->data, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        status = errno == ENOENT || errno == ENOTDIR ? VIV_E_NOT_FOUND : errno == EACCES ? VIV_E_DENIED : VIV_E_IO;
        return vh_error_errno(err, status, "secret",
                              "secret '%.*s': cannot open '%.200s'; write the key into that file, "
                              "mode 0600",
                              VH_STR_ARGS(name), path);
    }
    status = read_file(secrets, name, path, fd, err);
    seam->close(seam->data, fd);
    return status;
}

static bool
is_known(struct vh_secrets *secrets, struct viv_str name, const char *variable)
{
    pthread_rwlock_rdlock(&secrets->lock);
    const struct vh_secret *secret = find(secrets, name);
    bool known = secret && strcmp(secret->variable, variable) == 0;
    pthread_rwlock_unlock(&secrets->lock);
    return known;
}

/* What the host and its libraries themselves look for there. */
static bool
is_needed(const char *variable)
{
    static const char *const needed[] = { "HOME", "PATH", "USER", "LOGNAME", "SHELL", "TMPDIR", "TERM", "LANG" };
    bool found = strncmp(variable, "XDG_", 4) == 0 || strncmp(variable, "LC_", 3) == 0;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        found = found || strcmp(variable, needed[i]) == 0;
    }
    return found;
}

viv_status
vh_secrets_variable(struct vh_secrets *secrets, struct viv_str name, const char *variable, struct viv_error *err)
{
    char from[VH_SECRET_VARIABLE_MAX + 16];
    viv_status status = check_name(name, err);
    size_t len = strlen(variable);
    if (status == VIV_OK &&
        (len == 0 || len >= VH_SECRET_VARIABLE_MAX || strchr(variable, '=') || is_needed(variable))) {
        status = vh_error_set(err, VIV_E_INVALID, "secret",
                              "secret '%.*s': '%.100s' is no variable for a key; name one of "
                              "its own, as MODEL_KEY",
                              VH_STR_ARGS(name), variable);
    }
    if (status) {
        return status;
    }
    char *found = getenv(variable);
    if (!found) {
        return is_known(secrets, name, variable)
                   ? VIV_OK
                   : vh_error_set(err, VIV_E_NOT_FOUND, "secret",
                                  "secret '%.*s': the variable '%s' is not set; export it "
                                  "for the host, or name a file",
                                  VH_STR_ARGS(name), variable);
    }
    snprintf(from, sizeof from, "variable '%s'", variable);
    status = check_value(name, vh_str(found), from, err);
    status = status ? status : put(secrets, name, vh_str(found), variable, err);
    sodium_memzero(found, strlen(found)); /* also from /proc/PID/environ */
    (void)unsetenv(variable);             /* its name is one */
    return status;
}

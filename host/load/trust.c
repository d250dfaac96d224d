/* SPDX-License-Identifier: Apache-2.0 */
#include "trust.h"
#include "trust_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include <viv/limits.h>

#define SEED_BYTES crypto_sign_SEEDBYTES
#define SIGNATURE_BYTES crypto_sign_BYTES
#define KEY_HEAD "vivarium-key 1 "
#define SIGNATURE_HEAD "vivarium-signature 1 "
#define KEY_TEXT (sizeof KEY_HEAD - 1 + 2 * SEED_BYTES + 1)                        /* and a line end */
#define SIGNATURE_TEXT (sizeof SIGNATURE_HEAD - 1 + 2 * 32 + 1 + 2 * SIGNATURE_BYTES + 1) /* the same */
#define OLD_HEAD "vivarium-old-keys 1\n"
#define OLD_KEPT " kept\n"
#define OLD_RETIRED " retired\n"
#define OLD_TEXT (sizeof OLD_HEAD - 1 + VH_TRUST_OLD_MAX * (2 * 32 + sizeof OLD_RETIRED - 1))
#define PATH_SIZE (VIV_PATH_MAX + 1)

_Static_assert(VH_TRUST_SIGNATURE_BYTES == SIGNATURE_BYTES, "an Ed25519 signature");
_Static_assert(VH_TRUST_KEY_BYTES == crypto_sign_PUBLICKEYBYTES, "an Ed25519 public key");

const struct vh_trust_names vh_trust_plugins = { "plugin-key", "old-keys", "plugin", "sign" };
const struct vh_trust_names vh_trust_log = { "log-key", "old-log-keys", "log", "checkpoint" };

const struct vh_trust_names *
vh_trust_names_of(const struct vh_trust *trust)
{
    return trust->names ? trust->names : &vh_trust_plugins;
}

static viv_status
start_library(struct viv_error *err)
{
    return sodium_init() < 0 ? vh_error_set(err, VIV_E_INTERNAL, "trust", "libsodium cannot start") : VIV_OK;
}

static bool
from_hex(const char *hex, uint8_t *bytes, size_t len)
{
    size_t got = 0;
    return sodium_hex2bin(bytes, len, hex, 2 * len, NULL, &got, NULL) == 0 && got == len &&
           strspn(hex, "0123456789abcdef") >= 2 * len;
}

/* What is signed: never the bare digest, so that a signature of something else cannot be used here. */
static size_t
signed_text(const struct vh_hash *hash, char text[128])
{
    char hex[VH_HASH_HEX];
    vh_hash_hex(hash, hex);
    return (size_t)snprintf(text, 128, "vivarium plugin 1 %s", hex);
}

/* Owner and mode of the key's folder and file: whoever can change either could add trust. */
static viv_status
check_owner(const struct stat *stat, const char *path, mode_t forbidden, const char *cure, struct viv_error *err)
{
    if (stat->st_uid != geteuid()) {
        return vh_error_set(err, VIV_E_DENIED, "trust", "'%s' belongs to user %u, allowed: %u, who runs this program",
                            path, (unsigned)stat->st_uid, (unsigned)geteuid());
    }
    if ((stat->st_mode & forbidden) != 0) {
        return vh_error_set(err, VIV_E_DENIED, "trust", "'%s' is open to others: mode %04o, allowed: no bit of %04o; "
                            "%s",
                            path, (unsigned)stat->st_mode & 07777, (unsigned)forbidden, cure);
    }
    return VIV_OK;
}

static viv_status
open_key(const struct vh_seam *seam, int dir, const char *keys_folder, const char *path, int *ret_fd,
         struct viv_error *err)
{
    struct stat stat;
    if (seam->stat(seam->data, dir, keys_folder, &stat, 0)) {
        return errno == ENOENT ? vh_error_set(err, VIV_E_NOT_FOUND, "trust", "there is no key folder '%s'", keys_folder)
                               : vh_error_errno(err, VIV_E_DENIED, "trust", "cannot look at '%s'", keys_folder);
    }
    viv_status status = check_owner(&stat, keys_folder, 022, "chmod go-w the folder", err);
    if (status) {
        return status;
    }
    int fd = seam->open(seam->data, dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (fd < 0) {
        return errno == ENOENT ? vh_error_set(err, VIV_E_NOT_FOUND, "trust", "there is no key '%s'", path)
                               : vh_error_errno(err, VIV_E_DENIED, "trust", "cannot open the key '%s'", path);
    }
    if (seam->fstat(seam->data, fd, &stat)) {
        status = vh_error_errno(err, VIV_E_IO, "trust", "cannot look at the key '%s'", path);
    } else if (!S_ISREG(stat.st_mode)) {
        status = vh_error_set(err, VIV_E_DENIED, "trust", "the key '%s' is not a regular file", path);
    } else {
        status = check_owner(&stat, path, 077, "chmod 600 the key", err);
    }
    if (status) {
        seam->close(seam->data, fd);
        return status;
    }
    *ret_fd = fd;
    return VIV_OK;
}

/* Some bytes of a small file; at most `size`. */
static ssize_t
read_some(const struct vh_seam *seam, int fd, char *bytes, size_t size)
{
    size_t at = 0;
    while (at < size) {
        ssize_t got = seam->pread(seam->data, fd, bytes + at, size - at, (off_t)at);
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        at += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)at;
}

static viv_status
join(char path[PATH_SIZE], const char *a, const char *b, const char *c, struct viv_error *err)
{
    int len = snprintf(path, PATH_SIZE, "%s%s%s", a, b, c);
    return len > 0 && len < (int)PATH_SIZE
               ? VIV_OK
               : vh_error_set(err, VIV_E_LIMIT, "trust", "a path has %d bytes, allowed %d", len, VIV_PATH_MAX);
}

static viv_status
read_seed(const struct vh_seam *seam, int dir, const char *keys_folder, const struct vh_trust_names *names,
          uint8_t seed[SEED_BYTES], struct viv_error *err)
{
    char path[PATH_SIZE], text[KEY_TEXT + 2] = "";
    int fd = -1;
    viv_status status = join(path, keys_folder, "/", names->key, err);
    status = status ? status : open_key(seam, dir, keys_folder, path, &fd, err);
    if (status) {
        return status;
    }
    ssize_t got = read_some(seam, fd, text, sizeof text - 1);
    seam->close(seam->data, fd);
    bool good = got == (ssize_t)KEY_TEXT && strncmp(text, KEY_HEAD, sizeof KEY_HEAD - 1) == 0 &&
                text[KEY_TEXT - 1] == '\n' && from_hex(text + sizeof KEY_HEAD - 1, seed, SEED_BYTES);
    sodium_memzero(text, sizeof text);
    return good ? VIV_OK
                : vh_error_set(err, VIV_E_CORRUPT, "trust",
                               "the key '%s' is not one line '" KEY_HEAD "' and %d hex digits; restore it, or move it "
                               "away and make a new one",
                               path, (int)(2 * SEED_BYTES));
}

/* Lines "KEY kept" and "KEY retired" after the head. */
static viv_status
read_old(const struct vh_seam *seam, int dir, const char *keys_folder, struct vh_trust *trust, struct viv_error *err)
{
    char path[PATH_SIZE], text[OLD_TEXT + 2] = "";
    int fd = -1;
    trust->old_count = 0;
    viv_status status = join(path, keys_folder, "/", vh_trust_names_of(trust)->old, err);
    status = status ? status : open_key(seam, dir, keys_folder, path, &fd, err);
    if (status) {
        return status == VIV_E_NOT_FOUND ? VIV_OK : status;
    }
    ssize_t got = read_some(seam, fd, text, sizeof text - 1);
    seam->close(seam->data, fd);
    const char *at = text + sizeof OLD_HEAD - 1;
    bool good = got >= 0 && strlen(text) == (size_t)got && strncmp(text, OLD_HEAD, sizeof OLD_HEAD - 1) == 0;
    while (good && *at) {
        struct vh_trust_old *old = &trust->old[trust->old_count];
        good = trust->old_count < VH_TRUST_OLD_MAX && from_hex(at, old->key, sizeof old->key);
        at += good ? 2 * sizeof old->key : 0;
        old->retired = good && strncmp(at, OLD_RETIRED, sizeof OLD_RETIRED - 1) == 0;
        good = good && (old->retired || strncmp(at, OLD_KEPT, sizeof OLD_KEPT - 1) == 0);
        at += !good ? 0 : old->retired ? sizeof OLD_RETIRED - 1 : sizeof OLD_KEPT - 1;
        trust->old_count += good;
    }
    trust->old_count = good ? trust->old_count : 0;
    return good ? VIV_OK
                : vh_error_set(err, VIV_E_CORRUPT, "trust",
                               "the list of old keys '%s' is not the line 'vivarium-old-keys 1' and up to %d lines "
                               "'KEY kept' or 'KEY retired'; restore it, or remove it and sign again what they signed",
                               path, VH_TRUST_OLD_MAX);
}

viv_status
vh_trust_write_old(const struct vh_seam *seam, int dir, const char *keys_folder, const struct vh_trust *trust,
                   struct viv_error *err)
{
    char path[PATH_SIZE], text[OLD_TEXT + 1] = OLD_HEAD, hex[2 * VH_TRUST_KEY_BYTES + 1];
    size_t len = sizeof OLD_HEAD - 1;
    for (uint32_t i = 0; i < trust->old_count; i++) {
        sodium_bin2hex(hex, sizeof hex, trust->old[i].key, sizeof trust->old[i].key);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", hex,
                                trust->old[i].retired ? OLD_RETIRED : OLD_KEPT);
    }
    viv_status status = join(path, keys_folder, "/", vh_trust_names_of(trust)->old, err);
    return status ? status : vh_fs_replace(seam, dir, path, (struct viv_str){ text, (int64_t)len }, 0600, err);
}

viv_status
vh_trust_read_key(const struct vh_seam *seam, int dir, const char *keys_folder, struct vh_trust *trust,
                  struct viv_error *err)
{
    uint8_t seed[SEED_BYTES], secret[crypto_sign_SECRETKEYBYTES], key[VH_TRUST_KEY_BYTES];
    viv_status status = start_library(err);
    status = status ? status : read_old(seam, dir, keys_folder, trust, err);
    status = status ? status : read_seed(seam, dir, keys_folder, vh_trust_names_of(trust), seed, err);
    if (status == VIV_E_NOT_FOUND) {
        trust->has_key = false;
        return VIV_OK;
    }
    if (status == VIV_OK && crypto_sign_seed_keypair(key, secret, seed)) {
        status = vh_error_set(err, VIV_E_INTERNAL, "trust", "libsodium cannot derive a key");
    }
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret, sizeof secret);
    if (status == VIV_OK) {
        memcpy(trust->key, key, sizeof key);
        trust->has_key = true;
    }
    return status;
}

/* Written whole under another name and then linked: a key is there completely or not at all, and never replaced. */
static viv_status
write_key(const struct vh_seam *seam, int dir, const char *path, const char *draft, struct viv_str text,
          struct viv_error *err)
{
    int fd = seam->open(seam->data, dir, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, "trust", "cannot make '%s'", draft);
    }
    viv_status status = vh_fs_write_all(seam, fd, text, err);
    if (status == VIV_OK && seam->sync(seam->data, fd)) {
        status = vh_error_errno(err, VIV_E_IO, "trust", "cannot sync '%s'", draft);
    }
    seam->close(seam->data, fd);
    if (status == VIV_OK && seam->link(seam->data, dir, draft, dir, path)) {
        status = errno == EEXIST ? vh_error_set(err, VIV_E_EXISTS, "trust", "there is a key '%s' already", path)
                                 : vh_error_errno(err, VIV_E_IO, "trust", "cannot make '%s'", path);
    }
    (void)seam->unlink(seam->data, dir, draft, 0); /* the draft's name only; what counts is linked or not */
    return status;
}

viv_status
vh_trust_write_key(const struct vh_seam *seam, int dir, const char *keys_folder, const struct vh_trust_names *names,
                   bool replace, struct viv_error *err)
{
    char path[PATH_SIZE], draft[PATH_SIZE], text[KEY_TEXT + 1], suffix[32];
    uint8_t seed[SEED_BYTES], salt[8];
    viv_status status = start_library(err);
    status = status ? status : join(path, keys_folder, "/", names->key, err);
    status = status ? status : vh_fs_keep_folders(seam, dir, keys_folder, 0700, err);
    if (status) {
        return status;
    }
    if (seam->random(seam->data, seed, sizeof seed) || seam->random(seam->data, salt, sizeof salt)) {
        return vh_error_errno(err, VIV_E_IO, "trust", "no randomness for a key");
    }
    sodium_bin2hex(suffix, sizeof suffix, salt, sizeof salt);
    status = join(draft, path, ".draft-", suffix, err);
    if (status == VIV_OK) {
        char hex[2 * SEED_BYTES + 1];
        sodium_bin2hex(hex, sizeof hex, seed, sizeof seed);
        snprintf(text, sizeof text, "%s%s\n", KEY_HEAD, hex);
        struct viv_str line = { text, KEY_TEXT };
        status = replace ? vh_fs_replace(seam, dir, path, line, 0600, err)
                         : write_key(seam, dir, path, draft, line, err);
        sodium_memzero(hex, sizeof hex);
    }
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(text, sizeof text);
    return status ? status : vh_fs_sync_folder(seam, dir, keys_folder, err);
}

viv_status
vh_trust_make_key(const struct vh_seam *seam, int dir, const char *keys_folder, const struct vh_trust_names *names,
                  struct viv_error *err)
{
    return vh_trust_write_key(seam, dir, keys_folder, names, false, err);
}

const struct vh_trust_old *
vh_trust_find_old(const struct vh_trust *trust, const uint8_t key[VH_TRUST_KEY_BYTES])
{
    for (uint32_t i = 0; i < trust->old_count; i++) {
        if (memcmp(trust->old[i].key, key, VH_TRUST_KEY_BYTES) == 0) {
            return &trust->old[i];
        }
    }
    return NULL;
}

static viv_status
write_signature(const struct vh_seam *seam, int dir, const char *path, const uint8_t seed[SEED_BYTES],
                const struct vh_hash *hash, struct viv_error *err)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES], key[VH_TRUST_KEY_BYTES], signature[SIGNATURE_BYTES];
    char message[128], key_hex[65], signature_hex[2 * SIGNATURE_BYTES + 1], line[SIGNATURE_TEXT + 1];
    char file[PATH_SIZE];
    size_t len = signed_text(hash, message);
    int failed = crypto_sign_seed_keypair(key, secret, seed) ||
                 crypto_sign_detached(signature, NULL, (const unsigned char *)message, len, secret);
    sodium_memzero(secret, sizeof secret);
    if (failed) {
        return vh_error_set(err, VIV_E_INTERNAL, "trust", "libsodium cannot sign");
    }
    sodium_bin2hex(key_hex, sizeof key_hex, key, sizeof key);
    sodium_bin2hex(signature_hex, sizeof signature_hex, signature, sizeof signature);
    snprintf(line, sizeof line, "%s%s %s\n", SIGNATURE_HEAD, key_hex, signature_hex);
    viv_status status = join(file, path, ".sig", "", err);
    return status ? status : vh_fs_replace(seam, dir, file, (struct viv_str){ line, SIGNATURE_TEXT }, 0644, err);
}

viv_status
vh_trust_sign(const struct vh_seam *seam, const char *keys_folder, int dir, const char *path,
              struct vh_hash *ret_hash, struct viv_error *err)
{
    uint8_t seed[SEED_BYTES];
    struct vh_hash hash;
    struct viv_str bytes;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    if (!arena) {
        return vh_error_set(err, VIV_E_MEMORY, "trust", "no memory to sign '%s'", path);
    }
    viv_status status = start_library(err);
    status = status ? status : vh_fs_read(seam, arena, dir, path, VIV_PLUGIN_FILE_MAX, &bytes, err);
    if (status == VIV_OK && !vh_hash_bytes(bytes.data, (size_t)bytes.len, &hash)) {
        status = vh_error_set(err, VIV_E_INTERNAL, "trust", "libcrypto cannot hash '%s'", path);
    }
    vh_arena_destroy(arena);
    status = status ? status : read_seed(seam, dir, keys_folder, &vh_trust_plugins, seed, err);
    status = status ? status : write_signature(seam, dir, path, seed, &hash, err);
    sodium_memzero(seed, sizeof seed);
    if (status == VIV_OK && ret_hash) {
        *ret_hash = hash;
    }
    return status;
}

viv_status
vh_trust_sign_text(const struct vh_seam *seam, int dir, const char *keys_folder, const struct vh_trust_names *names,
                   struct viv_str text, uint8_t ret_signature[VH_TRUST_SIGNATURE_BYTES], struct viv_error *err)
{
    uint8_t seed[SEED_BYTES], secret[crypto_sign_SECRETKEYBYTES], key[VH_TRUST_KEY_BYTES];
    viv_status status = start_library(err);
    status = status ? status : read_seed(seam, dir, keys_folder, names, seed, err);
    if (status == VIV_OK &&
        (crypto_sign_seed_keypair(key, secret, seed) ||
         crypto_sign_detached(ret_signature, NULL, (const unsigned char *)text.data, text.len, secret))) {
        status = vh_error_set(err, VIV_E_INTERNAL, "trust", "libsodium cannot sign");
    }
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret, sizeof secret);
    return status;
}

bool
vh_trust_check_text(struct viv_str text, const uint8_t key[VH_TRUST_KEY_BYTES],
                    const uint8_t signature[VH_TRUST_SIGNATURE_BYTES])
{
    return sodium_init() >= 0 &&
           crypto_sign_verify_detached(signature, (const unsigned char *)text.data, text.len, key) == 0;
}

const struct vh_trust_bundled *
vh_trust_find_bundled(const struct vh_trust *trust, const struct vh_hash *hash)
{
    for (uint32_t i = 0; i < trust->bundled_count; i++) {
        if (memcmp(trust->bundled[i].digest, hash->bytes, sizeof hash->bytes) == 0) {
            return &trust->bundled[i];
        }
    }
    return NULL;
}

static viv_status
judge_line(const struct vh_trust *trust, const char *path, const char *line, size_t len, const struct vh_hash *hash,
           enum vh_trust_verdict *ret_verdict, struct viv_error *err)
{
    uint8_t key[VH_TRUST_KEY_BYTES], signature[SIGNATURE_BYTES];
    const char *key_hex = line + sizeof SIGNATURE_HEAD - 1, *signature_hex = key_hex + 2 * sizeof key + 1;
    char message[128];
    bool good = len == SIGNATURE_TEXT && strncmp(line, SIGNATURE_HEAD, sizeof SIGNATURE_HEAD - 1) == 0 &&
                line[len - 1] == '\n' && signature_hex[-1] == ' ' && from_hex(key_hex, key, sizeof key) &&
                from_hex(signature_hex, signature, sizeof signature);
    if (!good) {
        return vh_error_set(err, VIV_E_DENIED, "signature",
                            "the signature '%s' is not one line '" SIGNATURE_HEAD "KEY SIGNATURE'; sign the plugin "
                            "again, or remove the file",
                            path);
    }
    size_t message_len = signed_text(hash, message);
    if (crypto_sign_verify_detached(signature, (const unsigned char *)message, message_len, key)) {
        return vh_error_set(err, VIV_E_DENIED, "signature",
                            "the signature '%s' does not fit the plugin's SHA-256 %s; sign the plugin again, or remove "
                            "the file",
                            path, message + sizeof "vivarium plugin 1 " - 1);
    }
    const struct vh_trust_old *old = vh_trust_find_old(trust, key);
    bool signs = trust->has_key && sodium_memcmp(key, trust->key, sizeof key) == 0;
    if (old && old->retired) {
        return vh_error_set(err, VIV_E_DENIED, "signature",
                            "it is signed by the key %.16s, which is retired; 'vivhost plugin sign' with this file "
                            "signs it with the present key",
                            key_hex);
    }
    *ret_verdict = signs || old ? VH_TRUST_USER : *ret_verdict;
    return VIV_OK;
}

viv_status
vh_trust_judge(const struct vh_seam *seam, const struct vh_trust *trust, int dir, const char *path,
               const struct vh_hash *hash, enum vh_trust_verdict *ret_verdict, struct viv_error *err)
{
    char file[PATH_SIZE], line[SIGNATURE_TEXT + 2] = "";
    *ret_verdict = VH_TRUST_UNSIGNED;
    if (vh_trust_find_bundled(trust, hash)) {
        *ret_verdict = VH_TRUST_BUNDLED;
        return VIV_OK;
    }
    viv_status status = start_library(err);
    status = status ? status : join(file, path, ".sig", "", err);
    if (status) {
        return status;
    }
    int fd = seam->open(seam->data, dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (fd < 0) {
        return errno == ENOENT ? VIV_OK
                               : vh_error_errno(err, VIV_E_DENIED, "signature", "cannot open the signature '%s'", file);
    }
    ssize_t got = read_some(seam, fd, line, sizeof line - 1);
    seam->close(seam->data, fd);
    if (got < 0) {
        return vh_error_set(err, VIV_E_DENIED, "signature", "cannot read the signature '%s'", file);
    }
    return judge_line(trust, file, line, (size_t)got, hash, ret_verdict, err);
}

const char *
vh_trust_name(enum vh_trust_verdict verdict)
{
    switch (verdict) {
    case VH_TRUST_BUNDLED:
        return "bundled";
    case VH_TRUST_USER:
        return "user";
    case VH_TRUST_UNSIGNED:
        break;
    }
    return "unsigned";
}

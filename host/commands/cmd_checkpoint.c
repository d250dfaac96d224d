/* SPDX-License-Identifier: Apache-2.0 */
/* log checkpoint, log key, log prove, and log verify against what was kept elsewhere: a checkpoint, or a file. */
#include "cmd_checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app_checkpoint.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "core/chain.h"
#include "keep/verify.h"
#include "log_file.h"

#define KEYS_BYTES_MAX ((size_t)16 << 10)
#define PROOF_BYTES_MAX ((size_t)80 << 20)

bool
vh_cli_view(struct vh_cli *cli, int *ret_exit)
{
    struct viv_error err = VIV_ERROR_INIT;
    viv_status status = vh_app_find(&cli->app, cli->project, &err);
    status = status ? status : vh_app_check_home(&cli->app, &err);
    status = status ? status : vh_app_view(&cli->app, true, &err);
    if (status) {
        (void)vh_cli_fail(cli, status, &err);
        *ret_exit = status == VIV_E_NOT_FOUND || status == VIV_E_DENIED ? VH_EXIT_HOME : VH_EXIT_SYSTEM;
    }
    return status == VIV_OK;
}

static const char *
hex_of(struct vh_cli *cli, const uint8_t bytes[VH_HASH_BYTES])
{
    char hex[VH_HASH_HEX];
    struct vh_hash hash;
    memcpy(hash.bytes, bytes, sizeof hash.bytes);
    vh_hash_hex(&hash, hex);
    const char *text = vh_arena_text(cli->arena, hex);
    return text ? text : "";
}

/* ---- checkpoint ---- */

static viv_status
write_out(struct vh_cli *cli, const char *path, const struct vh_checkpoint *made, struct viv_error *err)
{
    struct viv_str line = vh_checkpoint_print(cli->arena, made);
    if (!line.data) {
        return vh_error_set(err, VIV_E_MEMORY, "checkpoint", "no memory for a checkpoint");
    }
    return vh_fs_replace(cli->app.seam, AT_FDCWD, path, line, 0644, err);
}

int
vh_cli_log_checkpoint(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    struct vh_checkpoint made;
    struct vh_trust keys;
    struct viv_error err = VIV_ERROR_INIT;
    const char *out = vh_cli_option(cli, "--out");
    if (!vh_cli_no_more_options(cli, 0, 0)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_view(cli, &code)) {
        return code;
    }
    viv_status status = vh_app_log_keys(&cli->app, false, &keys, &err);
    bool first = status == VIV_OK && !keys.has_key;
    status = status ? status : vh_app_checkpoint(&cli->app, cli->app.store, !cli->app.read_only, &made, &err);
    status = status || !out ? status : write_out(cli, out, &made, &err);
    vh_cli_close(cli);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    if (first) {
        vh_cli_note(cli, "your key for logs is made in '%s'; 'vivhost log key list' prints its public half, which "
                         "those need who check without you", cli->app.user.keys);
    }
    if (cli->json || (!out && cli->app.read_only)) {
        struct viv_str line = vh_checkpoint_print(cli->arena, &made);
        printf("%.*s", VH_STR_ARGS(line));
    } else {
        printf("%lld events of %s signed by the key %.16s, root %s\n", (long long)made.events,
               vh_cli_time(cli, made.time_us), hex_of(cli, made.key), hex_of(cli, made.root.bytes));
        printf("written to %s%s%s\n", cli->app.read_only ? "" : VH_APP_CHECKPOINTS,
               out && !cli->app.read_only ? " and " : "", out ? out : "");
    }
    return VH_EXIT_OK;
}

/* ---- whose signature counts ---- */

/* One line of `log key list`: a key, and perhaps its state. */
static bool
take_key(struct vh_trust *keys, struct viv_str line)
{
    struct vh_hash key;
    struct viv_str hex = { line.data, line.len < VH_HASH_HEX - 1 ? line.len : VH_HASH_HEX - 1 };
    struct viv_str state = { line.data + hex.len, line.len - hex.len };
    bool retired = vh_str_is(state, " retired");
    if (keys->old_count == VH_TRUST_OLD_MAX || !vh_hash_parse(hex, &key) ||
        (state.len && !retired && !vh_str_is(state, " kept") && !vh_str_is(state, " signs"))) {
        return false;
    }
    memcpy(keys->old[keys->old_count].key, key.bytes, sizeof key.bytes);
    keys->old[keys->old_count++].retired = retired;
    return true;
}

/* `word`: a public key, a file of some, or NULL for the user's own. */
static viv_status
find_keys(struct vh_cli *cli, const char *word, struct vh_trust *ret_keys, struct viv_error *err)
{
    struct viv_str text;
    if (!word) {
        return vh_app_log_keys(&cli->app, false, ret_keys, err);
    }
    *ret_keys = (struct vh_trust){ .names = &vh_trust_log };
    if (take_key(ret_keys, vh_str(word))) {
        return VIV_OK;
    }
    viv_status status = vh_fs_read(cli->app.seam, cli->arena, AT_FDCWD, word, KEYS_BYTES_MAX, &text, err);
    bool good = status == VIV_OK && text.len > 0;
    for (struct viv_str rest = text; good && rest.len;) {
        const char *newline = memchr(rest.data, '\n', (size_t)rest.len);
        size_t len = newline ? (size_t)(newline - rest.data) : 0;
        good = newline && take_key(ret_keys, (struct viv_str){ rest.data, len });
        rest = (struct viv_str){ rest.data + len + 1, rest.len - len - (good ? 1 : 0) };
    }
    return status ? vh_error_extend(err, status, "--key is neither a public key (64 digits 0-9a-f) nor a file of some")
           : good ? VIV_OK
                  : vh_error_set(err, VIV_E_INVALID, "checkpoint", "'%s' is not what 'vivhost log key list' prints: up "
                                 "to %d lines of a key and its state", word, VH_TRUST_OLD_MAX);
}

static viv_status
read_checkpoint(struct vh_cli *cli, const char *path, const struct vh_trust *keys, struct vh_checkpoint *ret_checkpoint,
                struct viv_error *err)
{
    struct viv_str text;
    viv_status status = vh_fs_read(cli->app.seam, cli->arena, AT_FDCWD, path, VH_CHECKPOINT_BYTES_MAX, &text, err);
    status = status ? status : vh_checkpoint_read(cli->arena, text, ret_checkpoint, err);
    status = status ? status : vh_app_checkpoint_check(ret_checkpoint, keys, err);
    return status ? vh_error_extend(err, status, "checkpoint '%s'", path) : VIV_OK;
}

/* ---- verify ---- */

struct check {
    struct vh_cli *cli;
    const char *file; /* NULL: the home's log */
    struct vh_checkpoint checkpoint;
    struct vh_against against; /* its checkpoint NULL: none was given */
    struct vh_log_file found;
    struct vh_verify_result log;
    struct vh_log_proof proof;
    int64_t events;
    char verdict[16];
    char text[640];
};

static void say(struct check *c, const char *verdict, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void
say(struct check *c, const char *verdict, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(c->text, sizeof c->text, format, list);
    va_end(list);
    snprintf(c->verdict, sizeof c->verdict, "%s", verdict);
}

/* Where it begins to differ, as far as the checkpoint can tell. */
static const char *
where_it_differs(const struct check *c)
{
    const struct vh_against *a = &c->against;
    struct vh_arena *arena = c->cli->arena;
    long long first = a->first ? a->first : a->checkpoint->events, last = a->last ? a->last : a->checkpoint->events;
    const char *text = first == last
                           ? vh_arena_format(arena, "event %lld is the first that differs", first)
                           : vh_arena_format(arena, "the first that differs is one of the events %lld to %lld", first,
                                             last);
    return text ? text : "";
}

static void
say_another(struct check *c)
{
    const char *where = where_it_differs(c);
    long long seen = c->checkpoint.events, has = c->events, restored = c->log.restored;
    if (restored && restored <= seen) {
        say(c, "restored",
            "the log is not what the checkpoint of %lld events saw: the home was restored from a backup, as event %lld "
            "says, and went on from there; %s", seen, restored, where);
    } else if (has < seen) {
        say(c, "rewritten", "the log was rewritten and is shorter: the checkpoint saw %lld events, it has %lld; %s",
            seen, has, where);
    } else {
        say(c, "rewritten", "the log was rewritten: it is not what the checkpoint of %lld events saw; %s", seen, where);
    }
}

static void
say_shorter(struct check *c)
{
    long long seen = c->checkpoint.events, has = c->events;
    const char *made = vh_cli_time(c->cli, c->checkpoint.time_us);
    if (c->file) {
        say(c, "newer",
            "the checkpoint is newer than this file: it saw %lld events up to %s, the file ends with event %lld; what "
            "it has is a beginning of that, as far as can be told", seen, made, has);
    } else if (c->log.restored) {
        say(c, "newer",
            "the checkpoint is newer than the log: it saw %lld events up to %s; the home was restored from an older "
            "backup, as event %lld says, and has %lld", seen, made, (long long)c->log.restored, has);
    } else {
        say(c, "truncated",
            "the log was cut short: it ends with event %lld, and the checkpoint saw events up to %lld of %s; those "
            "between are missing", has, seen, made);
    }
}

static void
judge(struct check *c)
{
    switch (vh_against_end(&c->against)) {
    case VH_AGAINST_HOLDS:
        say(c, "holds", "the log extends what the checkpoint of %lld events saw at %s, signed by the key %.16s",
            (long long)c->checkpoint.events, vh_cli_time(c->cli, c->checkpoint.time_us),
            hex_of(c->cli, c->checkpoint.key));
        break;
    case VH_AGAINST_SHORTER:
        say_shorter(c);
        break;
    case VH_AGAINST_ANOTHER:
        say_another(c);
        break;
    }
}

static bool
same_home(struct check *c, const char *home)
{
    if (!c->against.checkpoint || strcmp(home, c->checkpoint.home) == 0) {
        return true;
    }
    say(c, "another-home", "the checkpoint is of another home: %s, this log is of %s", c->checkpoint.home,
        home[0] ? home : "one that no event names");
    return false;
}

static void
say_bad(struct check *c, int64_t seq, const char *problem)
{
    say(c, "bad", "event %lld is bad: %s", (long long)seq, problem);
}

static viv_status
check_home(struct check *c, int *ret_exit, struct viv_error *err)
{
    struct vh_cli *cli = c->cli;
    struct viv_str home;
    if (!vh_cli_view(cli, ret_exit)) {
        return VIV_E_STATE; /* told already */
    }
    struct vh_state_ops state = vh_store_state(cli->app.store);
    viv_status status = state.get_fact(state.data, cli->arena, "home", &home, err);
    const char *id = status ? NULL : vh_arena_text_of(cli->arena, home);
    if (id && same_home(c, id)) {
        status = vh_verify(cli->app.store, 0, &c->against, &c->log, err);
        c->events = c->log.events;
        if (status == VIV_OK && c->log.bad_seq) {
            say_bad(c, c->log.bad_seq, c->log.problem);
        } else if (status == VIV_OK) {
            judge(c);
        }
    }
    vh_cli_close(cli);
    *ret_exit = status ? vh_cli_fail(cli, status, err) : VH_EXIT_OK;
    return status;
}

/* A whole file proves its chain; a redacted one that somebody with a known key made it, and what that one signed. */
static viv_status
check_file(struct check *c, const struct vh_trust *keys, int *ret_exit, struct viv_error *err)
{
    struct vh_cli *cli = c->cli;
    struct vh_log_file *f = &c->found;
    viv_status status = vh_log_file_check(cli, c->file, c->against.checkpoint ? &c->against : NULL,
                                          c->proof.seq ? &c->proof : NULL, f, err);
    if (status == VIV_OK && !f->bad_seq && f->redacted) {
        status = vh_app_checkpoint_check(&f->seal, keys, err);
        status = status ? vh_error_extend(err, status, "the end of '%s'", c->file) : VIV_OK;
    }
    *ret_exit = status ? vh_cli_fail(cli, status, err) : VH_EXIT_OK;
    *ret_exit = status == VIV_E_CORRUPT ? VH_EXIT_FAILED : *ret_exit;
    c->events = f->events;
    if (status) {
        return status;
    }
    if (f->bad_seq) {
        say_bad(c, f->bad_seq, f->problem);
    } else if (c->proof.seq && !c->proof.proved) {
        say(c, "not-proved",
            c->proof.seq > f->events ? "the line has number %lld, which the log does not reach"
                                     : "the line is not the log's event %lld", (long long)c->proof.seq);
    } else if (c->against.checkpoint && same_home(c, f->home)) {
        judge(c);
    } else if (!c->text[0]) {
        say(c, "holds", "%s", c->proof.seq ? "the line is what the log has at its place" : "");
    }
    return status;
}

static int
tell(struct check *c)
{
    struct vh_cli *cli = c->cli;
    bool good = strcmp(c->verdict, "holds") == 0;
    const struct vh_log_file *f = &c->found;
    if (cli->json) {
        struct vh_json *value = vh_json_object(cli->arena);
        bool differs = c->against.checkpoint && vh_against_end(&c->against) == VH_AGAINST_ANOTHER;
        vh_json_set_int(cli->arena, value, "events", c->events);
        vh_json_set_int(cli->arena, value, "first", differs ? c->against.first : 0);
        vh_json_set_int(cli->arena, value, "last", differs ? c->against.last : 0);
        vh_json_set_int(cli->arena, value, "redacted", f->redacted);
        vh_json_set_text(cli->arena, value, "text", c->text);
        vh_json_set_text(cli->arena, value, "verdict", c->verdict);
        vh_cli_print_json(cli, value);
        return good ? VH_EXIT_OK : VH_EXIT_FAILED;
    }
    if (good && c->file && !f->redacted) {
        printf("%lld events, chain unbroken, head %s\n", (long long)f->events, hex_of(cli, f->head.bytes));
    } else if (good && c->file) {
        printf("%lld redacted events in order, sealed by the key %.16s, root %s\n", (long long)f->events,
               hex_of(cli, f->seal.key), hex_of(cli, f->seal.root.bytes));
    } else if (good) {
        printf("%lld events, chain unbroken, head %s\n", (long long)c->events, hex_of(cli, c->log.head.bytes));
    }
    if (c->text[0]) {
        puts(c->text);
    }
    return good ? VH_EXIT_OK : VH_EXIT_FAILED;
}

/* What `log prove` printed. */
static viv_status
read_proof(struct vh_cli *cli, const char *path, struct vh_log_proof *ret_proof, struct viv_error *err)
{
    struct viv_str text;
    struct vh_json *line = NULL;
    struct vh_hash head;
    viv_status status = vh_fs_read(cli->app.seam, cli->arena, AT_FDCWD, path, PROOF_BYTES_MAX, &text, err);
    if (status == VIV_OK && text.len && text.data[text.len - 1] == '\n') {
        text.len--;
    }
    status = status ? status : vh_json_read(cli->arena, text, &line, err);
    const struct vh_json *event = vh_json_get(line, "event");
    if (status == VIV_OK && (!event || event->type != VH_JSON_OBJECT || line->count != 2 ||
                             !vh_hash_parse(vh_json_str(line, "before"), &head))) {
        status = vh_error_set(err, VIV_E_INVALID, "log", "it is not what 'vivhost log prove' prints: an event, and the "
                              "hash before it");
    }
    if (status == VIV_OK) {
        struct viv_str print = vh_json_print(cli->arena, event);
        ret_proof->seq = vh_json_int(event, "seq", 0);
        bool good = print.data && vh_chain_add(&head, print) && vh_merkle_leaf(&head, &ret_proof->leaf);
        status = good ? VIV_OK : vh_error_set(err, VIV_E_MEMORY, "log", "no memory for a line");
    }
    return status ? vh_error_extend(err, status, "line '%s'", path) : VIV_OK;
}

int
vh_cli_log_check(struct vh_cli *cli, const struct vh_cli_check *words)
{
    int code = VH_EXIT_SYSTEM;
    struct vh_trust keys = { .names = &vh_trust_log };
    struct viv_error err = VIV_ERROR_INIT;
    struct check *c = vh_arena_alloc(cli->arena, sizeof *c);
    if (!vh_cli_no_more_options(cli, 0, 1)) {
        return VH_EXIT_USAGE;
    }
    if (!c || (words->line && cli->argc == 0)) {
        return !c ? VH_EXIT_SYSTEM : vh_cli_usage(cli, "'--line' is proved by a file, which stands behind 'verify'");
    }
    c->cli = cli;
    c->file = cli->argc ? cli->argv[0] : NULL;
    viv_status status = words->line ? read_proof(cli, words->line, &c->proof, &err) : VIV_OK;
    if (status == VIV_OK && (words->against || words->key || cli->app.user.keys)) {
        status = find_keys(cli, words->key, &keys, &err);
    }
    if (status == VIV_OK && words->against) {
        status = read_checkpoint(cli, words->against, &keys, &c->checkpoint, &err);
        c->against.checkpoint = &c->checkpoint;
    }
    if (status) { /* what was given is no good: a finding, and none of this system's */
        code = vh_cli_fail(cli, status, &err);
        return status == VIV_E_CORRUPT ? VH_EXIT_FAILED : code;
    }
    status = c->file ? check_file(c, &keys, &code, &err) : check_home(c, &code, &err);
    return status ? code : tell(c);
}

/* ---- prove ---- */

struct proving {
    int64_t seq;
    struct vh_hash before;
    struct viv_str line;
    struct vh_arena *arena;
};

static bool
find_line(void *data, int64_t seq, struct viv_str line, const struct vh_hash *hash)
{
    struct proving *p = data;
    if (seq == p->seq) {
        p->line = (struct viv_str){ vh_arena_text_of(p->arena, line), line.len };
    } else {
        p->before = *hash;
    }
    return seq < p->seq;
}

int
vh_cli_log_prove(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    struct viv_error err = VIV_ERROR_INIT;
    struct proving p = { .arena = cli->arena };
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    size_t digits = strspn(cli->argv[0], "0123456789");
    for (size_t i = 0; i < digits && digits <= 15; i++) {
        p.seq = p.seq * 10 + (cli->argv[0][i] - '0');
    }
    if (p.seq < 1 || cli->argv[0][digits]) {
        return vh_cli_usage(cli, "'%.32s' is no number of an event", cli->argv[0]);
    }
    if (!vh_cli_view(cli, &code)) {
        return code;
    }
    int64_t after = p.seq > 1 ? p.seq - 2 : 0;
    viv_status status = vh_reader_events(cli->app.store, after, (struct viv_str){ NULL, 0 }, find_line, &p, &err);
    if (status == VIV_OK && !p.line.data) {
        status = vh_error_set(&err, VIV_E_NOT_FOUND, "log", "there is no event %lld", (long long)p.seq);
    }
    vh_cli_close(cli);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    printf("{\"before\":\"%s\",\"event\":%.*s}\n", hex_of(cli, p.before.bytes), VH_STR_ARGS(p.line));
    vh_cli_note(cli, "who has this and the redacted log can also try out short texts of the events right behind it");
    return VH_EXIT_OK;
}

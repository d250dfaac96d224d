/* SPDX-License-Identifier: Apache-2.0 */
/* route, skill, plugin: what there is, what would answer, and putting plugins in and out. */
#include "cmd_checkpoint.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "cmd_switch.h"
#include "cli_scope.h"

int
vh_cli_route(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    struct vh_json *request = vh_cli_request(cli, "route");
    vh_json_set_text(cli->arena, request, "goal", cli->argv[0]);
    struct vh_json *response = vh_cli_query(cli, request, &code);
    struct viv_str skill = vh_json_str(response, "skill");
    if (response && !cli->json) {
        printf("%.*s%s%.*s\n%.*s\n", VH_STR_ARGS(skill.len ? skill : VH_STR("no route")), skill.len ? " with " : "",
               VH_STR_ARGS(vh_json_str(response, "input")), VH_STR_ARGS(vh_json_str(response, "reason")));
        const struct vh_json *list = vh_json_get(response, "candidates");
        for (const struct vh_json *c = list ? list->child : NULL; c; c = c->next) {
            printf("  %.*s \"%.*s\": %.*s\n", VH_STR_ARGS(vh_json_str(c, "skill")),
                   VH_STR_ARGS(vh_json_str(c, "template")), VH_STR_ARGS(vh_json_str(c, "why")));
        }
    }
    vh_cli_close(cli);
    return response && !skill.len ? VH_EXIT_FAILED : code;
}

/* ---- list, info ---- */

static const char *
where_it_runs(const struct vh_json *p)
{
    if (vh_str_is(vh_json_str(p, "kind"), "skill")) {
        return "in a process of its own";
    }
    return vh_str_is(vh_json_str(p, "trust"), "unsigned") ? "a gate of it in a process of its own, nothing else of it"
           : vh_str_is(vh_json_str(p, "trust"), "unusable") ? "nowhere; 'vivhost doctor' says why"
                                                            : "inside the host";
}

static void
print_plugin(struct vh_cli *cli, const struct vh_json *p, bool all)
{
    const struct vh_json *templates = vh_json_get(p, "templates");
    struct viv_str behind = vh_json_str(p, "behind"), refused = vh_json_str(p, "refused");
    printf("%-24.*s %-8.*s %-7.*s %-7.*s %s\n", VH_STR_ARGS(vh_json_str(p, "id")),
           VH_STR_ARGS(vh_json_str(p, "version")), VH_STR_ARGS(vh_json_str(p, "kind")),
           VH_STR_ARGS(vh_json_str(p, "from")), vh_cli_line(cli, vh_json_str(p, "description"), 200));
    if (refused.len || behind.len) {
        printf("    %s%s\n", refused.len ? "refused: " : "not used here: behind ",
               vh_cli_line(cli, refused.len ? refused : behind, 500));
    }
    for (const struct vh_json *t = templates ? templates->child : NULL; t; t = t->next) {
        printf("    \"%s\"\n", vh_cli_line(cli, t->text, 200));
    }
    if (all) {
        printf("digest   %.*s\ntrust    %.*s\nruns     %s\nmanifest %.*s\n", VH_STR_ARGS(vh_json_str(p, "digest")),
               VH_STR_ARGS(vh_json_str(p, "trust")), where_it_runs(p), VH_STR_ARGS(vh_json_str(p, "manifest")));
    }
}

static int
list(struct vh_cli *cli, const char *kind, const char *id)
{
    int code = VH_EXIT_SYSTEM;
    struct vh_json *request = vh_cli_request(cli, "plugins");
    vh_json_set_text(cli->arena, request, "kind", kind);
    if (id) {
        vh_json_set_text(cli->arena, request, "id", id);
        vh_json_set_int(cli->arena, request, "manifest", 1);
    }
    struct vh_json *response = vh_cli_query(cli, request, &code);
    const struct vh_json *plugins = vh_json_get(response, "plugins");
    for (const struct vh_json *p = plugins && !cli->json ? plugins->child : NULL; p; p = p->next) {
        print_plugin(cli, p, id != NULL);
    }
    if (plugins && plugins->count == 0 && !cli->json) {
        puts("none are installed");
    }
    const struct vh_json *refused = vh_json_get(response, "refused");
    for (const struct vh_json *r = refused && !cli->json ? refused->child : NULL; r; r = r->next) {
        printf("refused: '%s': ", vh_cli_line(cli, vh_json_str(r, "path"), 500));
        puts(vh_cli_line(cli, vh_json_str(r, "reason"), 500));
    }
    vh_cli_close(cli);
    return code;
}

static int
list_all(struct vh_cli *cli, const char *kind, int words)
{
    return vh_cli_no_more_options(cli, words, words) ? list(cli, kind, words ? cli->argv[0] : NULL) : VH_EXIT_USAGE;
}

static int
skill_list(struct vh_cli *cli)
{
    return list_all(cli, "skill", 0);
}

static int
skill_info(struct vh_cli *cli)
{
    return list_all(cli, "skill", 1);
}

static int
plugin_list(struct vh_cli *cli)
{
    return list_all(cli, "", 0);
}

static int
plugin_info(struct vh_cli *cli)
{
    return list_all(cli, "", 1);
}

/* ---- call ---- */

static int
skill_call(struct vh_cli *cli)
{
    int code = VH_EXIT_SYSTEM;
    struct vh_json *value = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str scope = { NULL, 0 };
    const char *input = vh_cli_option(cli, "--input");
    const char *said = vh_cli_option(cli, "--scope");
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        return VH_EXIT_USAGE;
    }
    viv_status status = vh_json_import(cli->arena, vh_str(input ? input : "{}"), &value, &err);
    if (status == VIV_E_MEMORY) {
        return vh_cli_fail(cli, status, &err);
    }
    if (status) {
        return vh_cli_usage(cli, "option '--input' is no JSON: %s", err.text);
    }
    if (said && !vh_cli_scope(cli, said, &scope)) {
        return VH_EXIT_USAGE;
    }
    if (!vh_cli_open(cli, VH_APP_WORK, 1, &code)) {
        return code;
    }
    struct vh_json *request = vh_cli_request(cli, "call");
    vh_json_set(request, "input", value);
    if (said) {
        vh_json_set_str(cli->arena, request, "scope", scope);
    }
    vh_json_set_text(cli->arena, request, "skill", cli->argv[0]);
    struct vh_json *response = vh_cli_held(cli, &code) ? NULL : vh_cli_ask(cli, request, &code);
    if (response && cli->json) {
        vh_cli_print_json(cli, response);
    } else if (response) {
        struct viv_str text = vh_json_str(response, "text");
        printf("%.*s%s", VH_STR_ARGS(text), text.len && text.data[text.len - 1] == '\n' ? "" : "\n");
    }
    vh_cli_close(cli);
    return response ? VH_EXIT_OK : code;
}

const struct vh_cli_verb vh_cli_skill_verbs[] = {
    { "list", "", "all skills with the sentences they understand", skill_list },
    { "info", "ID", "one skill with its manifest", skill_info },
    { "call", "ID [--input JSON] [--scope DIR]", "ask one skill: read-only, without a task", skill_call },
    { NULL, NULL, NULL, NULL },
};

/* ---- install, remove ---- */

static int
tell(struct vh_cli *cli, const struct vh_json *response, const char *done)
{
    if (cli->json) {
        vh_cli_print_json(cli, response);
    } else {
        struct viv_str trust = vh_json_str(response, "trust");
        printf("%.*s %.*s %s%s%.*s\n", VH_STR_ARGS(vh_json_str(response, "id")),
               VH_STR_ARGS(vh_json_str(response, "version")), done, trust.len ? ", trust: " : "", VH_STR_ARGS(trust));
        if (vh_str_is(trust, "unsigned") && vh_str_is(vh_json_str(response, "kind"), "plugin")) {
            vh_cli_note(cli, "it is not signed by your key, so it never runs inside the host: a gate of it is "
                             "asked in a process of its own, nothing else of it is asked; see 'vivhost plugin sign "
                             "--help'");
        }
    }
    return VH_EXIT_OK;
}

static int
change(struct vh_cli *cli, struct vh_json *request, const char *done)
{
    int code = VH_EXIT_SYSTEM;
    if (!vh_cli_open(cli, VH_APP_WRITE, 0, &code)) {
        return code;
    }
    struct vh_json *response = vh_cli_ask(cli, request, &code);
    code = response ? tell(cli, response, done) : code;
    vh_cli_close(cli);
    return code;
}

/* ---- the user's store: no home is needed, none is told ---- */

/* Members of `install` and `remove`, see docs/contract/socket.md. */
static struct vh_json *
done_with(struct vh_cli *cli, const char *id, const char *version, const struct vh_hash *digest)
{
    char hex[VH_HASH_HEX];
    struct vh_json *done = vh_json_object(cli->arena);
    vh_hash_hex(digest, hex);
    vh_json_set_text(cli->arena, done, "digest", vh_arena_text(cli->arena, hex));
    vh_json_set_text(cli->arena, done, "from", "user");
    vh_json_set_text(cli->arena, done, "id", id);
    vh_json_set_text(cli->arena, done, "version", version);
    return done;
}

static int
install_for_user(struct vh_cli *cli, const char *path)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_plugin_file file = { .path = NULL };
    const struct vh_run *run = &cli->app.run;
    viv_status status = vh_app_user_registry(&cli->app, &err);
    status = status ? status : vh_registry_install(run->registry, &run->rules, AT_FDCWD, path, &file, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    struct vh_json *done = done_with(cli, file.manifest->id, file.manifest->version, &file.digest);
    vh_json_set_text(cli->arena, done, "kind", file.manifest->kind == VH_MANIFEST_SKILL ? "skill" : "plugin");
    vh_json_set_text(cli->arena, done, "trust", vh_trust_name(file.trust));
    return tell(cli, done, "installed for all your projects");
}

/* Refused or not, and whatever bundled one there is of that id. */
static viv_status
find_of_user(const struct vh_app *app, const char *id, const char *version, struct vh_registry_entry *ret_entry,
             struct viv_error *err)
{
    const struct vh_registry *registry = app->run.registry;
    const struct vh_registry_refusal *refusal = NULL;
    for (uint32_t i = 0; i < vh_registry_count(registry); i++) {
        char number[64];
        vh_registry_at(registry, i, ret_entry);
        snprintf(number, sizeof number, "%u.%u.%u", ret_entry->version[0], ret_entry->version[1],
                 ret_entry->version[2]);
        if ((ret_entry->flags & VH_REGISTRY_USER) && vh_str_is(ret_entry->id, id) &&
            (!version || strcmp(version, number) == 0)) {
            return VIV_OK;
        }
    }
    viv_status status = vh_registry_find(registry, id, version, ret_entry, err);
    if (status == VIV_E_NOT_FOUND && !vh_registry_refusals(registry, app->arena, &refusal, err) && refusal) {
        return vh_error_set(err, VIV_E_DENIED, "plugin", "there is no '%s'; '%s' is refused: %s", id, refusal->path,
                            refusal->reason);
    }
    return status ? vh_error_extend(err, status, "your store '%s'", app->user.plugins) : VIV_OK;
}

static int
remove_for_user(struct vh_cli *cli, const char *id, const char *version)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_registry_entry entry;
    viv_status status = vh_app_user_registry(&cli->app, &err);
    status = status ? status : find_of_user(&cli->app, id, version, &entry, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    const char *number = vh_arena_format(cli->arena, "%u.%u.%u", entry.version[0], entry.version[1], entry.version[2]);
    struct vh_json *done = done_with(cli, id, number, &entry.digest);
    status = vh_registry_remove(cli->app.run.registry, &entry.digest, &err);
    return status ? vh_cli_fail(cli, status, &err) : tell(cli, done, "removed from all your projects");
}

/* Where the file named by the only word really is; says what is wrong. */
static bool
find_file(struct vh_cli *cli, char path[PATH_MAX], int *ret_exit)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (!vh_cli_no_more_options(cli, 1, 1)) {
        *ret_exit = VH_EXIT_USAGE;
        return false;
    }
    if (!realpath(cli->argv[0], path)) {
        viv_status status = vh_error_errno(&err, VIV_E_NOT_FOUND, "plugin", "cannot find '%.300s'", cli->argv[0]);
        *ret_exit = vh_cli_fail(cli, status, &err);
        return false;
    }
    return true;
}

static int
plugin_install(struct vh_cli *cli)
{
    char path[PATH_MAX];
    int code = VH_EXIT_SYSTEM;
    bool user = vh_cli_flag(cli, "--user");
    if (!find_file(cli, path, &code)) {
        return code;
    }
    if (user) {
        return install_for_user(cli, path);
    }
    struct vh_json *request = vh_cli_request(cli, "install");
    vh_json_set_text(cli->arena, request, "path", path);
    return change(cli, request, "installed");
}

static int
plugin_remove(struct vh_cli *cli)
{
    bool user = vh_cli_flag(cli, "--user");
    if (!vh_cli_no_more_options(cli, 1, 2)) {
        return VH_EXIT_USAGE;
    }
    if (user) {
        return remove_for_user(cli, cli->argv[0], cli->argc == 2 ? cli->argv[1] : NULL);
    }
    struct vh_json *request = vh_cli_request(cli, "remove");
    vh_json_set_text(cli->arena, request, "id", cli->argv[0]);
    if (cli->argc == 2) {
        vh_json_set_text(cli->arena, request, "version", cli->argv[1]);
    }
    return change(cli, request, "removed");
}

static viv_status
no_folder(struct viv_error *err)
{
    return vh_error_set(err, VIV_E_UNAVAILABLE, "plugin",
                        "there is no folder for your key: neither HOME nor XDG_DATA_HOME is an absolute path");
}

/* With the user's key, which is made at its first use. */
static viv_status
sign(struct vh_cli *cli, const char *path, struct vh_hash *ret_hash, struct viv_error *err)
{
    const struct vh_app *app = &cli->app;
    struct vh_trust trust = { .names = &vh_trust_plugins };
    if (!app->user.keys) {
        return no_folder(err);
    }
    viv_status status = vh_trust_sign(app->seam, app->user.keys, AT_FDCWD, path, ret_hash, err);
    if (status != VIV_E_NOT_FOUND || vh_trust_read_key(app->seam, AT_FDCWD, app->user.keys, &trust, err) ||
        trust.has_key) {
        return status;
    }
    status = vh_trust_make_key(app->seam, AT_FDCWD, app->user.keys, &vh_trust_plugins, err);
    if (status) {
        return status;
    }
    vh_cli_note(cli, "your key is made in '%s'; keep a copy where nobody else gets at it", app->user.keys);
    return vh_trust_sign(app->seam, app->user.keys, AT_FDCWD, path, ret_hash, err);
}

/* Needs no home: the key is the user's. */
static int
plugin_sign(struct vh_cli *cli)
{
    char path[PATH_MAX], hex[VH_HASH_HEX];
    int code = VH_EXIT_SYSTEM;
    struct vh_hash hash;
    struct viv_error err = VIV_ERROR_INIT;
    if (!find_file(cli, path, &code)) {
        return code;
    }
    viv_status status = sign(cli, path, &hash, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    vh_hash_hex(&hash, hex);
    struct vh_json *done = vh_json_object(cli->arena);
    vh_json_set_text(cli->arena, done, "digest", hex);
    vh_json_set_text(cli->arena, done, "signature", vh_arena_format(cli->arena, "%s.sig", path));
    if (cli->json) {
        vh_cli_print_json(cli, done);
    } else {
        printf("%s.sig written for the bytes %.12s\n", cli->argv[0], hex);
        vh_cli_note(cli, "what you sign may run inside the host, where nothing holds it back; "
                         "'vivhost plugin install %s' puts it into a home", cli->argv[0]);
    }
    return VH_EXIT_OK;
}

/* ---- key ---- */

static void
add_key(struct vh_cli *cli, struct vh_json *list, const uint8_t key[VH_TRUST_KEY_BYTES], const char *state)
{
    char hex[VH_HASH_HEX];
    struct vh_hash same_size;
    _Static_assert(sizeof same_size.bytes == VH_TRUST_KEY_BYTES, "a key prints as a digest does");
    memcpy(same_size.bytes, key, sizeof same_size.bytes);
    vh_hash_hex(&same_size, hex);
    struct vh_json *item = vh_json_object(cli->arena);
    vh_json_set_text(cli->arena, item, "key", vh_arena_text(cli->arena, hex)); /* it outlives this call */
    vh_json_set_text(cli->arena, item, "state", state);
    vh_json_push(list, item);
    if (!cli->json) {
        printf("%s %s\n", hex, state);
    }
}

static void
print_keys(struct vh_cli *cli, const struct vh_trust *trust)
{
    struct vh_json *list = vh_json_array(cli->arena), *value = vh_json_object(cli->arena);
    for (uint32_t i = 0; i < trust->old_count; i++) {
        bool present = trust->has_key && memcmp(trust->old[i].key, trust->key, sizeof trust->key) == 0;
        if (!present || trust->old[i].retired) { /* present and kept: a rotation that a crash cut short */
            add_key(cli, list, trust->old[i].key, trust->old[i].retired ? "retired" : "kept");
        }
    }
    if (trust->has_key) {
        add_key(cli, list, trust->key, "signs");
    }
    vh_json_set(value, "keys", list);
    if (cli->json) {
        vh_cli_print_json(cli, value);
    } else if (list->count == 0) {
        printf("there is no key; 'vivhost %s %s' makes one at its first use\n", trust->names->word,
               trust->names->maker);
    }
}

/* Needs no home either. */
int
vh_cli_key(struct vh_cli *cli, const struct vh_trust_names *names)
{
    const struct vh_app *app = &cli->app;
    const char *keys = app->user.keys;
    struct vh_trust trust = { .names = names };
    struct viv_error err = VIV_ERROR_INIT;
    if (!vh_cli_no_more_options(cli, 1, 2)) {
        return VH_EXIT_USAGE;
    }
    bool retire = strcmp(cli->argv[0], "retire") == 0, rotate = strcmp(cli->argv[0], "rotate") == 0;
    if ((!retire && !rotate && strcmp(cli->argv[0], "list") != 0) || (cli->argc == 2) != retire) {
        return vh_cli_usage(cli, "'%s key' is followed by '%s%s%s', allowed: list, rotate, retire KEY", names->word,
                            cli->argv[0], cli->argc == 2 ? " " : "", cli->argc == 2 ? cli->argv[1] : "");
    }
    viv_status status = !keys    ? no_folder(&err)
                        : retire ? vh_trust_retire(app->seam, AT_FDCWD, keys, cli->argv[1], &trust, &err)
                        : rotate ? vh_trust_rotate(app->seam, AT_FDCWD, keys, &trust, &err)
                                 : vh_trust_read_key(app->seam, AT_FDCWD, keys, &trust, &err);
    if (status) {
        return vh_cli_fail(cli, status, &err);
    }
    print_keys(cli, &trust);
    if (retire) {
        vh_cli_note(cli, names == &vh_trust_log ? "what it signed is refused from now on" :
                         "hosts that start from now on refuse what it signed; each refusal names the command that "
                         "signs again");
    } else if (rotate) {
        vh_cli_note(cli, "the old key's signatures stay good until 'vivhost %s key retire KEY'; its secret half is "
                         "gone", names->word);
    }
    return VH_EXIT_OK;
}

static int
plugin_key(struct vh_cli *cli)
{
    return vh_cli_key(cli, &vh_trust_plugins);
}

const struct vh_cli_verb vh_cli_plugin_verbs[] = {
    { "list", "", "all plugins and skills", plugin_list },
    { "info", "ID", "one with its manifest", plugin_info },
    { "install", "FILE [--user]", "check a plugin's bytes and put it into this home, or your store", plugin_install },
    { "remove", "ID [VERSION] [--user]", "take an installed one out of this home, or your store", plugin_remove },
    { "sign", "FILE", "sign bytes you trust to run inside the host: writes FILE.sig", plugin_sign },
    { "key", "list | rotate | retire KEY", "the keys that sign: show, replace, end an old one", plugin_key },
    { NULL, NULL, NULL, NULL },
};

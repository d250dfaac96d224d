/* SPDX-License-Identifier: Apache-2.0 */
/* Plays a plugin's cases on the built file: loads it, and for each case calls the method and
 * compares the answer.
 *
 * A file in cases/ holds one case or an array of them:
 *   { "name": "...", "method": "check", "request": {...}, "answer": {...} }   only the members
 * named are compared { "name": "...", "method": "check", "request": {...}, "refused": "part of the
 * error's text" } "effects": [{"exit_code":1,"output":"..","errors":"..","flags":0} or
 * {"status":-4,"text":".."}]  what the door does, with "detail_json" where an effect has it;
 * an output that is no text is JSON "requests": [{"kind":1,"spec_json":{...},"path":"..","target":"..",
 * "bytes":".."}]   what the door must have been asked, compared as text, members that are named
 *   "http": [{"status":200,"headers":"a: b\n","body":"..."}]   what viv.http/1 answers; a body that is no text is JSON
 *   "sent": {"url":"..","headers":"..","body":{...}}   what the last of these was asked
 * usage: viv_play_cases NAME.so CASES_FOLDER */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <jansson.h>
#include <tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fake_host.h"
#include "play_fields.h"

#define CASE_STRUCT_MAX 512

static const struct viv_plugin *
load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        printf("%s\n", dlerror());
        return NULL;
    }
    viv_plugin_entry_fn entry = NULL;
    *(void **)&entry = dlsym(library, "viv_plugin_entry");
    struct viv_host_offer offer = {(uint32_t)sizeof offer, 1, VIV_ABI_MAJOR, VIV_ABI_MINOR};
    struct viv_refusal refusal = {.size = (uint32_t)sizeof refusal, .rev = 1};
    const struct viv_plugin *plugin = entry ? entry(&offer, &refusal) : NULL;
    if (!plugin) {
        printf("%s: %s\n", path, refusal.text);
    }
    return plugin;
}

/* The function of the first offered interface that has a method of this name. */
static const struct viv_method *
find_method(const struct viv_plugin *plugin, const char *name, viv_method_fn *ret_function)
{
    for (uint32_t i = 0; i < plugin->offer_count; i++) {
        const struct viv_offer *offer = &plugin->offers[i];
        for (uint32_t j = 0; j < viv_interface_count; j++) {
            const struct viv_interface *interface = &viv_interfaces[j];
            if (strcmp(interface->id, offer->interface_id) != 0) {
                continue;
            }
            for (uint32_t k = 0; k < interface->method_count; k++) {
                if (strcmp(interface->methods[k].name, name) == 0) {
                    memcpy(ret_function, (const char *)offer->table + interface->methods[k].slot,
                           sizeof *ret_function);
                    return &interface->methods[k];
                }
            }
        }
    }
    return NULL;
}

/* A member's text, or its JSON when it is none; NULL when it is not there. Lives as long as the call. */
static const char *
text_or_json(struct viv_call *call, const json_t *object, const char *key)
{
    const json_t *member = json_object_get(object, key);
    if (!member || json_is_string(member)) {
        return json_string_value(member);
    }
    struct viv_str text = {NULL, 0};
    return viv_tree_write(call, member, 0, &text, NULL) == VIV_OK ? text.data : NULL;
}

static void
script(struct viv_call *call, struct fake_host *host, const json_t *effects)
{
    for (size_t i = 0; i < json_array_size(effects); i++) {
        const json_t *effect = json_array_get(effects, i);
        fake_host_effect(host, (struct fake_effect){
                                   .status = (viv_status)viv_tree_integer(effect, "status", 0),
                                   .exit_code = (int32_t)viv_tree_integer(effect, "exit_code", 0),
                                   .flags = (uint32_t)viv_tree_integer(effect, "flags", 0),
                                   .output = text_or_json(call, effect, "output"),
                                   .errors = json_string_value(json_object_get(effect, "errors")),
                                   .text = json_string_value(json_object_get(effect, "text")),
                                   .detail = text_or_json(call, effect, "detail_json"),
                               });
    }
}

/* Answers of viv.http/1. A body that is no text is kept as its JSON. */
static void
script_http(struct viv_call *call, struct fake_http *http, const json_t *answers)
{
    for (size_t i = 0; i < json_array_size(answers) && i < FAKE_ANSWERS_MAX; i++) {
        const json_t *answer = json_array_get(answers, i);
        const json_t *body = json_object_get(answer, "body");
        char *dump = body && !json_is_string(body) ? json_dumps(body, JSON_COMPACT) : NULL;
        struct viv_str text = dump ? fake_str(dump) : viv_tree_text(answer, "body");
        http->answers[http->scripted++] = (struct fake_answer){
            .status = (uint32_t)viv_tree_integer(answer, "status", 200),
            .unsent = (uint32_t)viv_tree_integer(answer, "unsent", 0),
            .headers = json_string_value(json_object_get(answer, "headers")),
            .body = viv_tree_copy(call, text),
            .end = (viv_status)viv_tree_integer(answer, "end", 0),
        };
        free(dump);
    }
}

static int
match_sent(const struct fake_http *http, const json_t *expected)
{
    json_t *body = http->body ? json_loads(http->body, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const json_t *wanted = json_object_get(expected, "body");
    const char *url = json_string_value(json_object_get(expected, "url"));
    const char *headers = json_string_value(json_object_get(expected, "headers"));
    int same = (!wanted || json_equal(body, wanted)) && (!url || (http->url && strcmp(url, http->url) == 0)) &&
               (!headers || (http->headers && strcmp(headers, http->headers) == 0));
    if (!same) {
        printf("  sent was %s\n%s%s\n", http->url, http->headers, http->body);
    }
    json_decref(body);
    return same;
}

/* A member that is named is what the door was given. */
static int
match_text(const json_t *wanted, const char *key, const char *asked)
{
    const char *text = json_string_value(json_object_get(wanted, key));
    return !text || strcmp(text, asked) == 0;
}

static int
match_request(struct viv_call *call, const json_t *wanted, const struct fake_request *asked)
{
    const json_t *spec = json_object_get(wanted, "spec_json");
    struct viv_str text = {NULL, 0};
    if (spec &&
        (viv_tree_write(call, spec, 0, &text, NULL) != VIV_OK || strcmp(text.data, asked->spec_json) != 0)) {
        return 0;
    }
    return viv_tree_integer(wanted, "kind", VIV_EFFECT_EXEC) == asked->kind &&
           match_text(wanted, "path", asked->path) && match_text(wanted, "target", asked->target) &&
           match_text(wanted, "bytes", asked->bytes);
}

static int
match_requests(struct viv_call *call, const struct fake_host *host, const json_t *expected)
{
    if (!expected) {
        return 1;
    }
    if (json_array_size(expected) != host->requested) {
        printf("  %u effects were asked for, expected %zu\n", host->requested,
               json_array_size(expected));
        return 0;
    }
    for (uint32_t i = 0; i < host->requested; i++) {
        if (!match_request(call, json_array_get(expected, i), &host->requests[i])) {
            printf("  effect %u was of kind %u: '%s' %s\n", i, host->requests[i].kind, host->requests[i].path,
                   host->requests[i].spec_json);
            return 0;
        }
    }
    return 1;
}

static int
compare(struct fake_call *call, const struct fake_host *host, const struct viv_method *method,
        const json_t *one, viv_status status, const void *answer, const struct viv_error *err)
{
    const char *refused = json_string_value(json_object_get(one, "refused"));
    if (refused) {
        if (status == VIV_OK || !strstr(err->text, refused)) {
            printf("  status %d '%s', expected a refusal with '%s'\n", status, err->text, refused);
            return 0;
        }
        return 1;
    }
    if (status != VIV_OK) {
        printf("  status %d '%s'\n", status, err->text);
        return 0;
    }
    return play_fields_match(&call->call, method, json_object_get(one, "answer"), answer) &&
           match_requests(&call->call, host, json_object_get(one, "requests")) &&
           match_sent(&host->http, json_object_get(one, "sent"));
}

static int
play(const struct viv_plugin *plugin, const json_t *one)
{
    const char *name = json_string_value(json_object_get(one, "name"));
    const char *method_name = json_string_value(json_object_get(one, "method"));
    viv_method_fn function = NULL;
    const struct viv_method *method =
        method_name ? find_method(plugin, method_name, &function) : NULL;
    struct fake_host host;
    struct fake_call call;
    struct viv_error err = VIV_ERROR_INIT;
    uint64_t request[CASE_STRUCT_MAX / 8] = {0};
    uint64_t answer[CASE_STRUCT_MAX / 8] = {0};
    fake_host_init(&host);
    fake_call_init(&call, &host);
    script(&call.call, &host, json_object_get(one, "effects"));
    script_http(&call.call, &host.http, json_object_get(one, "http"));
    void *self = NULL;
    int good = method && plugin->create(&host.host, plugin->defaults, &self, &err) == VIV_OK;
    if (good) {
        uint32_t request_head[2] = {method->request_size, 1};
        uint32_t answer_head[2] = {method->answer_size, 1};
        memcpy(request, request_head, sizeof request_head);
        memcpy(answer, answer_head, sizeof answer_head);
        good = play_fields_fill(&call.call, method, json_object_get(one, "request"), request,
                                &err) == VIV_OK;
        viv_status status =
            good ? function(self, &call.call, request, answer, &err) : VIV_E_INVALID;
        good = good && compare(&call, &host, method, one, status, answer, &err);
        plugin->destroy(self);
    }
    printf("%s %s %s\n", good ? "ok  " : "FAIL", name ? name : "(no name)", good ? "" : err.text);
    fake_call_finish(&call);
    fake_host_finish(&host);
    return good;
}

static int
play_file(const struct viv_plugin *plugin, const char *path, uint32_t *played)
{
    json_error_t fault;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &fault);
    if (!file) {
        printf("FAIL %s: %s, line %d\n", path, fault.text, fault.line);
        return 0;
    }
    int good = 1;
    size_t count = json_is_array(file) ? json_array_size(file) : 1;
    for (size_t i = 0; i < count; i++) {
        good &= play(plugin, json_is_array(file) ? json_array_get(file, i) : file);
        ++*played;
    }
    json_decref(file);
    return good;
}

int
main(int argc, char **argv)
{
    const struct viv_plugin *plugin = argc == 3 ? load(argv[1]) : NULL;
    struct dirent **entries = NULL;
    int count = plugin ? scandir(argv[2], &entries, NULL, alphasort) : -1;
    if (count < 0) {
        printf("usage: viv_play_cases NAME.so CASES_FOLDER (%s)\n", strerror(errno));
        return 2;
    }
    int good = 1;
    uint32_t played = 0;
    for (int i = 0; i < count; i++) {
        size_t len = strlen(entries[i]->d_name);
        char path[4096];
        int fits =
            snprintf(path, sizeof path, "%s/%s", argv[2], entries[i]->d_name) < (int)sizeof path;
        if (fits && len > 5 && strcmp(entries[i]->d_name + len - 5, ".json") == 0) {
            good &= play_file(plugin, path, &played);
        }
        free(entries[i]);
    }
    free(entries);
    printf("%u cases\n", played);
    return good && played > 0 ? 0 : 1;
}

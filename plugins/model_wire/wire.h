/* SPDX-License-Identifier: Apache-2.0 */
/* What the plugins of models share: one exchange from a request's document to the interface's answer. A plugin brings
 * a dialect, its wire in four functions; bound() and complete() of its table are the ones here. README.md says how
 * the parts go together. */
#ifndef MODEL_WIRE_WIRE_H
#define MODEL_WIRE_WIRE_H

#include <viv/draft/http.h>
#include <viv/draft/model.h>

#include "answer.h"
#include "body.h"
#include "request.h"

#define WIRE_HEADERS_MAX 8

struct wire_dialect {
    const char *path; /* behind the base URL */
    const char *secret_header;
    const char *secret_prefix;
    const char *version_header; /* one more header, or NULL */
    const char *version;
    /* The members of the body's object. */
    void (*write)(const struct wire_request *request, const void *config, struct wire_body *body);
    /* One event of a stream. */
    void (*event)(struct wire_answer *answer, struct viv_str name, struct viv_str data);
    /* The body of an answer that is none. */
    void (*whole)(struct wire_answer *answer, struct viv_str text);
};

/* A plugin's state: nothing in it changes after create(), so any number of calls may use it. */
struct wire_plugin {
    const struct wire_dialect *dialect;
    const void *config;
    int64_t first_byte_ns; /* of a stream; a whole answer takes as long as the call may */
    int64_t idle_ns;
    const struct viv_http *http;
    const struct viv_clock *clock;
};

/* Acquires the services. Released by wire_destroy(). */
viv_status wire_create(const struct viv_host *host, const struct wire_plugin *what, void **ret_self,
                       struct viv_error *err);
void wire_destroy(void *self);

viv_status wire_bound(void *self, struct viv_call *call, const struct viv_model_bound_request *request,
                      struct viv_model_bound_answer *ret_answer, struct viv_error *err);
viv_status wire_complete(void *self, struct viv_call *call, const struct viv_model_complete_request *request,
                         struct viv_model_complete_answer *ret_answer, struct viv_error *err);

#endif

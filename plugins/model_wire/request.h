/* SPDX-License-Identifier: Apache-2.0 */
/* A request as docs/contract/model.schema.json has it, read and held to its rules before a byte leaves: what both
 * wires would refuse is refused here, by name. A member that is not known is refused too, since it might cost money.
 */
#ifndef MODEL_WIRE_REQUEST_H
#define MODEL_WIRE_REQUEST_H

#include <viv/viv.h>

struct json_t; /* jansson's value */

#define WIRE_REQUEST_MAX (8u << 20) /* bytes of a request; about 2 million tokens */
#define WIRE_MESSAGES_MAX 10000
#define WIRE_BLOCKS_MAX 256 /* of one message, either way */
#define WIRE_TOOLS_MAX 128
#define WIRE_STOPS_MAX 4
#define WIRE_NAME_MAX 64  /* of a tool */
#define WIRE_TEXT_MAX 256 /* of an id, a model's name, a stop sequence */
#define WIRE_URL_MAX 2048
#define WIRE_TOKENS_MAX 10000000

/* Texts and values live until wire_request_close(). */
struct wire_request {
    struct json_t *root;
    struct viv_str base_url; /* without a slash at its end */
    struct viv_str secret;   /* empty: no key is sent */
    struct viv_str model;
    struct viv_str system;
    const struct json_t *messages;
    const struct json_t *tools; /* NULL when there are none */
    const struct json_t *stop;  /* NULL when there are none */
    int64_t max_tokens;
    uint32_t stream;
    uint32_t cache;
};

/* VIV_E_INVALID with what was found and what is allowed; VIV_E_MEMORY. */
viv_status wire_request_read(struct viv_str text, struct wire_request *ret_request, struct viv_error *err);
void wire_request_close(struct wire_request *request);

/* Whether a text is nothing but blanks. */
uint32_t wire_request_blank(struct viv_str text);

/* The most tokens that any provider can count for it; README.md says why. */
int64_t wire_request_bound(const struct wire_request *request);

/* Parts of that bound: a text; JSON in a text. */
int64_t wire_bound_escaped(struct viv_str text);
int64_t wire_bound_json(struct viv_str json);

#endif

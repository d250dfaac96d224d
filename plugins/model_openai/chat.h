/* SPDX-License-Identifier: Apache-2.0 */
/* The wire of chat completions: a request's members, a stream's events, a whole answer. Touches nothing but memory. */
#ifndef MODEL_OPENAI_CHAT_H
#define MODEL_OPENAI_CHAT_H

#include "../model_wire/wire.h"

/* `config` is struct model_openai_config. */
void chat_write(const struct wire_request *request, const void *config, struct wire_body *body);
void chat_event(struct wire_answer *answer, struct viv_str name, struct viv_str data);
void chat_whole(struct wire_answer *answer, struct viv_str text);

/* Whether the host of `url` is one of `hosts`, which stand between blanks. */
uint32_t chat_host_in(struct viv_str url, struct viv_str hosts);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The wire of messages: a request's members, a stream's events, a whole answer. Touches nothing but memory. */
#ifndef MODEL_ANTHROPIC_TALK_H
#define MODEL_ANTHROPIC_TALK_H

#include "../model_wire/wire.h"

void talk_write(const struct wire_request *request, const void *config, struct wire_body *body);
void talk_event(struct wire_answer *answer, struct viv_str name, struct viv_str data);
void talk_whole(struct wire_answer *answer, struct viv_str text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The outline as documents: docs/contract/intent.schema.json, and the questions. */
#ifndef DECOMPOSE_OUTLINE_INTENT_H
#define DECOMPOSE_OUTLINE_INTENT_H

#include "outline.h"

struct json_t;

/* Paths and budget that came beside the request, checked:
 * {"command":{},"files":[],"scope":[],"budget_micro":N}. VIV_E_INVALID: a path that leaves the
 * project, a negative budget, something of another type. */
viv_status intent_hints(const struct json_t *hints, struct outline *outline, struct viv_error *err);

/* Whether the hints hold a command. */
uint32_t intent_has_command(const struct json_t *hints);

struct json_t *intent_document(const struct outline *outline, struct viv_str original,
                               uint32_t *failed);

/* At most three, each {"text","default"}; `default` is what happens when nobody answers. */
struct json_t *intent_questions(const struct outline *outline, uint32_t *failed);

#endif

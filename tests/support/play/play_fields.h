/* SPDX-License-Identifier: Apache-2.0 */
/* Between JSON and the structs of an interface method, by the generated field tables. A JSON object
 * or array given for a text member is written canonically into it. Read next: play_cases.c. */
#ifndef SUPPORT_PLAY_FIELDS_H
#define SUPPORT_PLAY_FIELDS_H

#include <viv_interfaces.h>

struct json_t;

/* Fill a request from a JSON object; an unknown member is refused. Texts live in the call's memory.
 */
viv_status play_fields_fill(struct viv_call *call, const struct viv_method *method,
                            const struct json_t *object, void *ret_request, struct viv_error *err);

/* Compare the members that the JSON object names. 1 when all are equal; otherwise prints both
 * values. */
int play_fields_match(struct viv_call *call, const struct viv_method *method,
                      const struct json_t *expected, const void *answer);

#endif

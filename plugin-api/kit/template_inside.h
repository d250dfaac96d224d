/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the matcher share: template.c compiles and matches, template_request.c cuts a request,
 * template_slot.c knows the slot types and transforms, template_rules.c reads and fills documents. */
#ifndef VIV_KIT_TEMPLATE_INSIDE_H
#define VIV_KIT_TEMPLATE_INSIDE_H

#include "template.h"

/* Equal but for the case of ASCII letters. */
uint32_t viv_template_same(struct viv_str a, struct viv_str b);
uint32_t viv_template_utf8(struct viv_str text);

/* Most tokens a slot of this type may take; 1 for words. */
uint32_t viv_template_span(uint32_t type);

/* Whether the part takes `count` tokens from `tokens`. Time: the length of those tokens. */
uint32_t viv_template_takes(const struct viv_template_part *part, const struct viv_template_token *tokens,
                            uint32_t count);

/* VIV_TEMPLATE_* of a slot's type by name, with what stands in choice(...); 0 for an unknown one. */
uint32_t viv_template_type_of(struct viv_str name, struct viv_str *ret_choices);

/* The transform by name, or the type's own for an empty name; AS_DEFAULT when it does not go with the type. */
uint32_t viv_template_transform(struct viv_str name, uint32_t type);
/* Whether the transform's result is a number. */
uint32_t viv_template_is_number(uint32_t as);
viv_status viv_template_number(uint32_t as, struct viv_str raw, int64_t *ret_number, struct viv_error *err);
viv_status viv_template_value(uint32_t as, const struct viv_template_part *part, struct viv_str raw,
                              struct viv_str inner, struct viv_kit_memory memory, struct viv_str *ret_text,
                              struct viv_error *err);

#endif

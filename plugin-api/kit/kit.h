/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for plugin authors; static, hidden, not ABI. */
#ifndef VIV_KIT_H
#define VIV_KIT_H

#include <viv/viv.h>

/* Whether a text equals a literal. */
uint32_t viv_kit_is(struct viv_str text, const char *literal);

#endif

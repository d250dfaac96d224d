/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include <string.h>

uint32_t
viv_kit_is(struct viv_str text, const char *literal)
{
    uint64_t len = strlen(literal);
    return text.len == len && (len == 0 || memcmp(text.data, literal, (size_t)len) == 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers for plugin authors; static, hidden, libc only, no global state; not ABI. This header brings all that a first
 * skill needs; template.h, for hosts and learners, and tree.h, for plugins with jansson, are apart.
 * Read next: values.h, walk.h, write.h. */
#ifndef VIV_KIT_H
#define VIV_KIT_H

#include <viv/viv.h>

#include "buf.h"
#include "entry.h"
#include "lent.h"
#include "read.h"
#include "sha256.h"
#include "text.h"
#include "values.h"
#include "walk.h"
#include "write.h"

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The umbrella for a first plugin. A plugin also includes the header of each interface it offers,
 * <viv/iface/NAME.h>, and its own generated NAME_manifest.h. */
#ifndef VIV_VIV_H
#define VIV_VIV_H

#include <viv/core.h>
#include <viv/status.h>
#include <viv/limits.h>
#include <viv/options.h>
#include <viv/task.h>
#include <viv/effect.h>
#include <viv/call.h>
#include <viv/host.h>
#include <viv/value.h>
#include <viv/manifest.h>
#include <viv/plugin.h>

#endif

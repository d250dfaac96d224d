/* SPDX-License-Identifier: Apache-2.0 */
/* Offers an interface that is still a draft (see CMakeLists.txt). */
#include <viv/draft/surface.h>
#define FAULT_INTERFACE VIV_IFACE_SURFACE
#include "fault.h"

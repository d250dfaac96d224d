/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest is not embedded (see CMakeLists.txt). */
#include "fault.h"

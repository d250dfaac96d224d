/* SPDX-License-Identifier: Apache-2.0 */
/* Needs a library its manifest does not list (see CMakeLists.txt). */
#include "fault.h"

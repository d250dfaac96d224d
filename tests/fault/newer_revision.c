/* SPDX-License-Identifier: Apache-2.0 */
/* Its manifest wants a revision of a table that is not there yet (see CMakeLists.txt). */
#include "fault.h"

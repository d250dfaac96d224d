/* SPDX-License-Identifier: Apache-2.0 */
/* Two manifests: which one is meant? */
#include "fault.h"

struct other_note {
    uint32_t name_size, size, type;
    char name[12];
    char text[4];
};

extern const struct other_note other_note;
__attribute__((section(".note.vivarium"), used, aligned(4), visibility("hidden")))
const struct other_note other_note = { 9, 2, 1, "Vivarium", "{}" };

/* SPDX-License-Identifier: Apache-2.0 */
/* A host small enough for tests of the kit and of skills: one scratch folder, lent by a grant or by effects that work
 * on it for real, an arena that can run out, a clock that stands still. */
#ifndef KIT_FAKE_H
#define KIT_FAKE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "kit.h"

struct kit_fake {
    char folder[64];
    struct vh_arena *arena; /* of the call */
    struct viv_call call;
    struct viv_host host;
    struct viv_effects effects;
    struct viv_clock clock;
    struct viv_log log;
    int64_t now_us;
    bool deny_services;
    uint32_t deny_kind;     /* effects of this kind are denied; UINT32_MAX: all */
    viv_status deny_status; /* with this status */
    uint32_t cancel_after;  /* looks at the cancel flag until it is up; 0: never */
    uint32_t looks;
    uint32_t writes;
    uint32_t used;      /* 1u << kind of every effect asked for */
    uint64_t max_bytes; /* of the call's arena */
};

void kit_fake_init(struct kit_fake *fake);
void kit_fake_finish(struct kit_fake *fake);

/* A fresh call with the grant, or without one. */
struct viv_call *kit_fake_call(struct kit_fake *fake, bool grant);

/* Files of the scratch folder; parents are made. `modified_us` of all is the same fixed time unless set. */
#define KIT_FAKE_TIME_US INT64_C(1700000000000000)
void kit_fake_file(struct kit_fake *fake, const char *path, const void *bytes, size_t len);
void kit_fake_modified(struct kit_fake *fake, const char *path, int64_t modified_us);
char *kit_fake_read(struct kit_fake *fake, struct vh_arena *arena, const char *path, size_t *ret_len);
void kit_fake_empty(struct kit_fake *fake);

int kit_fake_open_files(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Read-only view of a task while one call runs. Borrowed until the call returns. */
#ifndef VIV_TASK_H
#define VIV_TASK_H

#include <viv/core.h>

VIV_BEGIN

struct viv_task {
    uint32_t size;
    uint32_t rev;
    struct viv_str id;          /* unique in the home */
    struct viv_str goal;        /* the request in the person's own words */
    struct viv_str intent_json; /* docs/contract/intent.schema.json; empty before intake */
    struct viv_str target;      /* name of the line the work is meant for, or "folder" */
    struct viv_str base_tree;   /* id of the immutable tree the task started from */
    struct viv_str feedback_json; /* reasons of earlier rejections, newest last; empty at the first try */
    uint32_t attempt;           /* 1 at the first try; rises on rejection only */
    uint32_t flags;             /* zero */
};

VIV_STATIC_ASSERT(sizeof(struct viv_task) == 112, "layout of viv_task, revision 1");

VIV_END

#endif

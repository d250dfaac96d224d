/* SPDX-License-Identifier: Apache-2.0 */
/* Signed checkpoints of the log as files of the home, and the user's keys for them. */
#ifndef VH_APP_CHECKPOINT_H
#define VH_APP_CHECKPOINT_H

#include "app.h"
#include "keep/checkpoint.h"

#define VH_APP_CHECKPOINTS "log/checkpoints" /* of the home */
#define VH_APP_CHECKPOINT_NAME "%012lld.json" /* by its events */
#define VH_APP_CHECKPOINTS_MAX 64            /* files that are kept */
#define VH_APP_CHECKPOINT_EVENTS 1024        /* after so many a host that works writes the next */
/* The user's keys for checkpoints, made on first need when `make` says so. */
viv_status vh_app_log_keys(struct vh_app *app, bool make, struct vh_trust *ret_keys, struct viv_error *err);
viv_status vh_app_checkpoint_sign(struct vh_app *app, struct vh_checkpoint *checkpoint, struct viv_error *err);
/* VIV_E_DENIED: by a key that is not one of `keys`, or retired; VIV_E_CORRUPT: its signature does not fit. */
viv_status vh_app_checkpoint_check(const struct vh_checkpoint *checkpoint, const struct vh_trust *keys,
                                   struct viv_error *err);
/* The newest good one in the home; `events` 0: there is none. */
viv_status vh_app_checkpoint_newest(struct vh_app *app, struct vh_checkpoint *ret_newest, struct viv_error *err);
/* Of what `store`, a connection of this thread, sees; with `keep` as a file of the home. VIV_E_CONFLICT when the log
 * does not extend the newest one there. */
viv_status vh_app_checkpoint(struct vh_app *app, struct vh_store *store, bool keep,
                             struct vh_checkpoint *ret_checkpoint, struct viv_error *err);
/* A host's own, when there is enough to tell; a failure is logged. */
void vh_app_checkpoint_due(struct vh_app *app, struct vh_store *store, bool ends);

#endif

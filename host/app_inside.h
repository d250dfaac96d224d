/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that build a host share. Nobody else includes it. */
#ifndef VH_APP_INSIDE_H
#define VH_APP_INSIDE_H

#include "app.h"

/* app_plugins.c. The second takes the app: a host without workers loads it when somebody looks into the policy. */
viv_status vh_app_load_plugins(struct vh_app *app, struct viv_error *err);
viv_status vh_app_load_safety(void *app, struct viv_error *err);

/* app_models.c: what calls to models need, made while there is one thread: secrets come out of the environment. */
viv_status vh_app_models(struct vh_app *app, struct viv_error *err);
void vh_app_models_end(struct vh_app *app);

#endif

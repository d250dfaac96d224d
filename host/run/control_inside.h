/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the control: what control*.c share. Nobody else includes it. */
#ifndef VH_CONTROL_INSIDE_H
#define VH_CONTROL_INSIDE_H

#include "base/error.h"
#include "base/str.h"
#include "keep/reader.h"
#include "run/control.h"
#include "run/scope.h"
#include "run/workers.h"

/* One request on its way. */
struct vh_controlling {
    struct vh_control *control;
    struct vh_run *run;
    struct vh_arena *arena;
    const struct vh_json *request;
    struct vh_json *response;
    const struct vh_control_peer *peer;
    const atomic_uint *stop;
    struct viv_error err;
};

/* Read the store: on the sequencer's thread, or at once when there is no host. */
viv_status vh_control_read(struct vh_controlling *c, vh_sequencer_reader reader, void *data);

viv_status vh_control_send(struct vh_controlling *c, const char *kind, struct viv_str task, struct vh_json *data);

/* An event about no task; its data are answered too. */
viv_status vh_control_record(struct vh_controlling *c, const char *kind, struct vh_json *data);

/* The request's scope in its one spelling; empty when it has none. */
viv_status vh_control_scope_said(struct vh_controlling *c, struct viv_str *ret_scope);
/* Whether there is a folder of that scope beneath the target. */
viv_status vh_control_scope(struct vh_controlling *c, struct viv_str target, struct viv_str scope);

viv_status vh_control_archive(struct vh_controlling *c);
viv_status vh_control_audit(struct vh_controlling *c);
viv_status vh_control_explain(struct vh_controlling *c);
viv_status vh_control_import(struct vh_controlling *c);
viv_status vh_control_collect(struct vh_controlling *c);
viv_status vh_control_install(struct vh_controlling *c);
viv_status vh_control_backup(struct vh_controlling *c);
viv_status vh_control_remove(struct vh_controlling *c);
viv_status vh_control_lookup(struct vh_controlling *c);
viv_status vh_control_tasks(struct vh_controlling *c);
viv_status vh_control_task(struct vh_controlling *c);
viv_status vh_control_events(struct vh_controlling *c);
viv_status vh_control_workers(struct vh_controlling *c);
viv_status vh_control_status(struct vh_controlling *c);
viv_status vh_control_accounts(struct vh_controlling *c);
viv_status vh_control_cap(struct vh_controlling *c);
viv_status vh_control_models(struct vh_controlling *c);
viv_status vh_control_verify(struct vh_controlling *c);
viv_status vh_control_pruned(struct vh_controlling *c);
viv_status vh_control_plugins(struct vh_controlling *c);
viv_status vh_control_route(struct vh_controlling *c);
viv_status vh_control_call(struct vh_controlling *c);

#endif

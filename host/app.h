/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the host, built in order and ended in reverse: find the home, lock it (or become a client of the host
 * that has it), store, sequencer, plugins, policy, recovery, exporter, spawner, workers, socket last. Everything hangs
 * on struct vh_app; there is no global state but the log sink and the signal flag.
 * app_home.c finds and makes homes, app_stage.c beside their place; app_known.c knows whose they are;
 * app_parts.c builds the parts; app_threads.c runs exporter and spawner. */
#ifndef VH_APP_H
#define VH_APP_H

#include "run/control.h"
#include "run/run.h"

#define VH_APP_HOME ".vivarium"
#define VH_APP_HOME_VERSION 1
#define VH_APP_ID_BYTES 16

/* The user's folders, from the environment; NULL when they cannot be known. */
struct vh_app_user {
    const char *home;
    const char *config; /* ~/.config/vivarium */
    const char *data;   /* ~/.local/share/vivarium */
    const char *keys;   /* below it */
    const char *plugins; /* below it: the store that all homes of this user see */
    const char *xdg_config; /* XDG_CONFIG_HOME or NULL */
    const char *name;
    int64_t uid;
    int64_t pid;
};

struct vh_app {
    const struct vh_seam *seam;
    struct vh_arena *arena;
    struct vh_app_user user;
    const char *program_folder; /* where this program lies */
    const char *project;
    const char *home_path;
    int home;
    int lock; /* descriptor of the lock; -1: a client, or a reader */
    bool read_only; /* the home cannot be written: only VH_APP_READ opens it */
    struct vh_store *store;
    struct vh_run run;
    struct vh_control control;
    struct vh_app_threads *threads;
    struct vh_socket *socket;  /* the server's */
    struct vh_client *client;  /* or the connection to the host that has the home */
    int64_t checkpointed; /* events in the newest checkpoint, once it was looked for */
    const char *fail_step;
    const atomic_uint *stop; /* set by a signal: a client that waits for its host gives up; may be NULL */
};

enum vh_app_need {
    VH_APP_READ,  /* queries: a client, or a reader that changes nothing when there is no host */
    VH_APP_WRITE, /* commands of a person: needs the sequencer */
    VH_APP_WORK,  /* the whole host with workers */
};

/* Read the environment and find this program. */
viv_status vh_app_begin(struct vh_app *app, const struct vh_seam *seam, struct viv_error *err);
void vh_app_end(struct vh_app *app);

/* Find the home by walking up from `start`. VIV_E_NOT_FOUND says how to make one; VIV_E_DENIED for a home this user
 * did not make; VIV_E_VERSION. */
viv_status vh_app_find(struct vh_app *app, const char *start, struct viv_error *err);
/* Make a home in `folder`. VIV_E_EXISTS. */
viv_status vh_app_init(struct vh_app *app, const char *folder, struct viv_error *err);
/* Its steps, for who builds a home otherwise: name project and home; open `home_path` and make its folders; one event
 * as a host of a moment; hide it from git. */
viv_status vh_app_place(struct vh_app *app, const char *folder, struct viv_error *err);
viv_status vh_app_make_parts(struct vh_app *app, struct viv_error *err);
viv_status vh_app_record(struct vh_app *app, const char *kind, struct vh_json *data, struct viv_error *err);
viv_status vh_app_exclude(struct vh_app *app, struct viv_error *err);

/* app_stage.c: a home that is being built beside its place. */
struct vh_app_stage {
    int project;       /* its folder, locked: one at a time */
    const char *word;  /* "init", "restore": part of its name, and of what is said */
    const char *place; /* where the home goes */
    const char *name;  /* until then; NULL: not made yet, or placed */
};
/* After vh_app_place; the lock is held until vh_app_stage_end. `word` lives for ever. */
viv_status vh_app_stage_take(struct vh_app *app, const char *word, struct vh_app_stage *ret_stage,
                             struct viv_error *err);
/* What an earlier one left is removed; `home` and `home_path` are then those of the new one, with its folders. */
viv_status vh_app_stage_make(struct vh_app *app, struct vh_app_stage *stage, struct viv_error *err);
/* On disk, known, and in its place. */
viv_status vh_app_stage_place(struct vh_app *app, struct vh_app_stage *stage, const char *id, struct viv_error *err);
/* Whatever came of it. */
void vh_app_stage_end(struct vh_app *app, struct vh_app_stage *stage);

/* Open what is needed: as the host when nobody is, else as a client. `workers` is for VH_APP_WORK. A home that cannot
 * be written is refused with VIV_E_DENIED unless it is only read. */
viv_status vh_app_open(struct vh_app *app, enum vh_app_need need, int workers, struct viv_error *err);
/* app_view.c: only read the home, whoever has it: sees what is committed. VIV_E_BUSY: a host has it, be its client. */
viv_status vh_app_view(struct vh_app *app, bool beside_host, struct viv_error *err);
/* Workers stop after their task, clients are let go, everything logged is synced. */
viv_status vh_app_close(struct vh_app *app, struct viv_error *err);

/* Fold the log again; with `write` the projections are replaced. Nobody may have the home meanwhile. */
struct vh_rebuild_result;
viv_status vh_app_rebuild(struct vh_app *app, bool write, struct vh_rebuild_result *ret_result, struct viv_error *err);

/* One request to the host, this process or another: see docs/contract/socket.md. */
viv_status vh_app_ask(struct vh_app *app, const struct vh_json *request, struct vh_arena *arena,
                      struct vh_json **ret_response, struct viv_error *err);

/* What the user's own files say about trust; read and changed as a whole. */
bool vh_app_trusts(struct vh_app *app, const char *digest_hex);
viv_status vh_app_trust_policy(struct vh_app *app, const char *digest_hex, struct viv_error *err);
viv_status vh_app_trust_home(struct vh_app *app, struct viv_error *err);
/* VIV_E_DENIED when a home of this id lives in another folder. */
viv_status vh_app_note_home(struct vh_app *app, const char *id, struct viv_error *err);
/* Whether this user made (or has taken over) the home. */
viv_status vh_app_check_home(struct vh_app *app, struct viv_error *err);
viv_status vh_app_home_id(struct vh_app *app, const char **ret_id, struct viv_error *err);

/* For one thread; it goes with the app's. NULL: no memory. */
struct vh_arena *vh_app_arena(struct vh_app *app);

/* app_threads.c */
/* The spawner; with `early` it starts launcher and zygote and tries the sandbox at once, beside what follows. The
 * store is open and no workspace is left. */
viv_status vh_app_spawner_start(struct vh_app *app, bool early, struct viv_error *err);
/* The others, when everything is built. */
viv_status vh_app_threads_start(struct vh_app *app, enum vh_app_need need, int workers, struct viv_error *err);
void vh_app_threads_stop(struct vh_app *app);
/* The last lines, once the sequencer has written its last event. */
void vh_app_export(struct vh_app *app);
/* Launcher and zygote run when this returns; starts them on first need. */
viv_status vh_app_need_sandbox(struct vh_app *app, struct viv_error *err);

/* app_parts.c */
/* The user's store and the bundled plugins, without a home, and the rules for what goes in. */
viv_status vh_app_user_registry(struct vh_app *app, struct viv_error *err);
/* The store with its sequencer, and no workspace of an earlier host; then the registry and, to work, the plugins. */
viv_status vh_app_build_store(struct vh_app *app, struct viv_error *err);
viv_status vh_app_build(struct vh_app *app, enum vh_app_need need, struct viv_error *err);
/* The parts a reader needs: `store` is open already. */
viv_status vh_app_build_view(struct vh_app *app, struct viv_error *err);
/* Whether the policy `text` can be used, at any time after vh_app_find: loads the safety plugin alone when no
 * host is built. See vh_policy_try. */
viv_status vh_app_try_policy(struct vh_app *app, struct viv_str text, uint32_t scope, bool trusted,
                             struct viv_error *err);
void vh_app_unbuild(struct vh_app *app);
viv_status vh_app_recover(struct vh_app *app, struct viv_error *err);

#endif

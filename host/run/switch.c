/* SPDX-License-Identifier: Apache-2.0 */
#include "switch.h"

#include <errno.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "run/workers.h"

#define NOTE_BYTES_MAX 4096 /* of a file: its first line says why */
#define NOTE_MAX 300

static const struct {
    const char *file;
    const char *state;
} files[] = { { "HALT", "halt" }, { "PAUSE", "pause" } };

static void
set(struct vh_run *run, struct viv_str state)
{
    bool halt = vh_str_is(state, "halt");
    atomic_store(&run->held, halt || vh_str_is(state, "pause"));
    atomic_store(&run->halted, halt);
}

static viv_status
read_fact(void *data, struct vh_store *store, struct viv_error *err)
{
    struct vh_run *run = data;
    struct viv_str text = { NULL, 0 };
    struct vh_json *value = NULL;
    struct vh_state_ops state = vh_store_state(store);
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = arena ? state.get_fact(state.data, arena, "switch", &text, err)
                              : vh_error_set(err, VIV_E_MEMORY, "switch", "no memory to start");
    if (status == VIV_OK && text.len) {
        status = vh_json_read(arena, text, &value, err);
    }
    set(run, vh_json_str(value, "state"));
    vh_arena_destroy(arena);
    return status;
}

viv_status
vh_switch_load(struct vh_run *run, struct viv_error *err)
{
    return vh_sequencer_read(run->sequencer, read_fact, run, err);
}

void
vh_switch_obey(struct vh_control *control, struct viv_str state)
{
    set(control->run, state);
    if (atomic_load(&control->run->halted) && control->workers) {
        vh_workers_interrupt(control->workers);
    }
    vh_sequencer_wake(control->run->sequencer);
}

/* The first line of a file, or nothing: that it is there is enough. */
static struct viv_str
note_of(struct vh_run *run, struct vh_arena *arena, const char *file)
{
    struct viv_str text = { NULL, 0 };
    if (vh_fs_read(run->seam, arena, run->home, file, NOTE_BYTES_MAX, &text, NULL)) {
        return (struct viv_str){ NULL, 0 };
    }
    const char *end = text.len ? memchr(text.data, '\n', (size_t)text.len) : NULL;
    return vh_run_clean(arena, end ? (struct viv_str){ text.data, (uint64_t)(end - text.data) } : text, NOTE_MAX);
}

void
vh_switch_trip(struct vh_run *run, struct vh_arena *arena, const char *note)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_answer answer = { 0 };
    struct vh_json *data = vh_json_object(arena);
    vh_json_set_text(arena, data, "note", note);
    vh_json_set_text(arena, data, "state", "pause");
    struct vh_command command = { .kind = VH_STR("switch.set"), .data = data,
                                  .actor = { VH_STR("host"), VH_STR("the circuit breaker"), run->uid, run->pid } };
    atomic_store(&run->held, 1); /* before it is recorded: who lets work go on afterwards has the last word */
    viv_status status = data ? vh_sequencer_call(run->sequencer, &command, false, arena, &answer, &err)
                             : vh_error_set(&err, VIV_E_MEMORY, "switch", "no memory to hold work");
    vh_log(VH_LOG_ERROR, "switch", "%s; no task begins until 'vivhost resume'", note);
    if (status && status != VIV_E_STATE) { /* held already */
        vh_log(VH_LOG_ERROR, "switch", "that could not be recorded: %s", err.text);
    }
    vh_sequencer_wake(run->sequencer);
}

static void
obey_file(struct vh_control *control, const char *file, const char *state)
{
    struct vh_run *run = control->run;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    struct vh_json *data = arena ? vh_json_object(arena) : NULL;
    struct vh_answer answer = { 0 };
    vh_json_set_str(arena, data, "note", arena ? note_of(run, arena, file) : (struct viv_str){ NULL, 0 });
    vh_json_set_text(arena, data, "state", state);
    char *by = arena ? vh_arena_format(arena, "the file %s", file) : NULL;
    struct vh_command command = { .kind = VH_STR("switch.set"), .data = data,
                                  .actor = { VH_STR("host"), by ? vh_str(by) : VH_STR("host"), run->uid, run->pid } };
    viv_status status = data ? vh_sequencer_call(run->sequencer, &command, false, arena, &answer, &err)
                             : vh_error_set(&err, VIV_E_MEMORY, "switch", "no memory for the file %s", file);
    if (status && status != VIV_E_STATE) { /* set already: by another thread */
        vh_log(VH_LOG_ERROR, "switch", "'%s' is there and cannot be recorded, work is held: %s", file, err.text);
    }
    vh_switch_obey(control, vh_str(state)); /* what cannot be recorded is obeyed all the same */
    vh_arena_destroy(arena);
}

void
vh_switch_look(struct vh_control *control)
{
    struct vh_run *run = control->run;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bool set_already = atomic_load(i == 0 ? &run->halted : &run->held);
        if (!set_already && vh_fs_exists(run->seam, run->home, files[i].file)) {
            obey_file(control, files[i].file, files[i].state);
        }
    }
}

viv_status
vh_switch_remove_files(struct vh_run *run, struct viv_error *err)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (run->seam->unlink(run->seam->data, run->home, files[i].file, 0) && errno != ENOENT) {
            return vh_error_errno(err, VIV_E_IO, "switch", "cannot remove '%s', which holds all work",
                                  files[i].file);
        }
    }
    return VIV_OK;
}

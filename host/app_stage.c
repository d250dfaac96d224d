/* SPDX-License-Identifier: Apache-2.0 */
/* A home is built beside its place and gets its name in one step: whatever fails, there is none or a whole one. What is
 * left of one that was cut short, the next removes. Used by init and restore. */
#include "app.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"

viv_status
vh_app_stage_take(struct vh_app *app, const char *word, struct vh_app_stage *ret_stage, struct viv_error *err)
{
    const struct vh_seam *seam = app->seam;
    *ret_stage = (struct vh_app_stage){ .project = -1, .word = word, .place = app->home_path };
    int fd = seam->open(seam->data, AT_FDCWD, app->project, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return vh_error_errno(err, VIV_E_IO, word, "cannot open '%s'", app->project);
    }
    ret_stage->project = fd;
    return seam->lock(seam->data, fd, 1)
               ? vh_error_set(err, VIV_E_BUSY, word, "another vivhost makes a home in '%s'", app->project)
               : VIV_OK;
}

static viv_status
remove_leftovers(struct vh_app *app, const struct vh_app_stage *stage, const char *prefix, struct viv_error *err)
{
    struct vh_fs_names names = { 0 };
    viv_status status = vh_fs_list(app->seam, app->arena, stage->project, ".", &names, err);
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        if (strncmp(names.name[i], prefix, strlen(prefix)) == 0) {
            vh_log(VH_LOG_WARNING, stage->word, "removing '%s/%s', which %s %s that was cut short has left",
                   app->project, names.name[i], strchr("aeiou", stage->word[0]) ? "an" : "a", stage->word);
            status = vh_fs_remove_tree(app->seam, stage->project, names.name[i], err);
        }
    }
    return status;
}

viv_status
vh_app_stage_make(struct vh_app *app, struct vh_app_stage *stage, struct viv_error *err)
{
    const struct vh_seam *seam = app->seam;
    uint64_t tag = 0;
    char prefix[64];
    snprintf(prefix, sizeof prefix, VH_APP_HOME ".%s-", stage->word);
    viv_status status = remove_leftovers(app, stage, prefix, err);
    if (status) {
        return status;
    }
    if (seam->random(seam->data, &tag, sizeof tag)) {
        return vh_error_errno(err, VIV_E_IO, stage->word, "no random bytes for a name");
    }
    const char *name = vh_arena_format(app->arena, "%s%016llx", prefix, (unsigned long long)tag);
    app->home_path = name ? vh_arena_format(app->arena, "%s/%s", app->project, name) : NULL;
    if (!app->home_path) {
        return vh_error_set(err, VIV_E_MEMORY, stage->word, "no memory to make a home");
    }
    if (seam->mkdir(seam->data, stage->project, name, 0700)) {
        return vh_error_errno(err, VIV_E_IO, stage->word, "cannot make '%s'", app->home_path);
    }
    stage->name = name;
    return vh_app_make_parts(app, err);
}

/* Hidden from git and known first: a crash before the name is given leaves a line about a home that is not there, which
 * the next one replaces. */
viv_status
vh_app_stage_place(struct vh_app *app, struct vh_app_stage *stage, const char *id, struct viv_error *err)
{
    const struct vh_seam *seam = app->seam;
    if (seam->sync_all(seam->data, app->home)) {
        return vh_error_errno(err, VIV_E_IO, stage->word, "cannot sync '%s'", app->home_path);
    }
    app->home_path = stage->place;
    viv_status status = vh_app_exclude(app, err);
    status = status ? status : vh_app_note_home(app, id, err);
    VH_PLACE(seam, "stage.before-rename");
    if (status == VIV_OK && seam->rename(seam->data, stage->project, stage->name, stage->project, VH_APP_HOME,
                                         RENAME_NOREPLACE)) {
        status = vh_error_errno(err, VIV_E_IO, stage->word, "cannot put '%s' in place", stage->place);
    }
    VH_PLACE(seam, "stage.after-rename");
    stage->name = status ? stage->name : NULL;
    return status ? status : vh_fs_sync_folder(seam, stage->project, ".", err);
}

void
vh_app_stage_end(struct vh_app *app, struct vh_app_stage *stage)
{
    if (stage->name) {
        struct viv_error ignored = VIV_ERROR_INIT;
        (void)vh_fs_remove_tree(app->seam, stage->project, stage->name, &ignored); /* the next one does it */
    }
    int *const fds[] = { &stage->project, &app->home };
    for (size_t i = 0; i < 2; i++) {
        if (*fds[i] >= 0) {
            app->seam->close(app->seam->data, *fds[i]);
            *fds[i] = -1;
        }
    }
}

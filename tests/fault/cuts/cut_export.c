/* SPDX-License-Identifier: Apache-2.0 */
#include "cut_export.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/cut_folder.h"
#include "../../support/cut_vfs.h"
#include "../../support/scratch.h"
#include "base/error.h"
#include "base/fs.h"
#include "keep/export.h"

#define NAME "execution_log.jsonl"
#define FILE_MAX (16u << 20)

static struct {
    struct scratch scratch;
    struct cut_folder cut;
    struct cut_record *record;
    struct vh_store *store;
    int folder;
    viv_status status; /* the first export that failed with power */
    struct viv_error err;
} export;

void
cut_export_init(void)
{
    char root[sizeof export.scratch.path + 8];
    cut_folder_in_memory();
    scratch_make(&export.scratch);
    snprintf(root, sizeof root, "%s/log", export.scratch.path);
    if (mkdir(root, 0700)) {
        abort();
    }
    export.folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cut_folder_init(&export.cut, root, vh_seam_real());
    export.cut.dark = cut_vfs_is_cut;
}

void
cut_export_end(void)
{
    close(export.folder);
    cut_folder_end(&export.cut);
    scratch_remove(&export.scratch);
}

static viv_status
update(struct vh_store *store, struct viv_error *err)
{
    int64_t seq = 0;
    return vh_export_update(&export.cut.seam, store, export.folder, NAME, &seq, err);
}

void
cut_export_begin(struct vh_store *store)
{
    (void)unlinkat(export.folder, NAME, 0);     /* perhaps there is none */
    (void)unlinkat(export.folder, "cursor", 0); /* what an exporter that is wrong on purpose keeps beside it */
    export.status = VIV_OK;
    export.err = (struct viv_error)VIV_ERROR_INIT;
    if (store) {
        export.status = update(store, &export.err);
    }
    export.record = cut_folder_begin(&export.cut);
}

void
cut_export_follow(struct vh_store *store)
{
    export.store = store;
}

void
cut_export_place(void *data, const char *name)
{
    struct viv_error err = VIV_ERROR_INIT;
    (void)data;
    if (!export.store || export.status || strcmp(name, "sequencer.after-commit")) {
        return;
    }
    viv_status status = update(export.store, &err);
    if (status && !cut_vfs_is_cut()) {
        export.status = status;
        export.err = err;
    }
}

bool
cut_export_check(struct vh_store *store, uint64_t seed, int64_t events, struct viv_error *err)
{
    struct viv_str text = {NULL, 0};
    int64_t lines = 0;
    uint64_t operations = cut_record_operations(export.record);
    uint64_t earlier =
        seed / 4 % 4; /* the power may have gone in the midst of the last line as well */
    cut_folder_stop(&export.cut);
    cut_folder_cut(&export.cut, export.record, operations > earlier ? operations - earlier : 0,
                   seed);
    cut_record_free(export.record);
    cut_folder_forget(&export.cut);
    struct vh_arena *arena = vh_arena_create(NULL, 0);
    viv_status status = export.status
                            ? vh_error_set(err, export.status, "export", "%s", export.err.text)
                            : update(store, err);
    status = status ? status
                    : vh_fs_read(vh_seam_real(), arena, export.folder, NAME, FILE_MAX, &text, err);
    for (uint64_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\n';
    }
    vh_arena_destroy(arena);
    if (status == VIV_OK && lines != events) {
        status = vh_error_set(err, VIV_E_CORRUPT, "export", "%lld lines for %lld events",
                              (long long)lines, (long long)events);
    }
    return status == VIV_OK;
}

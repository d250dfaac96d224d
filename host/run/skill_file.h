/* SPDX-License-Identifier: Apache-2.0 */
/* Verified skills kept at hand: judged and sealed once, then every call maps the same memory file. Bounded; what nobody
 * uses goes when room is needed. Thread-safe. */
#ifndef VH_SKILL_FILE_H
#define VH_SKILL_FILE_H

#include "run/run.h"

struct vh_skill_files;

struct vh_skill_file {
    struct vh_plugin_file file;
    int plugin_fd; /* sealed memory file */
    uint32_t used; /* by calls under way; guarded */
    int64_t last;  /* when it was taken, in takes */
    struct vh_arena *arena;
};

/* Ends with the arena. NULL when memory is out. */
struct vh_skill_files *vh_skill_files_create(struct vh_arena *arena, const struct vh_seam *seam);

/* The skill `id`, its highest version or exactly the one with `digest_hex` (NULL: any). Give it back after the call. */
viv_status vh_skill_file_take(struct vh_run *run, struct viv_str id, const char *digest_hex,
                              struct vh_skill_file **ret_file, struct viv_error *err);
void vh_skill_file_give(struct vh_run *run, struct vh_skill_file *file);

#endif

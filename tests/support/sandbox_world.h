/* SPDX-License-Identifier: Apache-2.0 */
/* A workspace on disk and a launcher, for the tests of the sandbox. Everything fails the running
 * test when it cannot be done. */
#ifndef SUPPORT_SANDBOX_WORLD_H
#define SUPPORT_SANDBOX_WORLD_H

#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "run/sandbox.h"

#define SECOND_NS INT64_C(1000000000)

/* A sanitizer's shadow counts as memory. 0: the default. */
#ifdef VH_SANITIZED
#define WORLD_MEMORY UINT64_MAX
#else
#define WORLD_MEMORY 0
#endif

struct world {
    struct vh_arena *arena;
    const struct vh_seam *seam;
    struct vh_launcher *launcher;
    char folder[256];
    char lower[300], upper[300], work[300], scratch[300], copy[300];
    const char *lowers[1];
    char self[512]; /* this program, shown inside as /opt/self */
    struct vh_sandbox_bind binds[1];
};

/* The variants this machine can do, found by world_probe(); false when there is none: skip. */
extern enum vh_sandbox_variant world_variants[3];
extern size_t world_variant_count;
bool world_probe(void);

/* Folders with files "one" ("1") and "sub/two" ("2") in `lower` and `copy`, a "secret" beside them,
 * a running launcher. */
void world_make(struct world *world, const char *fail_step);
void world_end(struct world *world);
/* A text file in one of its folders. */
void world_put(const char *folder, const char *name, const char *text);

/* build/PRESET/tests/unit/test_x -> build/PRESET/host/launcher/viv-launcher */
void world_launcher_path(char *ret_path, size_t size);

struct vh_sandbox_plan world_plan(const struct world *world, enum vh_sandbox_variant variant);
struct vh_keeper *world_open(struct world *world, enum vh_sandbox_variant variant);
/* Run `body` in a fresh world for each variant. */
void world_each(void (*body)(struct world *world, struct vh_keeper *keeper));

/* The name by which the running program can be started again inside. */
const char *world_self(const struct world *world, const struct vh_keeper *keeper);
struct vh_exec_result world_run(struct world *world, struct vh_keeper *keeper,
                                const char *const *argv, size_t argc);
struct vh_exec_result world_shell(struct world *world, struct vh_keeper *keeper,
                                  const char *script);
const char *world_text(struct world *world, struct viv_str text);
/* The script ends well and prints exactly this; or it fails, whatever it says. */
void world_expect(struct world *world, struct vh_keeper *keeper, const char *script,
                  const char *output);
void world_refuse(struct world *world, struct vh_keeper *keeper, const char *script);

#endif

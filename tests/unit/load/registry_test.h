/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the registry share: a store in a scratch folder, opened as often as a test likes, and plugins
 * with other versions or texts in their notes. */
#ifndef REGISTRY_TEST_H
#define REGISTRY_TEST_H

#include "load_test.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <viv_interfaces.h>

#include "load/registry.h"
#include "scratch.h"
#include "seam_fail.h"

static const struct vh_plugin_rules rules;

struct home {
    struct scratch scratch;
    struct vh_arena *arena;
    struct vh_registry_places places;
    struct vh_registry *registry;
};

static inline void
home_open(struct home *home, const struct vh_seam *seam)
{
    struct viv_error err = VIV_ERROR_INIT;
    vh_arena_destroy(home->arena);
    home->arena = vh_arena_create(NULL, 0);
    home->places.store = vh_arena_format(home->arena, "%s/plugins", home->scratch.path);
    if (vh_registry_open(seam, home->arena, &home->places, &home->registry, &err)) {
        fail_msg("%s", err.text);
    }
}

static inline void
home_make(struct home *home)
{
    memset(home, 0, sizeof *home);
    scratch_make(&home->scratch);
    home_open(home, vh_seam_real());
}

static inline void
home_remove(struct home *home)
{
    vh_arena_destroy(home->arena);
    scratch_remove(&home->scratch);
}

/* A copy of a plugin in the scratch folder with one text of its bytes replaced by another of the same length. */
static inline const char *
altered(struct home *home, const char *name, const char *as, const char *from, const char *to)
{
    struct viv_str bytes = fault_bytes(home->arena, name);
    char *copy = vh_arena_copy(home->arena, bytes.data, (size_t)bytes.len);
    const char *path = vh_arena_format(home->arena, "%s/%s.so", home->scratch.path, as);
    assert_int_equal(strlen(from), strlen(to));
    char *at = memmem(copy, (size_t)bytes.len, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    assert_int_equal(vh_fs_replace(vh_seam_real(), AT_FDCWD, path, (struct viv_str){ copy, bytes.len }, 0644, NULL),
                     VIV_OK);
    return path;
}

static inline const char *
versioned(struct home *home, const char *as, const char *version)
{
    const char *to = vh_arena_format(home->arena, "\"version\":\"%s\"", version);
    return altered(home, "good", as, "\"version\":\"1.2.3\"", to);
}

static inline viv_status
install(struct home *home, const char *path, struct viv_error *err)
{
    struct vh_plugin_file file;
    return vh_registry_install(home->registry, &rules, AT_FDCWD, path, &file, err);
}

static inline void
must_install(struct home *home, const char *path)
{
    struct viv_error err = VIV_ERROR_INIT;
    if (install(home, path, &err)) {
        fail_msg("%s", err.text);
    }
}

#endif

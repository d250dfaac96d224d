/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of load/ share: a plugin of tests/fault by name, and trust in exactly its bytes. */
#ifndef LOAD_TEST_H
#define LOAD_TEST_H

#include "../../support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/str.h"
#include "load/plugin.h"

static inline const char *
fault_path(struct vh_arena *arena, const char *name)
{
    const char *path = vh_arena_format(arena, "%s/%s.so", FAULT_FOLDER, name);
    assert_non_null(path);
    return path;
}

static inline struct viv_str
fault_bytes(struct vh_arena *arena, const char *name)
{
    struct viv_str bytes;
    assert_int_equal(
        vh_fs_read(vh_seam_real(), arena, AT_FDCWD, fault_path(arena, name), VIV_PLUGIN_FILE_MAX, &bytes, NULL),
        VIV_OK);
    return bytes;
}

/* Rules that trust these bytes as if they were bundled. */
static inline struct vh_plugin_rules
trusting(struct vh_arena *arena, struct viv_str bytes)
{
    struct vh_trust_bundled *row = vh_arena_alloc(arena, sizeof *row);
    struct vh_hash hash;
    assert_non_null(row);
    assert_true(vh_hash_bytes(bytes.data, (size_t)bytes.len, &hash));
    row->file = "some.so";
    row->manifest = "";
    memcpy(row->digest, hash.bytes, sizeof row->digest);
    return (struct vh_plugin_rules){ .trust = { .bundled = row, .bundled_count = 1 } };
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"

#define ARENA_MAX ((size_t)512 << 20) /* no input of ours may need more */

struct fuzz_count fuzz_count;

void
fuzz_fail(const char *file, int line, const char *condition, const char *format, ...)
{
    va_list list;
    fprintf(stderr, "%s:%d: must hold: %s: ", file, line, condition);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\n");
    abort();
}

void
fuzz_line(const char *text, const char *what)
{
    struct viv_str view = vh_str(text);
    FUZZ_MUST(view.len > 0, "%s is empty", what);
    FUZZ_MUST(vh_str_utf8(view), "%s is not UTF-8: '%s'", what, text);
    for (uint64_t i = 0; i < view.len; i++) {
        unsigned char c = (unsigned char)text[i];
        FUZZ_MUST(c >= 0x20 && c != 0x7f, "%s has character 0x%02x: '%s'", what, c, text);
    }
}

void
fuzz_message(viv_status status, const struct viv_error *err)
{
    FUZZ_MUST(status < 0, "a status is %d, allowed: 0 and below", status);
    FUZZ_MUST(memchr(err->text, '\0', sizeof err->text), "the message of status %d does not end", status);
    fuzz_line(err->text, "a refusal's message");
}

bool
fuzz_ended(viv_status status, const struct viv_error *err)
{
    if (status == VIV_OK) {
        fuzz_count.accepted++;
        return true;
    }
    fuzz_message(status, err);
    fuzz_count.refused++;
    return false;
}

struct vh_arena *
fuzz_arena(void)
{
    struct vh_arena *arena = vh_arena_create(NULL, ARENA_MAX);
    FUZZ_MUST(arena, "no memory");
    return arena;
}

struct viv_str
fuzz_text(const uint8_t *data, size_t size)
{
    return (struct viv_str){ (const char *)data, size };
}

struct viv_str
fuzz_part(struct viv_str *text, const char *mark)
{
    const char *at = text->len ? memmem(text->data, (size_t)text->len, mark, strlen(mark)) : NULL;
    struct viv_str part = *text;
    if (!at) {
        text->data += text->len;
        text->len = 0;
        return part;
    }
    part.len = (uint64_t)(at - text->data);
    text->data = at + strlen(mark);
    text->len -= part.len + strlen(mark);
    return part;
}

static char folder[256];
static int folder_fd = -1;

static void
remove_folder(void)
{
    (void)vh_fs_remove_tree(vh_seam_real(), AT_FDCWD, folder, NULL); /* a leftover fails nothing */
}

const char *
fuzz_folder(void)
{
    if (!folder[0]) {
        const char *below = getenv("TMPDIR");
        if (!below || !*below) {
            below = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        }
        snprintf(folder, sizeof folder, "%s/viv-fuzz-XXXXXX", below);
        FUZZ_MUST(mkdtemp(folder), "no folder below '%s'", below);
        folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        FUZZ_MUST(folder_fd >= 0, "cannot open '%s'", folder);
        atexit(remove_folder);
    }
    return folder;
}

int
fuzz_folder_fd(void)
{
    (void)fuzz_folder();
    return folder_fd;
}

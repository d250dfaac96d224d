/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, the exported log is mended into something it never was, or a file somebody altered is written over.
 * The store holds some events; the input says what became of their exported file, one word and numbers a line:
 * "cut N", "set N BYTE", "zero N COUNT", "add TEXT" (a line), "end TEXT" (no line), "raw" (then all the rest is the
 * file). Accepted: the file is the whole export. Refused: it is as it was. */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "keep/export.h"
#include "keep/sequencer.h"

#define EVENTS 12
#define FILE_MAX (1u << 20)
#define NAME "execution_log.jsonl"

static struct vh_store *store;
static char *whole;
static size_t whole_len;
static char bytes[FILE_MAX];
static size_t len;

static void
fill_store(struct vh_arena *arena)
{
    struct vh_sequencer *sequencer = NULL;
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_sequencer_options options = { .pid = getpid(), .uid = (int64_t)getuid() };
    viv_status status = vh_sequencer_start(vh_seam_real(), store, arena, &options, &sequencer, &err);
    for (int i = 0; i < EVENTS && status == VIV_OK; i++) {
        struct vh_json *data = vh_json_object(arena);
        vh_json_set_int(arena, data, "attempts_max", 3);
        vh_json_set_text(arena, data, "goal", "say \"h\xc3\xa4llo\" again and again");
        vh_json_set_text(arena, data, "target", "/project");
        struct vh_command command = { .kind = VH_STR("task.submitted"),
                                      .actor = { VH_STR("person"), VH_STR("p"), 1, 1 },
                                      .data = data };
        struct vh_answer answer;
        command.task = vh_str(vh_arena_format(arena, "task-%d", i));
        status = vh_sequencer_call(sequencer, &command, false, arena, &answer, &err);
    }
    FUZZ_MUST(status == VIV_OK && vh_sequencer_stop(sequencer, &err) == VIV_OK, "%s", err.text);
}

static void
begin(void)
{
    char path[512];
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str text;
    int64_t seq = 0;
    static struct vh_arena *arena; /* as long as the store */
    arena = vh_arena_create(NULL, 0);
    snprintf(path, sizeof path, "%s/export.db", fuzz_folder());
    FUZZ_MUST(vh_store_open(arena, path, NULL, &store, &err) == VIV_OK, "%s", err.text);
    fill_store(arena);
    viv_status status = vh_export_update(vh_seam_real(), store, fuzz_folder_fd(), NAME, &seq, &err);
    FUZZ_MUST(status == VIV_OK && seq >= EVENTS, "%s", err.text);
    status = vh_fs_read(vh_seam_real(), arena, fuzz_folder_fd(), NAME, FILE_MAX, &text, &err);
    FUZZ_MUST(status == VIV_OK, "%s", err.text);
    whole = malloc((size_t)text.len);
    whole_len = (size_t)text.len;
    FUZZ_MUST(whole && whole_len < FILE_MAX / 2, "%zu bytes", whole_len);
    memcpy(whole, text.data, whole_len);
}

static void
add(struct viv_str text)
{
    if (text.len && len + text.len < FILE_MAX) {
        memcpy(bytes + len, text.data, (size_t)text.len);
        len += (size_t)text.len;
    }
}

static void
alter(const char *word, size_t at, size_t number, struct viv_str rest)
{
    at = len ? at % (len + 1) : 0;
    if (strcmp(word, "cut") == 0) {
        len = at;
    } else if (strcmp(word, "set") == 0 && at < len) {
        bytes[at] = (char)number;
    } else if (strcmp(word, "zero") == 0) {
        memset(bytes + at, 0, number % (len - at + 1));
    } else if (strcmp(word, "add") == 0) {
        add(rest);
        add(VH_STR("\n"));
    } else if (strcmp(word, "end") == 0) {
        add(rest);
    }
}

static void
make_file(struct viv_str script)
{
    memcpy(bytes, whole, whole_len);
    len = whole_len;
    while (script.len) {
        struct viv_str line = fuzz_part(&script, "\n");
        struct viv_str rest = line;
        char word[8] = "";
        char first[24] = "";
        char second[24] = "";
        struct viv_str part = fuzz_part(&rest, " ");
        snprintf(word, sizeof word, "%.*s", VH_STR_ARGS(part));
        if (strcmp(word, "raw") == 0) {
            len = 0;
            add(script);
            return;
        }
        struct viv_str numbers = rest;
        part = fuzz_part(&numbers, " ");
        snprintf(first, sizeof first, "%.*s", part.len > 20 ? 20 : (int)part.len, part.len ? part.data : "");
        snprintf(second, sizeof second, "%.*s", numbers.len > 20 ? 20 : (int)numbers.len,
                 numbers.len ? numbers.data : "");
        alter(word, strtoul(first, NULL, 10), strtoul(second, NULL, 10), rest);
    }
}

static void
write_file(void)
{
    int fd = openat(fuzz_folder_fd(), NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_MUST(fd >= 0 && write(fd, bytes, len) == (ssize_t)len, "cannot write the file");
    close(fd);
}

/* What a crash can leave of the export: its beginning, then nothing, or zeros where a page never came to the disk, or
 * the beginning of one line more. */
static bool
crash_can_leave(void)
{
    static const char begun[] = "{\"event\":";
    size_t same = 0;
    while (same < len && same < whole_len && bytes[same] == whole[same]) {
        same++;
    }
    size_t rest = len - same;
    size_t written = strnlen(bytes + same, rest < sizeof begun - 1 ? rest : sizeof begun - 1);
    return written == 0 || (same == whole_len && !memchr(bytes + same, '\n', rest) &&
                            memcmp(bytes + same, begun, written) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct viv_error err = VIV_ERROR_INIT;
    struct viv_str after;
    int64_t seq = 0;
    if (!store) {
        begin();
    }
    make_file(fuzz_text(data, size));
    write_file();
    struct vh_arena *arena = fuzz_arena();
    viv_status status = vh_export_update(vh_seam_real(), store, fuzz_folder_fd(), NAME, &seq, &err);
    FUZZ_MUST(vh_fs_read(vh_seam_real(), arena, fuzz_folder_fd(), NAME, FILE_MAX, &after, NULL) == VIV_OK, "gone");
    if (fuzz_ended(status, &err)) {
        FUZZ_MUST(crash_can_leave(), "a file of %zu bytes was written over that no crash leaves", len);
        FUZZ_MUST(after.len == whole_len && memcmp(after.data, whole, whole_len) == 0,
                  "%zu bytes were mended to %llu that are not the log", len, (unsigned long long)after.len);
    } else {
        FUZZ_MUST(after.len == len && (len == 0 || memcmp(after.data, bytes, len) == 0),
                  "a file that was refused was written to");
    }
    vh_arena_destroy(arena);
    return 0;
}

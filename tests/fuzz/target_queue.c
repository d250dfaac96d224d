/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a queue file brings the host down, or is given back as another one than it was. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "commands/queue_file.h"
#include "commands/queue_scan.h"
#include "commands/queue_write.h"

#define FILE_MAX ((size_t)64 << 20)

static void
check_order(struct vh_arena *arena, const struct vh_queue *queue)
{
    bool *placed = vh_arena_array(arena, queue->count + 1u, sizeof *placed);
    FUZZ_MUST(placed, "no memory");
    for (uint32_t i = 0; i < queue->count; i++) {
        const struct vh_queue_entry *entry = queue->order[i];
        FUZZ_MUST(entry->index < queue->count && !placed[entry->index], "entry %u stands twice", entry->index);
        FUZZ_MUST(vh_queue_file_find(queue, entry->id) == entry, "entry %u is not found", entry->index);
        FUZZ_MUST(vh_str_id(entry->id), "id '%.*s'", VH_STR_ARGS(entry->id));
        FUZZ_MUST(entry->prompt.len || entry->command.len, "entry %u asks for nothing", entry->index);
        FUZZ_MUST(entry->min_micro >= 0 && entry->min_micro <= entry->max_micro, "amounts %lld to %lld",
                  (long long)entry->min_micro, (long long)entry->max_micro);
        FUZZ_MUST(entry->bytes.data >= queue->bytes.data &&
                      entry->bytes.data + entry->bytes.len <= queue->bytes.data + queue->bytes.len,
                  "the bytes of entry %u leave the file", entry->index);
        for (uint32_t d = 0; d < entry->depends_count; d++) {
            const struct vh_queue_entry *other = vh_queue_file_find(queue, entry->depends[d]);
            FUZZ_MUST(!other || placed[other->index], "entry %u comes before what it needs", entry->index);
        }
        placed[entry->index] = true;
    }
}

static bool
same_entry(const struct vh_queue_entry *a, const struct vh_queue_entry *b)
{
    bool same = vh_str_equal(a->id, b->id) && vh_str_equal(a->prompt, b->prompt) &&
                vh_str_equal(a->command, b->command) && vh_str_equal(a->model, b->model) &&
                vh_str_equal(a->intensity, b->intensity) && a->min_micro == b->min_micro &&
                a->max_micro == b->max_micro && a->depends_count == b->depends_count;
    for (uint32_t i = 0; same && i < a->depends_count; i++) {
        same = vh_str_equal(a->depends[i], b->depends[i]);
    }
    return same;
}

/* Each entry with its own bytes and a new status, as the export writes it. */
static void
write_and_read(struct vh_arena *arena, const struct vh_queue *queue)
{
    struct vh_buf buf;
    struct vh_queue again;
    struct viv_error err = VIV_ERROR_INIT;
    vh_buf_init(&buf, arena, FILE_MAX);
    vh_buf_text(&buf, "{\"version\":\"1.1\",\"completed\":[],\"failed\":[],\"tasks\":[");
    for (uint32_t i = 0; i < queue->count; i++) {
        vh_buf_text(&buf, i ? ",\n" : "\n");
        vh_queue_write_kept(&buf, queue->entry[i].bytes, "in_progress");
    }
    vh_buf_text(&buf, "]}");
    FUZZ_MUST(!buf.failed, "no memory");
    viv_status status = vh_queue_file_read(arena, vh_buf_view(&buf), &again, &err);
    FUZZ_MUST(status == VIV_OK, "what is given back is refused: %s", err.text);
    FUZZ_MUST(again.count == queue->count, "%u entries became %u", queue->count, again.count);
    for (uint32_t i = 0; i < queue->count; i++) {
        FUZZ_MUST(same_entry(&queue->entry[i], &again.entry[i]), "entry %u became another", i);
        struct viv_str word = { NULL, 0 };
        bool there = vh_scan_find(again.entry[i].bytes, "status", &word);
        FUZZ_MUST(there && vh_str_is(word, "\"in_progress\""), "entry %u has status %.*s", i, VH_STR_ARGS(word));
    }
}

/* Functions that take any text. */
static void
scan_any(struct viv_str text)
{
    char decimal[48];
    int64_t micro = 0;
    int64_t again = 0;
    (void)vh_scan_depth(text);
    for (uint64_t at = 0; at <= text.len; at += 1 + text.len / 8) {
        FUZZ_MUST(vh_scan_entry_at(text, (size_t)at) >= -1, "an entry before the first");
    }
    if (vh_scan_micro(text, &micro) == VIV_OK) {
        uint64_t size = micro < 0 ? (uint64_t)-micro : (uint64_t)micro;
        int len = snprintf(decimal, sizeof decimal, "%s%llu.%06llu", micro < 0 ? "-" : "",
                           (unsigned long long)(size / 1000000), (unsigned long long)(size % 1000000));
        viv_status status = vh_scan_micro((struct viv_str){ decimal, (uint64_t)len }, &again);
        FUZZ_MUST(status == VIV_OK && again == micro, "%s is %lld, not %lld", decimal, (long long)again,
                  (long long)micro);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vh_arena *arena = fuzz_arena();
    struct viv_error err = VIV_ERROR_INIT;
    struct vh_queue queue;
    struct viv_str text = fuzz_text(data, size);
    scan_any(text);
    if (fuzz_ended(vh_queue_file_read(arena, text, &queue, &err), &err)) {
        check_order(arena, &queue);
        write_and_read(arena, &queue);
    }
    vh_arena_destroy(arena);
    return 0;
}

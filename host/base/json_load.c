/* SPDX-License-Identifier: Apache-2.0 */
/* jansson where memory ends. When the buffer that a text is gathered in cannot grow, jansson leaves bytes out and goes
 * on: without its last quote it writes past the text's end, without a backslash it asserts. So that buffer, known by
 * asking for powers of two, grows out of a reserve which is taken beforehand; what was read then does not count. */
#include "json_load.h"

#include <jansson.h>
#include <pthread.h>
#include <stdint.h>

#define GROWN_LEAST 32u /* twice what the buffer begins with */

static json_malloc_t plain_get;
static json_free_t plain_give;
static _Thread_local struct {
    char *from;
    size_t size;
    size_t used;
    bool lacked;
} reserve;

static void *
get(size_t size)
{
    void *memory = plain_get(size);
    if (memory) {
        return memory;
    }
    reserve.lacked = true;
    if (size < GROWN_LEAST || (size & (size - 1)) || size > reserve.size - reserve.used) {
        return NULL;
    }
    memory = reserve.from + reserve.used;
    reserve.used += size;
    return memory;
}

static void
give(void *memory)
{
    if (!reserve.from || (uintptr_t)memory - (uintptr_t)reserve.from >= reserve.size) {
        plain_give(memory);
    }
}

static void
stand_between(void)
{
    json_get_alloc_funcs(&plain_get, &plain_give);
    json_set_alloc_funcs(get, give);
}

struct json_t *
vh_json_load(struct viv_str text, size_t flags, struct json_error_t *ret_fault, bool *ret_memory)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, stand_between);
    *ret_memory = true;
    if (text.len > SIZE_MAX / 8) {
        return NULL;
    }
    size_t size = (size_t)text.len * 5 + 256; /* doubled up to twice the text, all of them together, and a copy */
    reserve.from = plain_get(size);
    if (!reserve.from) {
        return NULL;
    }
    reserve.size = size;
    reserve.used = 0;
    reserve.lacked = false;
    json_t *root = json_loadb(text.len ? text.data : "", (size_t)text.len, flags, ret_fault);
    *ret_memory = reserve.lacked;
    if (reserve.lacked) {
        json_decref(root);
        root = NULL;
    }
    plain_give(reserve.from);
    reserve.from = NULL;
    reserve.size = reserve.used = 0;
    return root;
}

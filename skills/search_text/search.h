/* SPDX-License-Identifier: Apache-2.0 */
/* What is searched for, and what was found so far. */
#ifndef SEARCH_TEXT_SEARCH_H
#define SEARCH_TEXT_SEARCH_H

#include "kit.h"

struct search {
    struct viv_str text;
    struct viv_str name;
    uint32_t ignore_case;
    uint32_t reserved;
    int64_t limit; /* lines listed; all are counted */
    int64_t files;
    int64_t files_searched;
    int64_t binary_files;
    int64_t lines;
    int64_t occurrences;
};

/* Search one more file: counts go to `search`, lines up to its limit to `json` and `text`. */
void search_file(struct search *search, struct viv_str path, struct viv_str bytes, struct viv_kit_json *json,
                 struct viv_kit_buf *text);

#endif

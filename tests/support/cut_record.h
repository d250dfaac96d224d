/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the folder that can lose its power: what cut_folder.c (the seam that writes down),
 * cut_scan.c (what is on the disk and what has changed there) and cut_record.c (what a cut leaves)
 * share. Nobody else includes it. */
#ifndef SUPPORT_CUT_RECORD_H
#define SUPPORT_CUT_RECORD_H

#include "cut_folder.h"

#define NONE (-1)
#define NAME_SIZE 128
#define SWAPS_MAX 2

struct bytes {
    char *data;
    size_t len;
};

/* A file, folder or link; its number is its place in the record. */
struct node {
    mode_t mode; /* as when it began to be written down */
    dev_t device;
    ino_t ino;
    bool vault;        /* the vault holds a name of it */
    struct bytes base; /* what was on the disk at the beginning; a link's target */
    struct bytes now;
};

struct name {
    int dir;
    char text[NAME_SIZE];
    int node;
};

struct names {
    struct name *name;
    size_t count;
    size_t room;
};

enum action { ACT_NAMES, ACT_WRITE, ACT_TRUNCATE, ACT_MODE, ACT_SYNC, ACT_SYNC_ALL };

struct swap {
    struct name name; /* its node: what stands there afterwards, or NONE */
    int old;
};

struct operation {
    enum action action;
    bool outside; /* on the disk at once */
    bool first;   /* of what somebody else did in one go */
    int node;
    size_t at; /* of a write; length of a truncation */
    struct bytes bytes;
    mode_t mode;
    struct swap swap[SWAPS_MAX];
    size_t swaps;
};

struct cut_record {
    struct node *node; /* 0 is the folder itself */
    size_t nodes;
    size_t node_room;
    struct names base;
    struct names now;
    struct operation *operation;
    size_t count;
    size_t room;
};

void *cut_more(void *list, size_t count, size_t *room, size_t size);
void cut_fail(const char *what, const char *path);

struct bytes cut_bytes(const void *data, size_t len);
void cut_bytes_write(struct bytes *bytes, const void *data, size_t len, size_t at);
void cut_bytes_resize(struct bytes *bytes, size_t len);

int cut_node_add(struct cut_record *record, mode_t mode, ino_t ino);
int cut_node_find(const struct cut_record *record, ino_t ino); /* the newest, or NONE */
int cut_names_find(const struct names *names, int dir, const char *text);
void cut_names_set(struct names *names, int dir, const char *text, int node);

/* Write down, and do it to `now`. Bytes are copied. */
void cut_write_down(struct cut_record *record, const struct operation *operation);

/* What a cut leaves. */
struct cut_left {
    struct names names;
    struct bytes *content; /* of each node */
    mode_t *mode;
};
void cut_left_make(struct cut_left *left, const struct cut_record *record, uint64_t at,
                   uint64_t seed);
void cut_left_free(struct cut_left *left, const struct cut_record *record);

/* What of a folder is on the disk; afterwards `now` is the same, by operations that are there at
 * once. */
void cut_scan(struct cut_record *record, const char *root, bool outside);
bool cut_read(int dir, const char *name, mode_t mode, size_t size, struct bytes *ret_bytes);

#endif

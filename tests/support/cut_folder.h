/* SPDX-License-Identifier: Apache-2.0 */
/* A folder that can lose its power. Code under test works on real files through a seam that also
 * writes down what it did: names made, changed and removed, bytes written, what was synced. A cut
 * before any of those operations can then be played as often as wanted: what was not synced is
 * kept, dropped or torn, and the folder becomes what a disk would have held. Rules of this disk:
 *
 *   - bytes of a file are there after a sync of the file, a name after a sync of its folder (or of
 * everything); syncing a new folder says nothing about the folder's own name;
 *   - a name changes whole or not at all, both names of a rename together; a later change of the
 * same names, files or folders is never there without the earlier one. Everything else comes in any
 * order;
 *   - what others write (git, a person) is on the disk at once: cut_folder_outside.
 *
 * Inode numbers of files made while recording stay what they were. Owners and times are not played.
 * One thread. Read next: cut_record.h, tests/fault/cuts. */
#ifndef SUPPORT_CUT_FOLDER_H
#define SUPPORT_CUT_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/seam.h"

struct cut_record;

struct cut_folder {
    struct vh_seam seam; /* pass `&cut.seam` to the code under test */
    char root[160];
    char vault[176];           /* beside it; keeps inodes alive */
    struct cut_record *record; /* what is written down now, or NULL */
    bool (*dark)(
        void);        /* the power is gone: every call that changes something fails; NULL: never */
    uint64_t dies_at; /* the program is killed before this operation of a record, as `dark` until it
                         is 0; 0: never */
    /* Before operation number `edit_at` of a record somebody else writes; 0: nobody. */
    uint64_t edit_at;
    void (*edit)(void *data);
    void *edit_data;
};

/* Scratch folders in memory, where the system has such a place and nobody asked for another: the
 * disk is played, and the machine's own only costs time. Before the first is made. */
void cut_folder_in_memory(void);

/* `root` exists and is absolute; `root`.vault is made. All calls go to `under`. */
void cut_folder_init(struct cut_folder *cut, const char *root, const struct vh_seam *under);
void cut_folder_end(struct cut_folder *cut);

/* All that is there now is on the disk; begin to write down. */
struct cut_record *cut_folder_begin(struct cut_folder *cut);
/* Stop writing down. */
void cut_folder_stop(struct cut_folder *cut);
void cut_record_free(struct cut_record *record);
/* After the last record of a history was freed: what it made needs its inodes no longer. */
void cut_folder_forget(struct cut_folder *cut);

/* Whether the program is killed. */
bool cut_folder_is_dead(const struct cut_folder *cut);

/* Operations so far. */
uint64_t cut_record_operations(const struct cut_record *record);

/* The nearest place at or before `at` that is not in the midst of what somebody else did in one go.
 */
uint64_t cut_record_between(const struct cut_record *record, uint64_t at);

/* Somebody else may have written: take it over as being on the disk. */
void cut_folder_outside(struct cut_folder *cut);

/* The power went before operation `at` (counted from 0) of the record: make the folder what is
 * left, by `seed`. Nothing may be recorded meanwhile. */
void cut_folder_cut(struct cut_folder *cut, const struct cut_record *record, uint64_t at,
                    uint64_t seed);

#endif

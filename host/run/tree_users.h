/* SPDX-License-Identifier: Apache-2.0 */
/* Who works on which entries of the cache of trees, so that the others can be taken out while work goes on. A claim or
 * a call is one user; what it looked up stays until it leaves. One process owns the home, so this lives in memory. */
#ifndef VH_TREE_USERS_H
#define VH_TREE_USERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include <viv/status.h>

struct vh_tree_users {
    pthread_rwlock_t lock; /* read: looks entries up and makes them; write: takes entries out of sight */
    pthread_mutex_t list;  /* of `first` and all names below it */
    struct vh_tree_user *first;
    atomic_uint made;      /* entries since somebody counted them */
};

struct vh_tree_user {
    struct vh_tree_users *users;
    struct vh_tree_user *next;
    struct vh_arena *arena;
    const char **name; /* below HOME/trees */
    size_t count, room;
    bool failed;       /* a name was not kept for want of memory */
};

/* `made` entries are taken for as many as a start may find, so that the first to ask counts them. */
void vh_tree_users_init(struct vh_tree_users *users, unsigned made);

/* Names live in `arena`, which must not end before vh_tree_user_leave(). */
void vh_tree_user_enter(struct vh_tree_user *user, struct vh_tree_users *users, struct vh_arena *arena);
void vh_tree_user_leave(struct vh_tree_user *user);

/* Keep an entry; `user` NULL: nobody collects. A lack of memory is told by `failed`. Under `lock`, read. */
void vh_tree_user_keep(struct vh_tree_user *user, const char *name);

/* Under `lock`, write. */
bool vh_tree_users_need(struct vh_tree_users *users, const char *name);

#endif

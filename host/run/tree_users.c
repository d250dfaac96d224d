/* SPDX-License-Identifier: Apache-2.0 */
#include "tree_users.h"

#include <string.h>

#define ROOM_FIRST 16

void
vh_tree_users_init(struct vh_tree_users *users, unsigned made)
{
    pthread_rwlock_init(&users->lock, NULL);
    pthread_mutex_init(&users->list, NULL);
    users->first = NULL;
    atomic_init(&users->made, made);
}

void
vh_tree_user_enter(struct vh_tree_user *user, struct vh_tree_users *users, struct vh_arena *arena)
{
    *user = (struct vh_tree_user){ .users = users, .arena = arena };
    pthread_mutex_lock(&users->list);
    user->next = users->first;
    users->first = user;
    pthread_mutex_unlock(&users->list);
}

void
vh_tree_user_leave(struct vh_tree_user *user)
{
    pthread_mutex_lock(&user->users->list);
    struct vh_tree_user **at = &user->users->first;
    while (*at != user) {
        at = &(*at)->next;
    }
    *at = user->next;
    pthread_mutex_unlock(&user->users->list);
}

static bool
keeps(const struct vh_tree_user *user, const char *name)
{
    for (size_t i = 0; i < user->count; i++) {
        if (strcmp(user->name[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool
make_room(struct vh_tree_user *user)
{
    if (user->count < user->room) {
        return true;
    }
    size_t room = user->room ? 2 * user->room : ROOM_FIRST;
    const char **name = vh_arena_array(user->arena, room, sizeof *name);
    if (!name) {
        return false;
    }
    if (user->count) {
        memcpy(name, user->name, user->count * sizeof *name);
    }
    user->name = name;
    user->room = room;
    return true;
}

void
vh_tree_user_keep(struct vh_tree_user *user, const char *name)
{
    if (!user) {
        return;
    }
    pthread_mutex_lock(&user->users->list);
    if (!keeps(user, name)) {
        char *copy = make_room(user) ? vh_arena_text(user->arena, name) : NULL;
        if (copy) {
            user->name[user->count++] = copy;
        }
        user->failed = user->failed || !copy;
    }
    pthread_mutex_unlock(&user->users->list);
}

bool
vh_tree_users_need(struct vh_tree_users *users, const char *name)
{
    bool kept = false;
    pthread_mutex_lock(&users->list);
    for (const struct vh_tree_user *user = users->first; user && !kept; user = user->next) {
        kept = keeps(user, name);
    }
    pthread_mutex_unlock(&users->list);
    return kept;
}

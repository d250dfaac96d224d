/* SPDX-License-Identifier: Apache-2.0 */
/* Signals to everything inside. With a pid namespace the kernel does it in one step. Without one,
 * the keeper is the subreaper of all it started, so its descendants are found in /proc; they are
 * stopped until no new one appears, and only then killed, since a stopped process cannot fork. */
#include "keeper.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TREE_MAX 32768
#define ROUNDS_MAX 1000

static struct {
    pid_t pid[TREE_MAX];
    pid_t parent[TREE_MAX];
    bool inside[TREE_MAX];
    bool dead[TREE_MAX];
    size_t count;
} table;

/* "123 (any ) text) S 1 ...": parent and state follow the last parenthesis. */
static bool
read_parent(int proc, const char *pid, pid_t *ret_parent, bool *ret_dead)
{
    char path[32];
    char text[512];
    snprintf(path, sizeof path, "%.15s/stat", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len <= 0) {
        return false;
    }
    text[len] = '\0';
    char *end = strrchr(text, ')');
    char state = 0;
    int parent = 0;
    if (!end || sscanf(end + 1, " %c %d", &state, &parent) != 2) {
        return false;
    }
    *ret_parent = parent;
    *ret_dead = state == 'Z' || state == 'X';
    return true;
}

static void
read_table(int proc)
{
    table.count = 0;
    int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        return;
    }
    for (struct dirent *entry = readdir(folder); entry && table.count < TREE_MAX;
         entry = readdir(folder)) {
        size_t i = table.count;
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            read_parent(proc, entry->d_name, &table.parent[i], &table.dead[i])) {
            table.pid[i] = (pid_t)strtol(entry->d_name, NULL, 10);
            table.inside[i] = false;
            table.count++;
        }
    }
    closedir(folder);
}

static bool
is_known(const pid_t *known, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++) {
        if (known[i] == pid) {
            return true;
        }
    }
    return false;
}

static bool
parent_inside(pid_t parent, pid_t root)
{
    if (parent == root) {
        return true;
    }
    for (size_t i = 0; i < table.count; i++) {
        if (table.pid[i] == parent) {
            return table.inside[i];
        }
    }
    return false;
}

static size_t
mark_inside(pid_t root, const pid_t *known, size_t known_count)
{
    size_t marked = 0;
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < table.count; i++) {
            if (!table.inside[i] && parent_inside(table.parent[i], root) &&
                !(table.parent[i] == root && is_known(known, known_count, table.pid[i]))) {
                table.inside[i] = true;
                again = true;
                marked += !table.dead[i];
            }
        }
    }
    return marked;
}

size_t
tree_signal_below(int proc, pid_t root, const pid_t *known, size_t known_count, int signal)
{
    size_t before = 0;
    size_t now = 0;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        read_table(proc);
        now = mark_inside(root, known, known_count);
        for (size_t i = 0; i < table.count; i++) {
            if (table.inside[i] && !table.dead[i]) {
                kill(table.pid[i], signal == SIGKILL ? SIGSTOP : signal);
            }
        }
        if (signal == SIGCONT || now == before) {
            break;
        }
        before = now;
    }
    for (size_t i = 0; signal == SIGKILL && i < table.count; i++) {
        if (table.inside[i]) {
            kill(table.pid[i], SIGKILL);
        }
    }
    return now;
}

void
tree_signal(const struct keeper *keeper, int signal)
{
    if (keeper->variant != VW_REDUCED_COPY) {
        (void)kill(-1, signal); /* ESRCH: nobody is left */
        return;
    }
    (void)tree_signal_below(keeper->proc, getpid(), NULL, 0, signal);
}

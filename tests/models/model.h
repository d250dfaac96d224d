/* SPDX-License-Identifier: Apache-2.0 */
/* The world around the core for host.pml: workers, people, the clock, hosts that end, the line of the repository; and
 * what must hold whatever they do. One struct is the whole state of a search. Every choice is the model's: functions
 * named _can_ say whether something is possible, the others do it by giving commands to the core's step. */
#ifndef MODELS_MODEL_H
#define MODELS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_TASKS_MAX 3
#define MODEL_WORKERS 2

/* What a worker was told, and believes until it hears otherwise. All 0: it holds nothing. */
struct model_worker {
    uint8_t task;  /* 1 + number */
    uint8_t phase; /* enum vh_phase: the answer that is wanted */
    uint8_t stage; /* of a publication or a rollback, see model_effect.c */
    char gate;
    uint16_t lease;
    uint16_t ordinal; /* of its next effect */
    int32_t tree;     /* texts by number */
    int32_t merged;
    int32_t tip;
};

/* What really happened to a task, kept apart from what the core believes. */
struct model_fate {
    uint8_t holder;     /* 1 + the worker whose claim is the newest, while it may answer */
    uint8_t ended;      /* enum vh_state it ended in, or 0 */
    uint8_t ready;      /* how often it got ready */
    uint8_t rejections; /* of the attempts since a person last asked for it */
    uint8_t losses;     /* in a row, with no stage reached in between */
    uint8_t retries;
    uint8_t unsure;     /* a person was asked about a publication that may have been made */
    uint8_t unsettled;  /* how often in a row a worker was lost that settled it */
    int32_t passed[4];  /* the tree each gate really passed, or a person let pass */
    int32_t held;       /* the hold that is open */
};

struct model {
    int32_t view;
    int32_t line; /* history of the line, oldest first: task and attempt of each commit */
    uint8_t trouble; /* how many more things may go wrong */
    uint8_t epoch;
    uint8_t broken; /* something that must hold does not */
    uint8_t spare;
    struct model_worker worker[MODEL_WORKERS];
    struct model_fate fate[MODEL_TASKS_MAX];
};

/* What may go wrong. */
enum model_kind {
    MODEL_BAD = 1,      /* a no: denied, rejected, failed, in conflict, out of range */
    MODEL_INFRA = 2,    /* infrastructure failed */
    MODEL_PLUGIN = 4,   /* a plugin failed */
    MODEL_ASK = 8,      /* a question for a person */
    MODEL_TREE = 16,    /* a gate looked at another tree */
    MODEL_OUTSIDE = 32, /* an effect leaves the workspace */
    MODEL_CRASH = 64,   /* a worker is gone without a word */
    MODEL_EXPIRE = 128, /* a lease ends under a worker that lives */
    MODEL_RESTART = 256,
    MODEL_CANCEL = 512,
    MODEL_REFUSE = 1024, /* a person says no */
    MODEL_RETRY = 2048,
    MODEL_ROLLBACK = 4096,
    MODEL_MOVE = 8192,   /* somebody else moves the line */
    MODEL_STALE = 16384, /* a person answers a question that has changed */
    MODEL_WAIT = 32768,  /* a claim while others hold the money */
    MODEL_ALL = 65535
};

/* Tasks by themselves, each depending on the one before, or the first a plan with the others as its steps. */
enum model_shape { MODEL_ALONE, MODEL_CHAIN, MODEL_PLANNED };

struct model_config {
    int tasks;
    enum model_shape shape;
    int trouble;
    int kinds;
    int attempts;
    int limit; /* of the account all share, in estimates of one task */
};

void model_begin(struct model *m, int tasks, int shape, int trouble, int kinds, int limit);

bool model_can_claim(const struct model *m, int worker, int task);
void model_claim(struct model *m, int worker, int task);

/* The answers there are to what a worker is asked. */
enum model_choice {
    MODEL_GOOD,
    MODEL_SAYS_INFRA,
    MODEL_SAYS_PLUGIN,
    MODEL_SAYS_NO,
    MODEL_SAYS_ASK,
    MODEL_SAYS_TREE,
    MODEL_SAYS_OUTSIDE,
    MODEL_SAYS_ASK_EFFECT,
    MODEL_SAYS_MISSED,
    MODEL_GIVES_BACK,
};

bool model_can_answer(const struct model *m, int worker, int choice);
void model_answer(struct model *m, int worker, int choice);

bool model_can_crash(const struct model *m, int worker);
void model_crash(struct model *m, int worker);

bool model_can_expire(const struct model *m, int task);
void model_expire(struct model *m, int task);
/* A new host; workers of the old one end with it, or go on and do not know. */
bool model_can_restart(const struct model *m);
void model_restart(struct model *m, bool zombies);
bool model_can_move_line(const struct model *m);
void model_move_line(struct model *m);

enum model_word {
    MODEL_CANCELS,
    MODEL_APPROVES,
    MODEL_REFUSES,
    MODEL_APPROVES_STALE,
    MODEL_ANSWERS,
    MODEL_RETRIES,
    MODEL_ROLLS_BACK,
};

bool model_can_say(const struct model *m, int word, int task);
void model_say(struct model *m, int word, int task);

/* Every task has ended and nothing more is wanted of it. */
bool model_rests(const struct model *m);

#endif

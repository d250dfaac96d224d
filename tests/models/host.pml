/* SPDX-License-Identifier: Apache-2.0 */
/* One home: workers, people, hosts that end, a line that others move, around the core's real step. The core is not
 * written again here: every state of a search holds the number of a whole state of the core (view.h), and every step
 * gives one command to vh_step. What must hold is looked at after each (model_check.c). Spin chooses who acts and what
 * goes wrong, TROUBLE times in all.
 *
 * Set by -D: TASKS, SHAPE (enum model_shape), TROUBLE, KINDS (bits of enum model_kind), LIMIT (what all tasks together
 * may hold and spend; one holds 10 and spends 4). */

c_decl {
\#include "model.h"
}
c_state "struct model m" "Global"

/* The blank before a bracket in a c_expr is for Spin, which takes a name and its bracket for a side effect. */
#define ACT(can, act) atomic { c_expr { can } -> c_code { act; }; assert(c_expr { !now.m.broken }) }
#define CLAIM(t) ACT(model_can_claim (&now.m, Pworker->w, t), model_claim(&now.m, Pworker->w, t))
#define ANSWER(c) ACT(model_can_answer (&now.m, Pworker->w, c), model_answer(&now.m, Pworker->w, c))
#define SAY(word, t) ACT(model_can_say (&now.m, word, t), model_say(&now.m, word, t))

proctype worker(byte w)
{
end:
    do
    :: CLAIM(0)
    :: CLAIM(1)
    :: CLAIM(2)
    :: ANSWER(MODEL_GOOD)
    :: ANSWER(MODEL_SAYS_INFRA)
    :: ANSWER(MODEL_SAYS_PLUGIN)
    :: ANSWER(MODEL_SAYS_NO)
    :: ANSWER(MODEL_SAYS_ASK)
    :: ANSWER(MODEL_SAYS_TREE)
    :: ANSWER(MODEL_SAYS_OUTSIDE)
    :: ANSWER(MODEL_SAYS_ASK_EFFECT)
    :: ANSWER(MODEL_SAYS_MISSED)
    :: ANSWER(MODEL_GIVES_BACK)
    :: ACT(model_can_crash (&now.m, Pworker->w), model_crash(&now.m, Pworker->w))
    od
}

proctype person(byte t)
{
end:
    do
    :: SAY(MODEL_CANCELS, Pperson->t)
    :: SAY(MODEL_APPROVES, Pperson->t)
    :: SAY(MODEL_REFUSES, Pperson->t)
    :: SAY(MODEL_APPROVES_STALE, Pperson->t)
    :: SAY(MODEL_ANSWERS, Pperson->t)
    :: SAY(MODEL_RETRIES, Pperson->t)
    :: SAY(MODEL_ROLLS_BACK, Pperson->t)
    :: ACT(model_can_expire (&now.m, Pperson->t), model_expire(&now.m, Pperson->t))
    od
}

proctype surroundings()
{
end:
    do
    :: ACT(model_can_restart (&now.m), model_restart(&now.m, 0))
    :: ACT(model_can_restart (&now.m), model_restart(&now.m, 1))
    :: ACT(model_can_move_line (&now.m), model_move_line(&now.m))
    od
}

/* When nobody can do anything any more, everything has ended. */
proctype watch()
{
end:
    timeout -> assert(c_expr { model_rests (&now.m) })
}

init {
    atomic {
        c_code { model_begin(&now.m, TASKS, SHAPE, TROUBLE, KINDS, LIMIT); };
        assert(c_expr { !now.m.broken });
        run worker(0);
        run worker(1);
        run person(0);
        run person(1);
        run person(2);
        run surroundings();
        run watch()
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `policy explain`: what safety would say of a command, as a task of its own and as the effect that it is. The same
 * calls as for a real one; nothing is recorded, nothing is run. */
#include "control_inside.h"

#include "run/effect.h"
#include "run/pipeline.h"
#include "run/policy.h"

static const char *
verdict_name(int64_t verdict)
{
    return verdict == VIV_VERDICT_ALLOW ? "allow" : verdict == VIV_VERDICT_ASK ? "ask" : "deny";
}

/* {"checks","verdict"}: each check has id, verdict, reason, cure. */
static struct vh_json *
opinion(struct vh_arena *arena, viv_verdict verdict, const struct vh_json *checks)
{
    struct vh_json *said = vh_json_object(arena);
    vh_json_set(said, "checks", checks ? vh_json_clone(arena, checks) : vh_json_array(arena));
    vh_json_set_text(arena, said, "verdict", verdict_name(verdict));
    return said;
}

static viv_status
explain(struct vh_controlling *c, struct vh_work *work)
{
    struct viv_safety_judge_task_answer answer = { 0 };
    struct vh_json *effect = NULL, *reasons = NULL;
    struct viv_str shown;
    viv_status status = vh_ask_judge_task(work, &shown, &answer, &c->err);
    if (status) {
        return status;
    }
    const struct vh_json *report = vh_run_tree(work, answer.report_json, "{}");
    work->ask.task.capability = answer.capability_json;
    status = vh_effect_show(work, work->ask.task.command, &effect, &c->err);
    struct viv_str text = status ? (struct viv_str){ NULL, 0 } : vh_json_print(work->arena, effect);
    if (!text.data) {
        return status ? status : vh_error_set(&c->err, VIV_E_MEMORY, "policy", "no memory to explain a command");
    }
    viv_verdict verdict = vh_effect_judge(work, text, &reasons);
    vh_json_set(c->response, "capability", vh_run_tree(work, answer.capability_json, "{}"));
    vh_json_set(c->response, "command", opinion(c->arena, verdict, reasons));
    vh_json_set(c->response, "task", opinion(c->arena, answer.verdict, vh_json_get(report, "checks")));
    verdict = verdict < answer.verdict ? verdict : answer.verdict; /* the stricter one */
    vh_json_set_text(c->arena, c->response, "verdict", verdict_name(verdict));
    return VIV_OK;
}

/* "command": an exec document; "goal". */
viv_status
vh_control_explain(struct vh_controlling *c)
{
    const struct vh_json *command = vh_json_get(c->request, "command");
    struct viv_str goal = vh_json_str(c->request, "goal");
    struct viv_str text = command ? vh_json_print(c->arena, command) : (struct viv_str){ NULL, 0 };
    if (!text.data) {
        return vh_error_set(&c->err, VIV_E_INVALID, "policy", "'command' must be an exec document");
    }
    struct vh_run_policy *policy = vh_policy_now(c->run);
    struct vh_work work = { .run = c->run, .arena = c->arena, .policy = policy, .stage = VH_STR("execute") };
    work.ask.task = (struct vh_task){ .id = VH_STR("explained"), .goal = goal.len ? goal : VH_STR("run a command"),
                                      .command = text, .target = vh_str(c->run->project), .attempt = 1,
                                      .attempts_max = 1 };
    if (!policy) {
        return vh_error_set(&c->err, VIV_E_MEMORY, "policy", "no memory to explain a command");
    }
    viv_status status = explain(c, &work);
    vh_policy_give(c->run, policy);
    return status;
}

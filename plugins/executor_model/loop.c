/* SPDX-License-Identifier: Apache-2.0 */
/* A model's text is input: nothing of it is acted on but tool calls, and each of those is judged at the door. What the
 * door says of a call to a model ends the run, but for money, which ends the work. */
#include "loop.h"

#include <jansson.h>
#include <stdio.h>
#include <tree.h>

#include "answer.h"
#include "executor_model_manifest.h"
#include "talk.h"
#include "tools.h"

struct loop {
    const struct executor_model_config *config;
    struct door *door;
    struct result *result;
    struct viv_error *err;
    struct talk talk;
    uint32_t cut;    /* answers in a row */
    uint32_t silent; /* answers in a row */
    uint32_t failed;
};

static uint32_t
ended(const struct loop *loop)
{
    return loop->result->summary != NULL;
}

/* ---- before an answer ---- */

static viv_status
check_bounds(struct loop *loop)
{
    const struct executor_model_config *config = loop->config;
    if (loop->result->steps >= config->steps) {
        return result_ends(loop->result, loop->err,
                           "the model was not done after %u answers, allowed %lld; raise option 'steps' of "
                           "viv.executor_model, or ask for less at a time",
                           loop->result->steps, (long long)config->steps);
    }
    if (loop->result->tokens >= config->tokens) {
        return result_ends(loop->result, loop->err,
                           "the run used %lld tokens, allowed %lld; raise option 'tokens' of viv.executor_model, or "
                           "ask for less at a time",
                           (long long)loop->result->tokens, (long long)config->tokens);
    }
    if (loop->door->bytes > DOOR_BYTES_MAX) {
        return result_ends(loop->result, loop->err,
                           "what the run read and what its programs said has %llu bytes, allowed %u; ask for less at "
                           "a time",
                           (unsigned long long)loop->door->bytes, DOOR_BYTES_MAX);
    }
    return VIV_OK;
}

/* The door says of money and of a model's context alike that a limit is reached. A shorter request may be within it;
 * if none is, its words end the work. */
static viv_status
ask_door(struct loop *loop, struct viv_effect_request *request, struct viv_effect_outcome *ret_outcome,
         struct viv_error *err)
{
    viv_status status = talk_request(&loop->talk, &request->spec_json, err);
    if (status != VIV_OK)
        return status;
    status = door_pass(loop->door, request, ret_outcome, err);
    while (status == VIV_E_LIMIT && talk_shrink(&loop->talk)) {
        struct viv_error fault = VIV_ERROR_INIT;
        viv_status cut = talk_request(&loop->talk, &request->spec_json, &fault);
        if (cut == VIV_E_LIMIT)
            break;
        if (cut != VIV_OK)
            return viv_tree_fail(err, cut, fault.where, "%s", fault.text);
        status = door_pass(loop->door, request, ret_outcome, err);
    }
    return status;
}

/* The model's message, or an empty one when the run has ended. */
static viv_status
ask_model(struct loop *loop, struct viv_str *ret_message)
{
    struct viv_effect_request request = { .size = (uint32_t)sizeof request, .rev = 1, .kind = VIV_EFFECT_MODEL };
    struct viv_effect_outcome outcome;
    struct viv_error fault = VIV_ERROR_INIT;
    request.path = loop->config->model;
    viv_status status = ask_door(loop, &request, &outcome, &fault);
    if (status == VIV_E_LIMIT)
        return result_ends(loop->result, loop->err, "%s", fault.text);
    if (status != VIV_OK)
        return viv_tree_fail(loop->err, status, fault.where, "%s", fault.text);
    loop->result->steps++;
    *ret_message = outcome.output;
    return result_count(loop->result, outcome.detail_json, request.spec_json.len, loop->config->max_tokens, loop->err);
}

/* ---- what it asks for ---- */

static void
tell(struct loop *loop, json_t *told, const json_t *call, struct tool_answer *answer)
{
    json_t *block = json_object();
    viv_tree_set(block, "type", viv_tree_literal("tool_result"), &loop->failed);
    viv_tree_set(block, "id", json_incref(json_object_get(call, "id")), &loop->failed);
    viv_tree_set(block, "text", json_incref(answer->text), &loop->failed);
    viv_tree_set(block, "error", json_integer(answer->error != 0), &loop->failed);
    viv_tree_push(told, block, &loop->failed);
}

static void
finish(struct loop *loop, const struct tool_answer *answer)
{
    json_decref(loop->result->claimed);
    loop->result->done = 1;
    loop->result->summary = json_incref(answer->summary);
    loop->result->claimed = json_incref(answer->claimed);
}

/* It cannot know of the failure when it says in the same breath that all is well. */
static void
refuse_done(struct tool_answer *answer)
{
    json_decref(answer->text);
    answer->done = 0;
    answer->error = 1;
    answer->text = viv_tree_literal("not done: an earlier call of the same message failed; look at it, and call done "
                                    "alone when all is well");
}

static viv_status
do_calls(struct loop *loop, const json_t *calls, json_t *told)
{
    uint32_t errors = 0;
    for (size_t i = 0; !ended(loop) && i < json_array_size(calls); i++) {
        struct tool_answer answer;
        const json_t *call = json_array_get(calls, i);
        viv_status status = tools_call(loop->door, loop->config, call, &answer, loop->err);
        if (status != VIV_OK)
            return status;
        if (answer.done && errors) {
            refuse_done(&answer);
        }
        errors |= answer.error;
        tell(loop, told, call, &answer);
        if (answer.done) {
            finish(loop, &answer);
        }
        tool_answer_close(&answer);
        if (loop->door->denied >= LOOP_DENIED_MAX) {
            status = result_ends(loop->result, loop->err, "%u effects were denied, allowed %d; the last: %s",
                                 loop->door->denied, LOOP_DENIED_MAX - 1, loop->door->rule);
        } else if (loop->door->bytes > DOOR_BYTES_MAX) {
            status = check_bounds(loop);
        }
        if (status != VIV_OK)
            return status;
    }
    return VIV_OK;
}

/* ---- what it is told beside the results ---- */

static void
say(struct loop *loop, json_t *told, json_t *text)
{
    json_t *block = json_object();
    viv_tree_set(block, "type", viv_tree_literal("text"), &loop->failed);
    viv_tree_set(block, "text", text, &loop->failed);
    viv_tree_push(told, block, &loop->failed);
}

/* Three answers cut in a row bring nothing more. */
static viv_status
look_at_cut(struct loop *loop, const struct answer *answer, json_t *told)
{
    loop->cut = answer->stop == ANSWER_CUT ? loop->cut + 1 : 0;
    if (loop->cut >= LOOP_CUT_MAX) {
        return result_ends(loop->result, loop->err,
                           "%u answers in a row were cut at their end; raise option 'max_tokens' of "
                           "viv.executor_model, now %lld",
                           loop->cut, (long long)loop->config->max_tokens);
    }
    if (loop->cut) {
        say(loop, told, viv_tree_literal("Your answer was cut before its end, and a call that was not whole was not "
                                         "done. Go on, in smaller parts."));
    }
    return VIV_OK;
}

/* Text alone changes nothing: said once, then the run ends. */
static viv_status
look_at_silence(struct loop *loop, const struct answer *answer, json_t *told)
{
    uint32_t silent = json_array_size(answer->calls) == 0 && answer->stop != ANSWER_CUT;
    loop->silent = silent ? loop->silent + 1 : 0;
    if (silent && answer->stop == ANSWER_REFUSED)
        return result_ends(loop->result, loop->err, "the model refused to go on");
    if (loop->silent >= LOOP_SILENT_MAX && answer->problem[0]) {
        return result_ends(loop->result, loop->err, "%u answers in a row had no tool call, the last could not be "
                           "read: %s", loop->silent, answer->problem);
    }
    if (loop->silent >= LOOP_SILENT_MAX)
        return result_ends(loop->result, loop->err, "the model stopped without saying that it is done");
    if (silent) {
        say(loop, told,
            viv_tree_format("%s%s%sNothing was done. Use tools to work; when the work is complete, call done.",
                            answer->problem[0] ? "Your answer could not be read: " : "", answer->problem,
                            answer->problem[0] ? ". " : ""));
    }
    return VIV_OK;
}

static viv_status
work_on(struct loop *loop, struct answer *answer)
{
    json_t *told = json_array();
    if (answer->text) {
        json_decref(loop->result->text);
        loop->result->text = json_incref(answer->text);
    }
    talk_add(&loop->talk, "assistant", json_incref(answer->content), &loop->failed);
    viv_status status = do_calls(loop, answer->calls, told);
    if (status == VIV_OK && answer->dropped) {
        say(loop, told, viv_tree_format("%llu calls of your message were not done: allowed are %d in one message.",
                                        (unsigned long long)answer->dropped, ANSWER_CALLS_MAX));
    }
    if (status == VIV_OK && !ended(loop)) {
        status = look_at_cut(loop, answer, told);
    }
    if (status == VIV_OK && !ended(loop)) {
        status = look_at_silence(loop, answer, told);
    }
    talk_add(&loop->talk, "user", told, &loop->failed);
    if (status == VIV_OK && loop->failed) {
        status = viv_tree_fail(loop->err, VIV_E_MEMORY, "loop", "the conversation does not fit into memory");
    }
    return status;
}

static viv_status
step(struct loop *loop)
{
    struct viv_str message = { NULL, 0 };
    struct answer answer;
    viv_status status = check_bounds(loop);
    if (status == VIV_OK && !ended(loop)) {
        status = ask_model(loop, &message);
    }
    if (status != VIV_OK || ended(loop))
        return status;
    status = answer_read(message, loop->result->steps, &answer, loop->err);
    if (status == VIV_OK) {
        status = work_on(loop, &answer);
        answer_close(&answer);
    }
    return status;
}

viv_status
loop_run(const struct executor_model_config *config, struct door *door, const struct talk_task *about,
         struct result *result, struct viv_error *err)
{
    struct loop loop = { .config = config, .door = door, .result = result, .err = err };
    viv_status status = talk_open(&loop.talk, config, about, err);
    if (status != VIV_OK)
        return status;
    while (status == VIV_OK && !ended(&loop)) {
        status = step(&loop);
    }
    talk_close(&loop.talk);
    return status;
}

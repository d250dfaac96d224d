/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of executor_model share: the plugin over a fake door, answers of a model written beforehand, and what
 * the model was told, read from the requests. */
#ifndef EXECUTOR_MODEL_TEST_BENCH_H
#define EXECUTOR_MODEL_TEST_BENCH_H

#include <viv/iface/executor.h>

#include "executor_model_manifest.h"
#include "fake_host.h"

struct json_t;

#define BENCH_DETAIL                                                                                                   \
    "{\"cost_micro\":7,\"model\":\"small\",\"usage\":{\"cached_tokens\":1,\"input_tokens\":10,\"output_tokens\":5}}"

struct bench {
    struct fake_host host;
    struct fake_call call;
    const struct viv_plugin *plugin;
    const struct viv_executor *table;
    struct executor_model_config config; /* the manifest's; change it before bench_open() is used */
    void *self;
    struct viv_executor_execute_answer answer;
    struct viv_executor_execute_request request;
    struct viv_error err;
    char *kept[2 * FAKE_EFFECTS_MAX]; /* texts of the script */
    uint32_t kept_count;
};

void bench_init(struct bench *bench);
void bench_open(struct bench *bench);
void bench_close(struct bench *bench);

/* What the door does next: a model's whole message, one with a single tool call, a call of done, a tool's outcome. */
void bench_message(struct bench *bench, const char *message);
void bench_call(struct bench *bench, const char *name, const char *input);
void bench_done(struct bench *bench);
void bench_text(struct bench *bench, const char *text, const char *stop);
void bench_effect(struct bench *bench, struct fake_effect effect);

viv_status bench_run(struct bench *bench);

/* The request with this number, which must be one to a model; release with json_decref(). */
struct json_t *bench_request(const struct bench *bench, uint32_t number);
/* The last message of that request: text and error of its block `at`. `error` -1: it is a text. */
void bench_told(const struct bench *bench, uint32_t number, uint32_t at, const char *text, int error);

/* The run worked and is not done, with these words in its summary. */
void bench_ended(const struct bench *bench, const char *summary);
void bench_has(const char *text, const char *part);

#endif

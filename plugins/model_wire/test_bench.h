/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of model plugins share: the plugin they are linked with, asked over answers written beforehand, and
 * one answer cut at every byte. */
#ifndef MODEL_WIRE_TEST_BENCH_H
#define MODEL_WIRE_TEST_BENCH_H

#include <viv/draft/model.h>

#include "fake_host.h"

struct bench {
    struct fake_host host;
    struct fake_call call;
    const struct viv_plugin *plugin;
    const struct viv_model *model;
    void *self;
    struct viv_model_complete_answer answer; /* of the last call; texts live until the next */
    struct viv_error err;
    viv_status status;
};

/* With these settings, or the manifest's when `config` is NULL. */
void bench_open(struct bench *bench, const void *config);
void bench_close(struct bench *bench);

/* One call of complete(). What must hold of every answer is asserted here. */
viv_status bench_ask(struct bench *bench, const char *request, struct fake_answer answer);

/* The last answer's texts, each until the next use of any of these. */
const char *bench_message(struct bench *bench);
const char *bench_usage(struct bench *bench);
const char *bench_problem(struct bench *bench);

void bench_expect(struct bench *bench, uint32_t outcome, const char *message, const char *usage);

/* The answer in two pieces at every place, byte by byte, and in random pieces is always the same answer. */
void bench_in_pieces(struct bench *bench, const char *request, struct fake_answer answer);
/* Ended after every byte but the last, it is never broken and never more than it was. */
void bench_cut(struct bench *bench, const char *request, struct fake_answer answer);

#define BENCH_SSE "content-type: text/event-stream; charset=utf-8\n"
#define BENCH_JSON "content-type: application/json\n"

#endif

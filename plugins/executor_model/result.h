/* SPDX-License-Identifier: Apache-2.0 */
/* What a run used and how it ended, as the executor's result. No host, no I/O. */
#ifndef EXECUTOR_MODEL_RESULT_H
#define EXECUTOR_MODEL_RESULT_H

#include <viv/viv.h>

struct json_t;

struct result {
    uint32_t done;
    uint32_t steps; /* answers of models */
    int64_t tokens; /* of all of them, cached ones too */
    struct json_t *models;  /* {"name":{"calls","cost_micro","input_tokens","output_tokens"}} */
    struct json_t *summary; /* NULL: the run goes on */
    struct json_t *claimed;
    struct json_t *text; /* what a model said last, or NULL */
};

viv_status result_open(struct result *result, struct viv_error *err);
void result_close(struct result *result);

/* Count one answer by what the door said of it. A count that is missing is the most it can have been: the request's
 * bytes, and `most_output` tokens. */
viv_status result_count(struct result *result, struct viv_str detail_json, uint64_t request_bytes,
                        int64_t most_output, struct viv_error *err);

/* The run ends, not done, for this reason. VIV_E_MEMORY or VIV_OK. */
viv_status result_ends(struct result *result, struct viv_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* `output` bytes of the last text are kept. */
viv_status result_write(const struct result *result, struct viv_call *call, uint64_t output, struct viv_str *ret_json,
                        struct viv_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Every number that bounds something a plugin or a user can see, with its reason. */
#ifndef VIV_LIMITS_H
#define VIV_LIMITS_H

/* Identifiers are file-name safe words: room for a vendor prefix and a purpose. */
#define VIV_ID_MAX 96
/* Longest path a task may name; the kernel's own PATH_MAX less its NUL. */
#define VIV_PATH_MAX 4095
/* A request in words: fits one screen many times over and stays cheap to match. */
#define VIV_GOAL_MAX 16384
/* Output of an effect kept in memory; more goes to the content store up to the next bound. */
#define VIV_OUTPUT_MAX (1u << 20)
/* Output of an effect kept at all. */
#define VIV_OUTPUT_STORED_MAX (64u << 20)
/* Bytes one call's arena may take. */
#define VIV_CALL_ARENA_MAX (64u << 20)
/* JSON depth: deeper documents are attacks or mistakes. */
#define VIV_JSON_DEPTH_MAX 64
/* Manifest text; the note must be readable with a few reads. */
#define VIV_MANIFEST_MAX (256u << 10)
/* A plugin file; machine-made skills are about 10 KiB. */
#define VIV_PLUGIN_FILE_MAX (64u << 20)
/* Argument words of one stage and stages of one command. */
#define VIV_ARGV_MAX 4096
#define VIV_STAGES_MAX 64
/* Options of one plugin, typed inputs of one skill call. */
#define VIV_OPTIONS_MAX 64
#define VIV_VALUES_MAX 64
/* Dependencies of one task and tasks of one plan. */
#define VIV_DEPENDS_MAX 256
#define VIV_PLAN_STEPS_MAX 256
/* Tries at one task before it fails, and infrastructure recoveries of one task. */
#define VIV_ATTEMPTS_MAX 3
#define VIV_RECOVERIES_MAX 5
/* Entries of one queue file and bytes of it. */
#define VIV_QUEUE_TASKS_MAX 100000
#define VIV_QUEUE_BYTES_MAX (64u << 20)
/* A skill calling a skill calling a skill: deeper is a loop. */
#define VIV_SKILL_DEPTH_MAX 4
/* Files and bytes of a plain folder copied into a base. */
#define VIV_BASE_FILES_MAX 50000
#define VIV_BASE_BYTES_MAX (2ull << 30)
/* Change layers stacked over a base before it is flattened. */
#define VIV_LAYERS_MAX 16
/* Entries of the cache of trees; beyond it those used longest ago go, a quarter at a time. */
#define VIV_TREES_MAX 256

#endif

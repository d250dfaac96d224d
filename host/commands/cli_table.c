/* SPDX-License-Identifier: Apache-2.0 */
/* All commands, their options and what is said about them: help, usage, completion, nearest words and the test of the
 * man page all read this table. What the verbs do stands in the cmd_*.c. */
#include "cmd_switch.h"

#define END { NULL, NULL, NULL }

const struct vh_cli_option vh_cli_everywhere[] = {
    { "-C", "FOLDER", "the project, or a folder below it (default: here)" },
    { "--json", NULL, "answer as JSON, one value a line" },
    { "--verbose", NULL, "the host's own log on standard error" },
    { "--help", NULL, "examples, usage and options" },
    END,
};

static const struct vh_cli_option run_options[] = {
    { "--skill", "ID", "let this skill do it" },
    { "--input", "JSON", "its input" },
    { "--scope", "DIR", "only this folder beneath the project: nothing else is changed, nor read of a plain folder" },
    { "--net", "HOST:PORT", "what it may reach, as far as policy allows (may be repeated); none: nothing at all" },
    { "--attempts", "N", "tries before it fails (1 to 3)" },
    { "--after", "TASK", "wait for another task first (may be repeated)" },
    { "--id", "ID", "the task's id (default: a new one)" },
    { "--key", "KEY", "the same key submits only once" },
    { "--workers", "N", "workers while this command is the host (default 2)" },
    END,
};

static const struct vh_cli_option submit_options[] = {
    { "--skill", "ID", "let this skill do it" },
    { "--input", "JSON", "its input" },
    { "--scope", "DIR", "only this folder beneath the project: nothing else is changed, nor read of a plain folder" },
    { "--net", "HOST:PORT", "what it may reach, as far as policy allows (may be repeated); none: nothing at all" },
    { "--attempts", "N", "tries before it fails (1 to 3)" },
    { "--after", "TASK", "wait for another task first (may be repeated)" },
    { "--id", "ID", "the task's id (default: a new one)" },
    { "--key", "KEY", "the same key submits only once" },
    { "--queue", "FILE", "a whole queue file of contract 1.1; nothing is submitted unless all of it is right" },
    { "--check", NULL, "only say whether the queue file is right" },
    END,
};

static const struct vh_cli_option trust_options[] = {
    { "--show", NULL, "what it would grant, without trusting it" },
    { "--home", NULL, "take over a home that came with the folder" },
    { "--withdraw", NULL, "trust it no more" },
    END,
};

static const struct vh_cli_option work_options[] = {
    { "--workers", "N", "how many at a time (default 2)" },
    { "--drain", NULL, "end when nothing is left to do" },
    { "--grace", "TIME", "told to stop, how long what runs may go on (default 60s)" },
    END,
};

static const struct vh_cli_option policy_options[] = {
    { "--goal", "GOAL", "explain: the words of the task that the command would be of" },
    END,
};

static const struct vh_cli_option stop_options[] = {
    { "--pause", NULL, "only let nothing new begin; what runs goes on to its end" },
    END,
};

static const struct vh_cli_option queue_options[] = {
    { "--state", "STATE", "list only these" },
    END,
};

static const struct vh_cli_option task_options[] = {
    { "--note", "TEXT", "why" },
    { "--digest", "HEX", "the question you saw (default: the present one)" },
    END,
};

static const struct vh_cli_option plugin_options[] = {
    { "--user", NULL, "in your own store, which all your projects see; needs no home" },
    { NULL, NULL, NULL },
};

static const struct vh_cli_option skill_options[] = {
    { "--input", "JSON", "the input of a call" },
    { "--scope", "DIR", "show it only this folder beneath the project" },
    END,
};

static const struct vh_cli_option log_options[] = {
    { "--task", "TASK", "only its events" },
    { "--after", "N", "only events after this number" },
    { "--check", NULL, "rebuild: compare only, keep what is there" },
    { "--recent", NULL, "verify: only events that are not archived" },
    { "--against", "CHECKPOINT", "verify: the log must extend what this file of 'log checkpoint' saw" },
    { "--key", "KEY", "verify: whose signature counts: a public key or a file of some (default: yours)" },
    { "--line", "LINE", "verify: FILE must have the event in this file of 'log prove'" },
    { "--out", "FILE", "checkpoint, export: write it there, too, or instead of printing it" },
    { "--redact", NULL, "export: digests in place of texts, signed; still to be verified" },
    { "--keep", "DAYS", "archive: events of the last days stay (default 365)" },
    { "--shrink", NULL, "archive: give the room back; the log is written anew, nothing else happens meanwhile" },
    END,
};

static const struct vh_cli_option gc_options[] = {
    { "--keep", "DAYS", "outputs of commands of the last days stay (default 30)" },
    { "--dry-run", NULL, "only count" },
    END,
};

static const struct vh_cli_option replay_options[] = {
    { "--file", "FILE", "an exported log instead of this home's" },
    END,
};

const struct vh_cli_command vh_cli_commands[] = {
    { "run", "do one task now and wait for its end", "\"GOAL\" [options] [-- COMMAND ...]",
      "vivhost run \"build the manual\" -- make manual\n"
      "vivhost run \"format the sources\" -- make format\n"
      "vivhost run \"check the manual\" --scope docs -- make -C docs check\n"
      "vivhost run \"...a request that a skill understands...\"",
      run_options, NULL, vh_cli_run },
    { "init", "make a home for this project", "[FOLDER]", "vivhost init\nvivhost init path/of/project", NULL, NULL,
      vh_cli_init },
    { "trust", "pin the project's policy, or take over its home", "[--show | --home | --withdraw]",
      "vivhost trust --show\nvivhost trust", trust_options, NULL, vh_cli_trust },
    { "submit", "queue a task, or a whole queue.json", "\"GOAL\" [options] [-- COMMAND ...] | --queue FILE [--check]",
      "vivhost submit \"run the checks\" -- make check\nvivhost submit --queue queue.json --check\n"
      "vivhost submit --queue queue.json",
      submit_options, NULL, vh_cli_submit },
    { "work", "work on queued tasks", "[--workers N] [--drain] [--grace TIME]",
      "vivhost work --workers 4\nvivhost work --drain\nvivhost work --grace 5m", work_options, NULL, vh_cli_work },
    { "policy", "check a policy, or ask what it says of a command", NULL,
      "vivhost policy check\nvivhost policy explain -- git push origin main", policy_options, vh_cli_policy_verbs,
      NULL },
    { "budget", "what may be spent, is held and was spent", NULL,
      "vivhost budget show\nvivhost budget set home 5.00\nvivhost budget set home none", NULL, vh_cli_budget_verbs,
      NULL },
    { "model", "which models work may be sent to, and what they cost", NULL, "vivhost model list", NULL,
      vh_cli_model_verbs, NULL },
    { "stop", "hold all work: nothing begins, and what runs is given back", "[REASON] [--pause]",
      "vivhost stop \"looking into the spending\"\nvivhost stop --pause \"upgrading\"", stop_options, NULL,
      vh_cli_stop_all },
    { "resume", "let work go on", "[REASON]", "vivhost resume", NULL, NULL, vh_cli_resume },
    { "status", "whether work runs, who works on it, what waits", "", "vivhost status", NULL, NULL, vh_cli_status },
    { "workers", "show live workers", "", "vivhost workers", NULL, NULL, vh_cli_workers },
    { "queue", "list, show or export tasks", NULL,
      "vivhost queue list\nvivhost queue list --state failed\nvivhost queue export queue.json", queue_options,
      vh_cli_queue_verbs, NULL },
    { "task", "look at a task, or decide about it", NULL,
      "vivhost task show TASK\nvivhost task approve TASK\nvivhost task reject TASK --note \"not like this\"",
      task_options, vh_cli_task_verbs, NULL },
    { "inbox", "what waits for a person", "", "vivhost inbox", NULL, NULL, vh_cli_inbox },
    { "rollback", "undo exactly what a task changed", "TASK", "vivhost rollback TASK", NULL, NULL, vh_cli_rollback },
    { "backup", "copy the whole home into a new folder, while it works", "FOLDER",
      "vivhost backup /backups/project-monday", NULL, NULL, vh_cli_backup },
    { "restore", "make a project's home again from a backup", "FOLDER",
      "vivhost restore /backups/project-monday\nvivhost restore /backups/project-monday -C path/of/project", NULL, NULL,
      vh_cli_restore },
    { "gc", "remove old outputs of ended tasks and unused trees", "[--keep DAYS] [--dry-run]",
      "vivhost gc --dry-run\nvivhost gc --keep 90", gc_options, NULL, vh_cli_gc },
    { "replay", "decide everything in the log again and compare", "[TASK] [--file FILE]",
      "vivhost replay\nvivhost replay TASK\nvivhost replay --file execution_log.jsonl", replay_options, NULL,
      vh_cli_replay },
    { "route", "which skill would answer a request, and why", "\"REQUEST\"",
      "vivhost route \"...a request...\"", NULL, NULL, vh_cli_route },
    { "plugin", "list, show, sign, install or remove plugins", NULL,
      "vivhost plugin list\nvivhost plugin sign path/of/plugin.so\nvivhost plugin install path/of/plugin.so\n"
      "vivhost plugin install --user path/of/plugin.so\nvivhost plugin remove ID",
      plugin_options,
      vh_cli_plugin_verbs, NULL },
    { "skill", "list, show or call skills", NULL,
      "vivhost skill list\nvivhost skill call ID --input '{\"name\":\"value\"}'", skill_options,
      vh_cli_skill_verbs, NULL },
    { "log", "show, follow, verify, sign, rebuild or export the event log", NULL,
      "vivhost log show --task TASK\nvivhost log verify\nvivhost log checkpoint --out kept-elsewhere.json\n"
      "vivhost log verify --against kept-elsewhere.json\nvivhost log export --redact --out for-others.jsonl",
      log_options,
      vh_cli_log_verbs, NULL },
    { "schema", "print a published JSON Schema", "[NAME]", "vivhost schema\nvivhost schema queue", NULL, NULL,
      vh_cli_schema },
    { "doctor", "what this machine gives and what is missing", "", "vivhost doctor", NULL, NULL, vh_cli_doctor },
    { "completion", "print the completion script of a shell", "bash | zsh | fish",
      "vivhost completion bash > ~/.local/share/bash-completion/completions/vivhost\n"
      "vivhost completion fish > ~/.config/fish/completions/vivhost.fish",
      NULL, NULL, vh_cli_completion },
};

const size_t vh_cli_command_count = sizeof vh_cli_commands / sizeof *vh_cli_commands;

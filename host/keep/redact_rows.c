/* SPDX-License-Identifier: Apache-2.0 */
/* Which texts of an event may be shown to others. A new member of an event that holds text gets its word here; without
 * one it is hidden, and a test fails. Hashes of events are not among what stays: see redact.h. */
#include "redact.h"

#define BY "by.digest by.id by.version "
#define ANSWER BY "digest failure.class "
#define FAILED "failure.text "
#define CONFLICTS "conflicts[].base conflicts[].ours conflicts[].theirs "
#define CONFLICTS_TEXT "conflicts[].path conflicts[].reason kept_in "
#define EFFECT \
    "by digest effect stage output_digest output_kept failure.class hold.prices hold.scopes[].scope prices " \
    "reasons[].id scopes[].scope what.kind what.content outcome what.rule what.tier"
#define EFFECT_TEXT FAILED \
    "reason reasons[].cure reasons[].reason what.path what.spec what.target what.host what.pattern what.reason " \
    "what.request errors output text"
#define PLUGIN "digest id kind plugin trust version"
#define FINDINGS "findings[] findings[].command findings[].text findings[].path "

const struct vh_redact_row vh_redact_rows[] = {
    { "home.created", "home", "project seed" },
    { "home.moved", "", "from to" },
    { "home.restored", "", "folder from head" },
    { "backup.made", "", "folder head" },
    { "host.started", "version", "" },
    { "host.stopped", "", "" },
    { "policy.loaded", "critics[] digest gates.*[] plugins[].digest plugins[].id plugins[].version profile", "" },
    { "trust.changed", "digest", "path" },
    { "queue.imported", "digest", "file" },
    { "plugin.installed", PLUGIN, "" },
    { "plugin.removed", PLUGIN, "" },
    { "plugin.blamed", PLUGIN, "reason text" },
    { "content.pruned", "digests[]", "" },
    { "log.archived", "digest root", "head" },
    { "switch.set", "state", "by note" },
    { "budget.capped", "account", "" },
    { "model.learned", "tier", "pattern" },
    { "calls.made", "input_digest output_digest skill tree", "scope" },
    { "command.refused", "command request", "text" },
    { "clock.stepped", "", "" },
    { "task.submitted", "depends[] parent skill", "command goal input scope spec target" },
    { "task.claimed", "worker request", "" },
    { "lease.expired", "", "reason" },
    { "intent.captured", ANSWER, FAILED "intent questions[] reason" },
    { "plan.answered", ANSWER "steps[].id steps[].depends[] steps[].skill",
      FAILED "reason steps[].goal steps[].command steps[].input steps[].why" },
    { "safety.report", ANSWER "capability.exec capability.profile policy report.checks[].id",
      FAILED "capability.read[] capability.write[] capability.commands[] capability.hosts[] reason "
      "report.checks[].cure report.checks[].reason report.checks[].where" },
    { "budget.estimated", ANSWER "scopes[].scope", FAILED "reason" },
    { "route.chosen", ANSWER "candidates[].skill candidates[].version route",
      FAILED "candidates[].input candidates[].template candidates[].why input reason" },
    { "base.captured",
      ANSWER "base.brought base.commit base.line base.paths[].what base.seen base.tip base.tree commit tree",
      FAILED "base.branch base.line_ref base.paths[].path reason" },
    { "effect.started", EFFECT, EFFECT_TEXT },
    { "effect.refused", EFFECT, EFFECT_TEXT },
    { "effect.asked", EFFECT, EFFECT_TEXT },
    { "effect.finished", EFFECT, EFFECT_TEXT },
    { "execute.finished", ANSWER "gate missed tree", FAILED "reason result" },
    { "change.frozen", ANSWER "change commit paths[].change paths[].digest paths[].mode tree",
      FAILED "paths[].path paths[].target reason uncommitted" },
    { "gate.answered", ANSWER "gate outcome stage tree", FAILED FINDINGS "reason" },
    { "integration.made", ANSWER CONFLICTS "commit gate line_tip tree", FAILED CONFLICTS_TEXT "reason" },
    { "review.made", ANSWER "gate tree", FAILED FINDINGS "reason" },
    { "publish.finished", ANSWER CONFLICTS "gate published tree",
      FAILED CONFLICTS_TEXT "branch_left kept_on[] line reason" },
    { "settle.priced", ANSWER "entries[].account entries[].reason usage.model", FAILED "reason" },
    { "rollback.finished", ANSWER CONFLICTS "commit", FAILED CONFLICTS_TEXT "branch_left line reason" },
    { "followers.counted", ANSWER "task", FAILED "reason" },
    { "cancel.requested", "", "note" },
    { "retry.requested", "", "note" },
    { "approval.given", "digest", "note" },
    { "approval.refused", "digest", "note" },
    { "answer.given", "digest", "answers note" },
    { "rollback.requested", "", "note" },
    { "intent.unclear", "", "questions[]" },
    { "gate.passed", "by gate stage tree", "" },
    { "gate.failed", "gate how stage", "" },
    { "budget.held", "scopes[].scope", "" },
    { "budget.refused", "scope", "" },
    { "budget.settled", "prices scopes[] why", "" },
    { "ledger.posted", "account reason", "" },
    { "task.rejected", "", "reasons[] reasons[].command reasons[].text reasons[].path" },
    { "task.asked", "digest resume_phase resume_state why", "text" },
    { "task.delayed", "phase", "reason" },
    { "task.blocked", "from phase", "reason" },
    { "task.pending", "from phase", "reason" },
    { "task.running", "from phase", "reason" },
    { "task.needs_qa", "from gates[] phase", "reason" },
    { "task.integration", "from gates[] phase", "reason" },
    { "task.e2e", "from gates[] phase", "reason" },
    { "task.ready", "from phase", "reason" },
    { "task.failed", "from phase", "reason" },
    { "task.awaiting_approval", "from phase", "reason" },
    { "task.expanded", "from phase", "reason" },
    { "task.cancelled", "from phase", "reason" },
    { "task.rolled_back", "from phase", "reason" },
    { "task.child", "depends[] parent skill", "command goal input scope target" },
    { "task.phase", "phase", "" },
    { "followers.left", "after", "" },
    { "followers.done", "", "" },
    { NULL, NULL, NULL },
};

# SPDX-License-Identifier: Apache-2.0
# Years of use, small. Without this test: a home that was collected, backed up beside its work, lost and restored could have
# lost a task, an old one could no longer roll back, or a pruned output could vanish without a word.
. "$(dirname "$0")/lib.sh"
flow_begin
TOOL=$FLOW/../../tools/rehearse

story "refusals"
"$TOOL" --tasks 19 --build "$VIV_BUILD" >"$SCRATCH/out" 2>"$SCRATCH/err"
code=$?
expect_code 2 "too few tasks"
said "--tasks is 19, allowed: 20 or more"

story "forty tasks"
TMPDIR=$SCRATCH timeout 250 "$TOOL" --tasks 40 --build "$VIV_BUILD" >"$SCRATCH/out" 2>"$SCRATCH/err"
code=$?
expect_code 0 "the rehearsal: $(head -c 3000 "$SCRATCH/out")"
said '"problems": []'
same "what it left" "$(find "$SCRATCH" -maxdepth 1 -name 'viv-rehearse-*')" ""
flow_end

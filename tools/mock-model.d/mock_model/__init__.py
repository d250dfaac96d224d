# SPDX-License-Identifier: Apache-2.0
"""A model endpoint that answers from a script, for trials and tests. docs/mock-model.md says how to use it.

script.py    reads and refuses scripts, and chooses the turn that answers
wire.py      what both wires share: a request, a refusal, a frame, a turn put into words
openai.py    chat completions: requests, whole answers, frames of a stream
anthropic.py messages: the same
spoil.py     what a script does to the frames before they are sent
send.py      what it does to the connection: delays, cuts, chunks that lie
tally.py     what was asked and said: the report and the record
serve.py     listening, HTTP, one request from its head to its entry in the tally"""

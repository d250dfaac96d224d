#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""If this fails, torture does not notice a host that publishes before it says so, before the gates or past them: three
programs that are wrong on purpose must be found out, and the program that is shipped must not, by the same flow and the
same points. Power cuts find the other wrong ones (tests/fault/cuts).

usage: test_wrong.py SOURCE BUILD"""
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import unittest

SOURCE, BUILD = sys.argv[1], sys.argv[2]
WRONG = os.path.join(BUILD, "tests", "fault", "torture", "wrong")
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("torture_tool", os.path.join(SOURCE, "tools", "torture"))
tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("torture_tool", loader))
loader.exec_module(tool)


class Wrong(unittest.TestCase):
    def setUp(self):
        tool.fixed_addresses()
        self.scratch = tempfile.TemporaryDirectory(prefix="viv-torture-")
        self.addCleanup(self.scratch.cleanup)

    def world(self, flow, name):
        world = tool.flows.World(os.path.join(self.scratch.name, name or "shipped"), BUILD, flow.where)
        flow.prepare(world)
        world.keep()
        if name:
            world.vivhost = os.path.join(WRONG, name, "vivhost")
        return world

    def unhurt(self, name):
        flow = tool.flows.Gates()
        return tool.unhurt(flow, self.world(flow, name))

    def disk_fills(self, name):
        """While it publishes and before: there is no room any more. What that finds, and then the person cancels."""
        flow, torture, found = tool.flows.Cancel(), tool.Torture(BUILD), []
        world = self.world(flow, name)
        calls = tool.count(torture, flow, world)["calls"]["full"]
        for percent in range(56, 88, 4):
            point = tool.Point("full", 0, calls * percent // 100, "ever")
            problems, account = tool.hurt(torture, flow, world, point)
            self.assertGreater(account["failed"], 0, f"{point} was not reached")
            found += [f"{point}: {problem}" for problem in problems]
        return found

    def test_shipped(self):
        self.assertEqual(self.unhurt(None), [])

    def test_shipped_where_the_disk_fills(self):
        self.assertEqual(self.disk_fills(None), [])

    def test_what_cannot_be_looked_at_is_said(self):
        """Not that a plugin is missing where nobody could look."""
        flow, torture = tool.flows.FLOWS["run"](), tool.Torture(BUILD)
        world = self.world(flow, None)
        report, names = tool.count(torture, flow, world), tool.Names(flow.program(world))
        places = [place for place, kind, _, _ in report["places"] if tool.KINDS[kind] == "io"
                  and "is_folder < plugin_folder" in names.chain(report["callers"][place])]
        if not places:
            self.skipTest("this build has no such functions of their own")
        problems, account = tool.hurt(torture, flow, world, tool.Point("io", places[0], 1, "once"))
        self.assertEqual(problems, [])
        self.assertIn("cannot look at", account["errors"])

    def test_intent_after_effect(self):
        found = self.disk_fills("intent_after_effect")
        signs = ("t1 is cancelled: the work of t1 is still there", "t1 is cancelled, and its commit is on the line")
        self.assertTrue(any(sign in text for text in found for sign in signs), found)

    def test_publish_before_gates(self):
        found = self.unhurt("publish_before_gates")
        self.assertTrue(any("verify-log" in text and "gates" in text for text in found), found)

    def test_gate_on_the_wrong_tree(self):
        found = self.unhurt("gate_on_wrong_tree")
        self.assertTrue(any("t1 is failed, expected ready" in text for text in found), found)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

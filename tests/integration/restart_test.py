"""kill -9 of worker or server at any stage, Ctrl-C once and twice: the same artifact bytes as an undisturbed run."""
import contextlib
import os
import pathlib
import select
import shutil
import signal
import subprocess

import support


class Restart(support.Case):
    arguments = ("run", "--model", support.TINY, "--corpus", support.CORPUS, "--max-chunks", 8, "--target-bpw", 3.5)

    @classmethod
    def setUpClass(cls):
        cls.undisturbed = None

    def reference(self):
        if Restart.undisturbed is None:
            out = self.directory / "reference"
            self.sub1quant(*self.arguments, "--out", out, "--state", self.directory / "reference state")
            Restart.undisturbed = self.artifact_bytes(out)
        return Restart.undisturbed

    def killed_once(self, point):
        """Runs the job with one process killed at a failpoint (`place=kill@passage`); it must end well and equal the reference."""
        name = point.split("=")[0]
        out, mark = self.directory / f"out-{name}", self.directory / f"mark-{name}"
        done = self.sub1quant(*self.arguments, "--out", out, "--state", self.directory / f"state-{name}",
                              environment={"SUB1QUANT_FAILPOINT": point, "SUB1QUANT_FAILPOINT_MARK": str(mark)})
        self.assertTrue(mark.exists(), f"nothing passed {point}")
        self.assertIn("signal 9", done.stderr)
        self.assertEqual(self.artifact_bytes(out), self.reference())

    def test_worker_killed(self):
        """The client restarts a dead worker and gives its leases back at once, so the job ends well in one command."""
        for passage in (3, 70, 130):  # in search, in pack, in scoring
            with self.subTest(passage):
                self.killed_once(f"worker.before_complete=kill@{passage}")
                shutil.rmtree(self.directory)
                self.directory.mkdir()

    def test_server_killed(self):
        for point in ("server.before_lease_commit=kill@3", "server.before_complete_commit=kill@5", "server.after_complete_commit=kill@70",
                      "server.before_stage_plan=kill@2", "server.after_stage_plan=kill@3", "server.before_seal=kill"):
            with self.subTest(point):
                self.killed_once(point)

    def test_killed_between_writing_and_renaming_a_blob(self):
        self.killed_once("blob.before_rename=kill@9")

    def interrupt(self, out, state, times, when="search"):
        """Starts the job, waits until `when` shows up in its progress, sends SIGINT `times` times; returns the exit code."""
        process = subprocess.Popen(self.command(*self.arguments, "--out", out, "--state", state), stderr=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, env=self.environment, cwd=self.directory)
        for line in process.stderr:
            if when in line:
                break
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        return process.returncode

    def children_of(self, state):
        """Processes that still name the state directory on their command line: id → command line."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(state).encode() in line:
                    found[int(entry.name)] = line
        return found

    def test_interrupted_once_then_resumed(self):
        out, state = self.directory / "out", self.directory / "state"
        self.assertEqual(self.interrupt(out, state, 1), 5)
        self.assertFalse((out / "artifact" / "manifest.json").exists())
        self.assertEqual(self.children_of(state), {})
        self.sub1quant(*self.arguments, "--out", out, "--state", state)
        self.assertEqual(self.artifact_bytes(out), self.reference())

    def test_interrupted_twice(self):
        out, state = self.directory / "out", self.directory / "state"
        self.assertNotEqual(self.interrupt(out, state, 2), 0)
        self.assertFalse((out / "artifact" / "manifest.json").exists())
        for child in self.children_of(state):
            with contextlib.suppress(ProcessLookupError):
                ended = os.pidfd_open(child)
                self.addCleanup(os.close, ended)
                select.select([ended], [], [], 30)
        self.assertEqual(self.children_of(state), {})
        self.sub1quant(*self.arguments, "--out", out, "--state", state)
        self.assertEqual(self.artifact_bytes(out), self.reference())

    def test_client_killed(self):
        """kill -9 of the command itself: its children end, and the same command again finishes the job."""
        out, state = self.directory / "out", self.directory / "state"
        process = subprocess.Popen(self.command(*self.arguments, "--out", out, "--state", state), stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, text=True, env=self.environment, cwd=self.directory)
        for line in process.stderr:
            if "search" in line:
                break
        process.kill()
        process.stderr.close()
        process.wait()
        self.sub1quant(*self.arguments, "--out", out, "--state", state)
        self.assertEqual(self.artifact_bytes(out), self.reference())

    def test_a_second_run_on_the_same_state_says_so(self):
        out, state = self.directory / "out", self.directory / "state"
        process = subprocess.Popen(self.command(*self.arguments, "--out", out, "--state", state), stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, text=True, env=self.environment, cwd=self.directory)
        for line in process.stderr:
            if "search" in line:
                break
        self.refused(*self.arguments, "--out", self.directory / "other", "--state", state, code=6, words=["state"])
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


if __name__ == "__main__":
    support.main()

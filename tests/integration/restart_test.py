"""kill -9 of worker or server at any stage, Ctrl-C once and twice: the same artifact bytes as an undisturbed run."""
import os
import pathlib
import signal
import subprocess
import time

import support

SERVER_POINTS = ["server.after_complete_commit", "server.before_complete_commit", "server.before_stage_plan", "server.after_stage_plan",
                 "server.before_seal"]


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

    def test_worker_killed(self):
        """The client restarts a dead worker and gives its leases back at once, so the job ends well in one command."""
        for name, point in (("search", "worker.before_complete=kill@3"), ("pack", "worker.before_complete=kill@70"),
                            ("blob", "file.before_rename=kill@5")):
            with self.subTest(name):
                out = self.directory / f"out-{name}"
                self.sub1quant(*self.arguments, "--out", out, "--state", self.directory / f"state-{name}",
                               environment={"SUB1QUANT_FAILPOINT": point})
                self.assertEqual(self.artifact_bytes(out), self.reference())

    def test_server_killed(self):
        for point in SERVER_POINTS:
            with self.subTest(point):
                out, state = self.directory / f"out-{point}", self.directory / f"state-{point}"
                self.sub1quant(*self.arguments, "--out", out, "--state", state, environment={"SUB1QUANT_FAILPOINT": f"{point}=kill@2"
                                                                                            if "seal" not in point else f"{point}=kill"})
                self.assertEqual(self.artifact_bytes(out), self.reference())

    def interrupt(self, out, state, times, when="search"):
        """Starts the job, waits until `when` shows up in its progress, sends SIGINT `times` times; returns the exit code."""
        process = subprocess.Popen(self.command(*self.arguments, "--out", out, "--state", state), stderr=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, env=self.environment, cwd=self.directory)
        for line in process.stderr:
            if when in line:
                break
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        process.stderr.read()
        return process.wait(timeout=60)

    def children_of(self, state):
        """Processes that still name the state directory on their command line."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(state).encode() in line:
                    found.append(line)
        return found

    def test_interrupted_once_then_resumed(self):
        out, state = self.directory / "out", self.directory / "state"
        self.assertEqual(self.interrupt(out, state, 1), 5)
        self.assertFalse((out / "artifact" / "manifest.json").exists())
        self.assertEqual(self.children_of(state), [])
        self.sub1quant(*self.arguments, "--out", out, "--state", state)
        self.assertEqual(self.artifact_bytes(out), self.reference())

    def test_interrupted_twice(self):
        out, state = self.directory / "out", self.directory / "state"
        self.assertNotEqual(self.interrupt(out, state, 2), 0)
        self.assertFalse((out / "artifact" / "manifest.json").exists())
        deadline = time.monotonic() + 30
        while self.children_of(state) and time.monotonic() < deadline:
            os.sched_yield()
        self.assertEqual(self.children_of(state), [])
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
        self.refused(*self.arguments, "--out", self.directory / "other", "--state", state, code=2, words=["state"])
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        process.wait(timeout=60)


if __name__ == "__main__":
    support.main()

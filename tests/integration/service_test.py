"""The service as on a fleet: server, workers and client as separate processes, with and without shared storage."""
import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request

import support


class Service(support.Case):
    def start(self, *command):
        process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True, env=self.environment)

        def stop():
            process.kill()
            process.wait()
            process.stderr.close()
        self.addCleanup(stop)
        return process

    def start_server(self, *arguments):
        server = self.start(support.BIN / "sub1quant-server", "--listen", "127.0.0.1:0", "--data", self.directory / "data",
                            "--model-root", f"models={support.TESTDATA}", "--metrics", "127.0.0.1:0", *arguments)
        found = {}
        for line in server.stderr:
            for name, pattern in (("address", r"listening on (127\.0\.0\.1:\d+)"), ("metrics", r"metrics on (?:http://)?(127\.0\.0\.1:\d+)")):
                match = re.search(pattern, line)
                if match:
                    found[name] = match.group(1)
            if len(found) == 2:
                break
        self.assertEqual(len(found), 2, found)
        self.environment["SUB1QUANT_SERVER"] = found["address"]
        return server, found["metrics"]

    def start_worker(self, name, *arguments):
        return self.start(support.BIN / "sub1quant-worker", "--server", self.environment["SUB1QUANT_SERVER"], "--name", name, "--threads", 1,
                          *arguments)

    def get(self, address, path):
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.read().decode()

    def test_a_job_over_two_workers_that_share_nothing(self):
        _, metrics = self.start_server()
        workers = [self.start_worker("a"), self.start_worker("b", "--model-root", f"models={support.TESTDATA}")]
        done = self.sub1quant("submit", "--model", "models/gemma4-tiny", "--corpus", support.CORPUS, "--max-chunks", 8, "--wait", "--json",
                              "--idempotency-key", "k1")
        job = json.loads(done.stdout)["job"]
        again = self.sub1quant("submit", "--model", "models/gemma4-tiny", "--corpus", support.CORPUS, "--max-chunks", 8, "--json",
                               "--idempotency-key", "k1")
        self.assertEqual(json.loads(again.stdout)["job"], job)
        out = self.directory / "out"
        self.sub1quant("download", job, "--out", out)
        self.sub1quant("verify", out)
        local = self.directory / "local"
        self.sub1quant("run", "--model", support.TINY, "--corpus", support.CORPUS, "--max-chunks", 8, "--out", local)
        self.assertEqual(self.artifact_bytes(out), self.artifact_bytes(local))
        reports = [json.loads((path / "report.json").read_text()) for path in (out, local)]
        self.assertEqual(reports[0]["perplexity"]["quantized"]["chunk_loss"], reports[1]["perplexity"]["quantized"]["chunk_loss"])
        self.assertEqual(self.get(metrics, "/healthz").strip()[:2].lower(), "ok")
        self.get(metrics, "/readyz")
        text = self.get(metrics, "/metrics")
        for name in ("sub1quant_leases_granted_total", "sub1quant_tasks_completed_total", "sub1quant_rpc_server_handled_total",
                     "sub1quant_jobs"):
            self.assertIn(name, text)
        self.assertNotIn(job, text)
        for command in (["jobs"], ["status", job], ["logs", job], ["report", job], ["watch", job], ["workers"]):
            self.sub1quant(*command)
        self.sub1quant("compare", out, local)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.stderr.read()
            self.assertEqual(worker.wait(timeout=60), 0)
        self.sub1quant("delete", job)
        self.refused("status", job, code=4, words=[job])

    def test_jobs_name_no_free_paths(self):
        self.start_server()
        for model in ("models/../data", "models//etc", "elsewhere/gemma4-tiny", "/etc"):
            with self.subTest(model):
                self.refused("submit", "--model", model, "--no-eval", "--wait", words=[])

    def test_a_failed_job_is_not_a_missing_one(self):
        self.start_server()
        done = self.sub1quant("submit", "--model", "models/wikitext-2", "--no-eval", "--json")
        job = json.loads(done.stdout)["job"]
        self.refused("watch", job, code=1, words=["safetensors"])
        self.refused("watch", "0" * 32, code=4)
        stages = json.loads(self.sub1quant("status", job, "--json").stdout)["stages"]
        self.assertLess(sum(stage["seconds"] for stage in stages), 60)

    def await_line(self, process, text):
        """Reads what the process says on stderr up to the line that has `text`."""
        patience = threading.Timer(120, process.kill)
        patience.start()
        lines = []
        for line in process.stderr:
            lines.append(line)
            if text in line:
                break
        patience.cancel()
        self.assertTrue(lines and text in lines[-1], f"not said: {text}\n{''.join(lines)}")

    def test_a_worker_whose_task_hangs_ends_with_75_and_the_next_one_does_the_work(self):
        _, metrics = self.start_server()
        job = json.loads(self.sub1quant("submit", "--model", "models/gemma4-tiny", "--no-eval", "--json").stdout)["job"]
        self.environment["SUB1QUANT_FAILPOINT"] = "worker.execute=hang@3"
        hung = self.start_worker("hung", "--stall-seconds", 1)
        self.assertIn("stalled", hung.stderr.read())
        self.assertEqual(hung.wait(timeout=60), 75)
        del self.environment["SUB1QUANT_FAILPOINT"]
        self.start_worker("next")
        self.sub1quant("watch", job)
        self.assertIn('sub1quant_worker_exits_total{reason="stalled"} 1', self.get(metrics, "/metrics"))

    def test_a_full_disk_holds_the_job_up_and_charges_nothing(self):
        """Blobs and store on one small file system that is full when the worker begins."""
        if os.geteuid() != 0:
            self.skipTest("mounting a small file system needs root")
        data = self.directory / "data"
        data.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", data], capture_output=True).returncode != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(data)])
        server, metrics = self.start_server()
        drain = threading.Thread(target=server.stderr.read, daemon=True)
        drain.start()
        job = json.loads(self.sub1quant("submit", "--model", "models/gemma4-tiny", "--no-eval", "--json").stdout)["job"]
        self.await_line(self.start(*self.command("watch", job)), "inspect: done")
        ballast = data / "ballast"
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        worker = self.start_worker("w")
        self.await_line(worker, "the server has no room")
        with self.assertRaises(urllib.error.HTTPError) as refusal:
            self.get(metrics, "/readyz")
        self.assertEqual(refusal.exception.code, 503)
        refusal.exception.close()
        self.assertIn("running", self.sub1quant("status", job).stdout)
        ballast.unlink()
        self.await_line(worker, "the server has room again")
        self.assertEqual(self.get(metrics, "/readyz").strip(), "ok")
        threading.Thread(target=worker.stderr.read, daemon=True).start()
        self.sub1quant("watch", job)
        text = self.get(metrics, "/metrics")
        self.assertNotIn("sub1quant_attempts_failed_total{", text)
        self.assertNotIn('state="quarantined"', text)
        self.sub1quant("download", job, "--out", self.directory / "out")
        self.sub1quant("verify", self.directory / "out")

    def test_a_taken_port_is_one_line(self):
        self.start_server()
        done = subprocess.run([support.BIN / "sub1quant-server", "--listen", self.environment["SUB1QUANT_SERVER"], "--data",
                               self.directory / "other"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Asub1quant-server: error: cannot listen on 127[^\n]*\n\Z")

    def test_an_error_does_not_tell_where_models_lie(self):
        self.start_server()
        self.start_worker("w", "--model-root", f"models={support.TESTDATA}")
        job = json.loads(self.sub1quant("submit", "--model", "models/wikitext-2", "--no-eval", "--json").stdout)["job"]
        done = self.sub1quant("watch", job, code=1)
        self.assertNotIn(str(support.TESTDATA), done.stdout + done.stderr)
        done = self.sub1quant("submit", "--model", "models/none", "--no-eval", code=4)
        self.assertIn("models/none", done.stderr)
        self.assertNotIn(str(support.TESTDATA), done.stderr)

    def test_server_killed_and_restarted_under_a_waiting_client(self):
        server, _ = self.start_server()
        address = self.environment["SUB1QUANT_SERVER"]
        submitted = self.sub1quant("submit", "--model", "models/gemma4-tiny", "--no-eval", "--json")
        job = json.loads(submitted.stdout)["job"]
        server.kill()
        server.wait()
        restarted = self.start(support.BIN / "sub1quant-server", "--listen", address, "--data", self.directory / "data", "--model-root",
                               f"models={support.TESTDATA}")
        for line in restarted.stderr:
            if "listening on" in line:
                break
        self.start_worker("a")
        self.sub1quant("watch", job)
        self.assertEqual(json.loads(self.sub1quant("status", job, "--json").stdout)["state"].lower(), "succeeded")


class Dependencies(support.Case):
    def needed(self, name):
        done = subprocess.run(["ldd", support.BIN / name], capture_output=True, text=True, check=True)
        return done.stdout

    def test_server_and_client_link_neither_libtorch_nor_cuda(self):
        for name in ("sub1quant", "sub1quant-server"):
            for library in ("torch", "libc10", "cuda", "cublas", "cupti"):
                self.assertNotIn(library, self.needed(name), name)
        self.assertIn("libtorch_cpu", self.needed("sub1quant-worker"))
        self.assertNotIn("libtorch_cuda", self.needed("sub1quant-worker"))

    def test_versions(self):
        for name in ("sub1quant", "sub1quant-server", "sub1quant-worker"):
            done = subprocess.run([support.BIN / name, "--version"], capture_output=True, text=True, check=True)
            self.assertRegex(done.stdout, r"\d+\.\d+\.\d+.*commit")


if __name__ == "__main__":
    support.main()

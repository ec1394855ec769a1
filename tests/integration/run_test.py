"""`sub1quant run` from a model directory to a measured checkpoint, against numbers from Hugging Face transformers."""
import hashlib
import json
import shutil
import struct
import subprocess

import support


class Run(support.Case):
    def report(self, out):
        return json.loads((out / "report.json").read_text())

    def check_losses(self, losses, golden, count):
        self.assertEqual(len(losses), count)
        for i, loss in enumerate(losses):
            self.assertAlmostEqual(loss, golden[i], delta=2e-5, msg=f"window {i}")

    def test_the_main_job(self):
        out = self.directory / "out"
        done = self.sub1quant("run", "--model", support.TINY, "--corpus", support.CORPUS, "--max-chunks", 24, "--out", out)
        report = self.report(out)
        names = {path.name for path in out.iterdir()}
        self.assertLessEqual({"checkpoint.pt", "artifact", "scan.json", "eval_base.json", "eval_quantized.json", "report.json",
                              "report.html"}, names)
        self.assertIn("bits per weight", done.stdout)
        self.assertEqual(report["model"]["quantizable_tensors"], 64)
        self.assertEqual(report["model"]["quantizable_parameters"], 3022848)
        # What the published recipe gives on this model (tests/testdata/gemma4-tiny-golden/README.md).
        self.assertEqual(report["allocation"]["average_bpw"], 3.9993224932249323)
        self.assertEqual(report["allocation"]["method_counts"], {"groupwise_int4": 58, "int2_binary_residual": 6})
        self.assertEqual(report["tokens"]["count"], 453254)
        self.assertEqual(report["tokens"]["sha256_int32_le"], support.golden("tokens.json")["canonical"]["sha256_int32_le"])
        base, quantized = report["perplexity"]["base"], report["perplexity"]["quantized"]
        full = support.golden("perplexity_full.json")["runs"]
        self.check_losses(base["chunk_loss"], support.golden("perplexity.json")["runs"]["float32"]["published"]["losses"], 24)
        self.check_losses(quantized["chunk_loss"], full["mixed_4.0"]["published"]["losses"], 24)
        applied = [tensor["applied"] for tensor in report["allocation"]["tensors"]]
        self.assertEqual((applied.count("replaced"), applied.count("skipped")), (58, 6))
        evaluation = json.loads((out / "eval_quantized.json").read_text())
        self.assertEqual(evaluation["apply_stats"], {"replaced": 58, "skipped": 6, "missing": 0, "shape_mismatches": 0})
        self.sub1quant("verify", out)

    def test_two_runs_give_the_same_artifact(self):
        arguments = ("run", "--model", support.TINY, "--no-eval", "--target-bpw", 3.5)
        self.sub1quant(*arguments, "--out", self.directory / "a", "--label", "one", "--workers", 1, "--threads", 1)
        self.sub1quant(*arguments, "--out", self.directory / "b", "--label", "two", "--workers", 2, "--threads", 2,
                       "--state", self.directory / "other state")
        a, b = self.artifact_bytes(self.directory / "a"), self.artifact_bytes(self.directory / "b")
        self.assertGreater(len(a), 10)
        self.assertEqual(a.keys(), b.keys())
        for path in a:
            self.assertEqual(hashlib.sha256(a[path]).hexdigest(), hashlib.sha256(b[path]).hexdigest(), path)

    def test_several_targets_share_one_search(self):
        out = self.directory / "out"
        done = self.sub1quant("run", "--model", support.TINY, "--no-eval", "--target-bpw", 3, "--target-bpw", 3.5, "--target-bpw", 4,
                              "--out", out)
        self.assertLess(done.stdout.index("target 3.0000"), done.stdout.index("target 3.5000"))
        averages = []
        for name in ("target-3", "target-4"):
            averages.append(json.loads((out / name / "report.json").read_text())["allocation"]["average_bpw"])
            self.assertTrue((out / name / "checkpoint.pt").exists())
        self.assertLessEqual(averages[0], 3)
        self.assertLessEqual(averages[1], 4)
        self.assertGreater(averages[1], averages[0])

    def test_uniform_checkpoint_and_evaluate(self):
        out = self.directory / "out"
        self.sub1quant("run", "--model", support.TINY, "--corpus", support.CORPUS, "--max-chunks", 8, "--uniform", "int2_base",
                       "--no-baseline", "--out", out)
        report = self.report(out)
        scan = json.loads((out / "scan.json").read_text())
        self.assertEqual([[candidate["method"] for candidate in layer["candidates"]] for layer in scan["layers"]],
                         [["int2_base"]] * report["model"]["quantizable_tensors"])
        golden = support.golden("perplexity.json")["runs"]["int2_base"]
        self.check_losses(report["perplexity"]["quantized"]["chunk_loss"], golden["published"]["losses"], 8)
        # The same numbers when the checkpoint, and the artifact, are scored on their own.
        for checkpoint in (out / "checkpoint.pt", out / "artifact"):
            done = self.sub1quant("evaluate", "--model", support.TINY, "--checkpoint", checkpoint, "--corpus", support.CORPUS,
                                  "--max-chunks", 8, "--json")
            again = json.loads(done.stdout)["perplexity"]["quantized"]
            self.assertEqual(again["chunk_loss"], report["perplexity"]["quantized"]["chunk_loss"])
            self.assertEqual(again["bos_per_window"], report["perplexity"]["quantized"]["bos_per_window"])

    def test_memory_reaches_the_workers(self):
        """With a worker that writes its command line down. Read layer by layer, the model has the same losses."""
        programs = self.directory / "bin"
        programs.mkdir()
        shutil.copy(support.BIN / "sub1quant", programs)
        (programs / "sub1quant-server").symlink_to(support.BIN / "sub1quant-server")
        worker = programs / "sub1quant-worker"
        worker.write_text(f"""#!/bin/sh\necho "$@" >> '{self.directory}/arguments'\nexec '{support.BIN}/sub1quant-worker' "$@"\n""")
        worker.chmod(0o755)
        arguments = ["evaluate", "--model", support.TINY, "--corpus", support.CORPUS, "--max-chunks", "2", "--json"]
        done = subprocess.run([programs / "sub1quant", *arguments, "--memory", "1M"], env=self.environment, capture_output=True, text=True,
                              check=True, cwd=self.directory)
        self.assertIn("--memory 1048576", (self.directory / "arguments").read_text())
        other = self.sub1quant(*arguments, "--state", self.directory / "other state")
        self.assertNotIn("from earlier results", other.stderr)
        self.assertEqual(*(json.loads(text)["perplexity"]["base"]["chunk_loss"] for text in (done.stdout, other.stdout)))

    def test_the_integer_family(self):
        """Searched, packed, scored; the checkpoint gives the same numbers, and the same artifact when it is imported."""
        out = self.directory / "out"
        self.sub1quant("run", "--model", support.TINY, "--corpus", support.CORPUS, "--max-chunks", 2, "--formats", "integer",
                       "--target-bpw", 4.3, "--pin", "layers.0.mlp=int2", "--no-baseline", "--out", out)
        report = self.report(out)
        methods = {tensor["key"]: tensor["method"] for tensor in report["allocation"]["tensors"]}
        self.assertLessEqual(set(methods.values()), {"int2", "int3", "int4", "int5", "int6", "int8"})
        self.assertEqual({method for key, method in methods.items() if "layers.0.mlp" in key}, {"int2"})
        self.assertIn("int4", methods.values())
        self.assertGreater(len(set(methods.values())), 2)
        self.assertLessEqual(report["allocation"]["average_bpw"], 4.3)
        self.sub1quant("verify", out)
        imported = self.directory / "imported"
        self.sub1quant("import", out / "checkpoint.pt", "--model", support.TINY, "--out", imported)
        # A blob is named after its digest.
        self.assertEqual({path.name for path in (imported / "blobs").iterdir()},
                         {path.name for path in (out / "artifact" / "blobs").iterdir()})
        done = self.sub1quant("evaluate", "--model", support.TINY, "--checkpoint", out / "checkpoint.pt", "--corpus", support.CORPUS,
                              "--max-chunks", 2, "--json")
        again = json.loads(done.stdout)["perplexity"]["quantized"]
        self.assertEqual(again["chunk_loss"], report["perplexity"]["quantized"]["chunk_loss"])
        self.sub1quant("export", imported, "--to", "dense", "--model", support.TINY, "--out", self.directory / "dense")
        self.sub1quant("export", imported, "--to", "pt", "--model", support.TINY, "--out", self.directory / "again.pt")
        self.sub1quant("verify", self.directory / "again.pt")

    def test_a_damaged_checkpoint_is_not_scored(self):
        """Also when the state directory knows the answer of the whole one."""
        out = self.directory / "out"
        self.sub1quant("run", "--model", support.TINY, "--no-eval", "--uniform", "int2_base", "--out", out)
        evaluate = ("evaluate", "--model", support.TINY, "--checkpoint", out, "--corpus", support.CORPUS, "--max-chunks", 2)
        self.sub1quant(*evaluate)
        next((out / "artifact" / "blobs").iterdir()).unlink()
        self.assertNotEqual(subprocess.run(self.command(*evaluate), env=self.environment, capture_output=True).returncode, 0)

    def test_dense_export_holds_the_reconstruction(self):
        self.sub1quant("run", "--model", support.TINY, "--no-eval", "--uniform", "int2_error_budget_k4", "--out",
                       self.directory / "out")
        dense = self.directory / "dense"
        self.sub1quant("export", self.directory / "out" / "artifact", "--to", "dense", "--model", support.TINY, "--out", dense)
        ours, source = support.read_safetensors(dense / "model.safetensors"), support.read_safetensors(support.TINY / "model.safetensors")
        golden = support.golden("quantized_weights.json")
        self.assertEqual(ours.keys(), source.keys())
        for key in golden["order"]:
            self.assertEqual(hashlib.sha256(ours[key][2]).hexdigest(),
                             golden["detail"][key]["int2_error_budget_k4"]["bf16_sha256"], key)
        for key in source.keys() - set(golden["order"]):
            self.assertEqual(ours[key], source[key], key)

    def test_unused_matrices_change_no_bit(self):
        """The K and V of layers that share another layer's keys and values are stored but never used."""
        model = self.directory / "model"
        shutil.copytree(support.TINY, model)
        (model / "model.safetensors").unlink()
        tensors = support.read_safetensors(support.TINY / "model.safetensors")
        changed = 0
        for key, (dtype, shape, data) in tensors.items():
            if any(f"layers.{layer}.self_attn.{name}" in key for layer in (4, 5, 6) for name in ("k_proj", "v_proj", "k_norm")):
                values = struct.unpack(f"<{len(data) // 2}H", data)
                tensors[key] = (dtype, shape, struct.pack(f"<{len(values)}H", *(value ^ 0x40 for value in values)))
                changed += 1
        self.assertEqual(changed, 9)
        support.write_safetensors(model / "model.safetensors", tensors)
        losses = []
        for path in (support.TINY, model):
            done = self.sub1quant("evaluate", "--model", path, "--corpus", support.CORPUS, "--max-chunks", 4, "--json")
            losses.append(json.loads(done.stdout)["perplexity"]["base"]["chunk_loss"])
        self.assertEqual(losses[0], losses[1])

    @staticmethod
    def weights_sha256(report):
        """As docs/interface.md says, from the model: all quantizable matrices, whatever became of them."""
        known = report["allocation"]["tensors"] + report["allocation"]["kept"]
        keys = {tensor["key"] for tensor in known}
        tensors = support.read_safetensors(support.TINY / "model.safetensors")
        lines = [f"{key} {dtype} [{shape[0]},{shape[1]}] {hashlib.sha256(data).hexdigest()}\n"
                 for key, (dtype, shape, data) in tensors.items() if key in keys]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def test_the_report_reproduces_the_job(self):
        """Pins, exclusions and a fixed allocation: the specification in a report, run again, gives the same artifact."""
        first = self.directory / "first"
        done = self.sub1quant("run", "--model", support.TINY, "--no-eval", "--target-bpw", 5, "--pin", "q_proj=keep", "--pin",
                              r"layers\.0\.mlp=groupwise_int4", "--exclude", "v_proj", "--exclude", "no_such", "--out", first)
        report = self.report(first)
        warning = "--exclude no_such matches none of the 64 quantizable matrices"
        self.assertIn(warning, report["warnings"])
        self.assertIn(f"warning: {warning}", done.stderr)
        self.assertEqual(report["model"]["weights_sha256"], self.weights_sha256(report))
        methods = {tensor["key"]: tensor["method"] for tensor in report["allocation"]["tensors"]}
        self.assertFalse([key for key in methods if "q_proj" in key or "v_proj" in key])
        self.assertEqual({method for key, method in methods.items() if "layers.0.mlp" in key}, {"groupwise_int4"})
        self.assertLessEqual(report["allocation"]["average_bpw"], 5)
        specification = self.directory / "specification.json"
        specification.write_text(json.dumps(report["specification"]))
        self.sub1quant("run", "--spec", specification, "--model", support.TINY, "--out", self.directory / "second")
        self.assertEqual(self.artifact_bytes(first), self.artifact_bytes(self.directory / "second"))


if __name__ == "__main__":
    support.main()

"""Bad input: a clear one-line error with the right exit code, nothing half-written."""
import json
import os
import shutil
import struct
import subprocess


import support


class BadInput(support.Case):
    def setUp(self):
        super().setUp()
        self.model = self.directory / "model"
        shutil.copytree(support.TINY, self.model)
        for path in self.model.iterdir():
            path.chmod(0o644)
        self.weights = self.model / "model.safetensors"
        self.out = self.directory / "out"

    def run_refused(self, *arguments, code=2, words=()):
        """`run` on self.model must end with `code` and one line that holds `words`, and leave no output."""
        self.refused("run", "--model", self.model, "--out", self.out, *arguments, code=code, words=words)
        self.assertFalse(self.out.exists() and list(self.out.rglob("*")), "something was left in --out")

    def scoring_refused(self, *arguments, words=()):
        self.run_refused("--corpus", support.CORPUS, *arguments, words=words)

    def change_config(self, **fields):
        path = self.model / "config.json"
        config = json.loads(path.read_text())
        config["text_config"].update(fields)
        path.write_text(json.dumps(config))

    def change_tensor(self, part, change):
        tensors = support.read_safetensors(self.weights)
        key = next(key for key in tensors if part in key)
        dtype, shape, data = tensors[key]
        tensors[key] = (dtype, shape, change(data))
        support.write_safetensors(self.weights, tensors)
        return key

    # The model.

    def test_missing_model(self):
        self.refused("run", "--model", self.directory / "nowhere", "--no-eval", "--out", self.out, code=4, words=["nowhere"])

    def test_no_safetensors(self):
        self.weights.unlink()
        self.run_refused("--no-eval", code=4, words=["safetensors"])

    def test_truncated(self):
        data = self.weights.read_bytes()
        self.weights.write_bytes(data[:-1000])
        self.run_refused("--no-eval", words=["model.safetensors"])

    def test_header_lies(self):
        data = self.weights.read_bytes()
        for name, changed in {
                "huge length": struct.pack("<Q", 1 << 62) + data[8:],
                "not JSON": data[:8] + b"!" + data[9:],
                "empty": b"",
                "trailing": data + b"x",
        }.items():
            with self.subTest(name):
                self.weights.write_bytes(changed)
                self.run_refused("--no-eval", words=["model.safetensors"])

    def test_duplicate_key(self):
        text = b'{"a.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"a.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}}'
        self.weights.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 8)
        self.run_refused("--no-eval", words=["a.weight"])

    def test_unknown_dtype(self):
        text = b'{"a.weight":{"dtype":"F13","shape":[1,1],"data_offsets":[0,4]}}'
        self.weights.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
        self.run_refused("--no-eval", words=["F13"])

    def test_nan(self):
        def put_nan(data):
            return data[:514] + struct.pack("<H", 0x7FC0) + data[516:]
        key = self.change_tensor("layers.1.mlp.up_proj", put_nan)
        self.run_refused("--no-eval", code=1, words=[key, "NaN"])

    def test_scale_overflow(self):
        key = self.change_tensor("layers.1.mlp.up_proj", lambda data: struct.pack("<H", 0x4C00) + data[2:])
        self.run_refused("--no-eval", code=1, words=[key])

    def test_nothing_to_quantize(self):
        tensors = support.read_safetensors(self.weights)
        support.write_safetensors(self.weights, {key: value for key, value in tensors.items() if "norm" in key})
        self.run_refused("--no-eval", words=["quantiz"])

    def test_unsupported_config(self):
        self.change_config(enable_moe_block=True)
        self.scoring_refused(words=["enable_moe_block"])

    def test_unsupported_config_without_scoring_is_a_warning(self):
        self.change_config(enable_moe_block=True)
        done = self.sub1quant("run", "--model", self.model, "--no-eval", "--out", self.out)
        self.assertIn("enable_moe_block", done.stderr + done.stdout)

    def test_missing_tensor(self):
        tensors = support.read_safetensors(self.weights)
        key = next(key for key in tensors if key.endswith("layers.3.self_attn.q_norm.weight"))
        del tensors[key]
        support.write_safetensors(self.weights, tensors)
        self.refused("run", "--model", self.model, "--out", self.out, "--corpus", support.CORPUS, "--max-chunks", 2, code=2, words=[key])

    # Tokenizer and corpus.

    def test_tokenizer_of_another_kind(self):
        path = self.model / "tokenizer.json"
        tokenizer = json.loads(path.read_text())
        tokenizer["model"]["type"] = "WordPiece"
        path.write_text(json.dumps(tokenizer))
        self.scoring_refused(words=["WordPiece"])

    def test_shape_that_contradicts_the_configuration(self):
        """Once found by the first worker that loaded the model, after the whole search."""
        tensors = support.read_safetensors(self.weights)
        key = "model.language_model.layers.0.self_attn.q_proj.weight"
        dtype, shape, data = tensors[key]
        tensors[key] = (dtype, shape[::-1], data)
        support.write_safetensors(self.weights, tensors)
        self.scoring_refused(words=[key, "[256,128]", "[128,256]"])
        done = self.sub1quant("inspect", self.model)
        self.assertIn(f"this model cannot be scored: tensor '{key}' has shape [256,128]", done.stdout)

    def test_missing_tokenizer(self):
        (self.model / "tokenizer.json").unlink()
        self.scoring_refused(words=["tokenizer.json"])

    def corpus(self, data):
        path = self.directory / "corpus.txt"
        path.write_bytes(data)
        return path

    def test_bad_corpora(self):
        for data, words in ((b"abc\xff", ["UTF-8"]), (b"", ["empty"])):
            with self.subTest(data):
                self.run_refused("--corpus", self.corpus(data), words=words)
        self.run_refused("--corpus", self.directory / "none.txt", code=4, words=["none.txt"])

    def test_last_chunk_of_one_token(self):
        # Window 4: "<bos> a a a a" is 5 tokens when each "a" is one, so the second chunk has one token.
        text = b"\n\n a\n\n a"
        for repeat in range(1, 6):
            path = self.corpus(text * repeat)
            done = subprocess.run(self.command("run", "--model", self.model, "--out", self.out, "--corpus", path, "--window", "2",
                                               "--stride", "2"), capture_output=True, text=True, env=self.environment)
            if done.returncode == 2:
                self.assertIn("--max-chunks", done.stderr)
                self.assertFalse(self.out.exists() and list(self.out.rglob("*")))
                return
            shutil.rmtree(self.out, ignore_errors=True)
        self.fail("no corpus had an odd number of tokens")

    # Options.

    def test_target_below_the_reachable(self):
        self.run_refused("--no-eval", "--target-bpw", "1.5", words=["1.5", "2.13"])

    def test_options(self):
        for arguments, words in ((["--formats", "int9"], ["int9", "integer", "int8"]), (["--uniform", "nonsense"], ["nonsense"]),
                                 (["--group-size", "100"], ["100"]), (["--target-bpw", "-1"], ["-1"]),
                                 (["--target-bpw", "nan"], ["nan"]), (["--allocator", "best"], ["best"]),
                                 (["--window", "1"], ["window"]), (["--dtype", "float8"], ["float8"]),
                                 (["--threads", "0"], ["--threads 0"]), (["--workers", "0"], ["--workers 0"]),
                                 (["--window", "99999999999999999999"], ["99999999999999999999"]),
                                 (["--pin", "x"], ["x"]), (["--pin", "(=keep"], ["("])):
            with self.subTest(arguments):
                self.run_refused("--no-eval", *arguments, words=words)

    def test_text_that_is_not_utf8(self):
        """A label that protobuf cannot carry once ended in an empty error message."""
        self.run_refused("--no-eval", "--label", os.fsdecode(b"\xff\xfe"), words=["label", "UTF-8"])

    def test_device_of_later_versions(self):
        self.run_refused("--no-eval", "--device", "cuda", words=["cuda"])

    def test_mistyped_key_of_a_configuration_file(self):
        (self.directory / "bad.toml").write_text('lisen = "127.0.0.1:0"\n')
        done = subprocess.run([support.BIN / "sub1quant-server", "--config", self.directory / "bad.toml", "--data", self.directory / "d"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("lisen", done.stderr)

    def test_no_corpus(self):
        self.run_refused(words=["--corpus"])

    def test_refused_by_name(self):
        for model in ("s3://bucket/model", "https://example.org/model"):
            self.refused("run", "--model", model, "--no-eval", "--out", self.out, words=[model.split(":")[0]])
        for target in ("gguf", "compressed-tensors"):
            self.refused("export", self.directory, "--to", target, "--out", self.out, words=[target])

    # The output directory.

    def test_output_in_use(self):
        self.out.mkdir()
        (self.out / "mine").write_text("precious")
        self.refused("run", "--model", self.model, "--no-eval", "--out", self.out, words=["not empty"])
        self.assertEqual(self.tree(self.out), {"mine": b"precious"})

    def test_output_not_writable(self):
        # Root writes anywhere, so the place is one where nobody can: a file where a directory should be.
        (self.directory / "file").write_text("x")
        self.refused("run", "--model", self.model, "--no-eval", "--out", self.directory / "file" / "out", code=2, words=["file"])

    def small_disk(self, size):
        if os.geteuid() != 0:
            self.skipTest("mounting a small file system needs root")
        small = self.directory / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", small], capture_output=True).returncode != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(small)])
        return small

    def test_full_disk(self):
        out = self.small_disk("300k") / "out"
        done = self.sub1quant("run", "--model", self.model, "--no-eval", "--out", out, code=1)
        self.assertIn("No space left", done.stderr)
        self.assertFalse((out / "artifact" / "manifest.json").exists())

    def test_full_state_directory(self):
        """A `run` once waited forever for room in its state directory, without a word."""
        state = self.small_disk("700k") / "state"
        done = self.sub1quant("run", "--model", self.model, "--no-eval", "--out", self.out, "--state", state, code=1, timeout=120)
        self.assertIn("No space left", done.stderr)
        self.assertFalse((self.out / "artifact" / "manifest.json").exists())

    # Checkpoints.

    def test_foreign_global(self):
        import pickle
        import zipfile

        class Evil:
            def __reduce__(self):
                return os.system, (f"touch '{self.marker}'",)
        evil = Evil()
        evil.marker = self.directory / "pwned"
        path = self.directory / "evil.pt"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"quantized": evil}, protocol=2))
            archive.writestr("archive/version", "3\n")
        for arguments in (("inspect", path), ("import", path, "--model", self.model, "--out", self.out), ("verify", path)):
            self.refused(*arguments, code=1, words=["system"])
        self.assertFalse(evil.marker.exists())

    def test_damaged_artifact(self):
        self.sub1quant("run", "--model", self.model, "--no-eval", "--out", self.out)
        blob = next((self.out / "artifact" / "blobs").iterdir())
        data = bytearray(blob.read_bytes())
        data[-1] ^= 1
        blob.chmod(0o644)
        blob.unlink()  # the file may be a hard link into the state directory
        blob.write_bytes(data)
        done = self.sub1quant("verify", self.out, code=1)
        self.assertIn(blob.name, done.stdout + done.stderr)

    # The service.

    def test_server_unreachable(self):
        socket = f"unix:{self.directory}/none.sock"
        self.refused("jobs", "--server", socket, code=3, words=[socket])

    def test_port_in_use(self):
        import socket
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = subprocess.run([support.BIN / "sub1quant-server", "--listen", f"127.0.0.1:{port}", "--data", self.directory / "data"],
                                  capture_output=True, text=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(port), done.stderr)

    def test_open_address_without_tls(self):
        done = subprocess.run([support.BIN / "sub1quant-server", "--listen", "0.0.0.0:0", "--data", self.directory / "data"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("0.0.0.0", done.stderr)

    def test_later_server_options_are_refused_by_name(self):
        for arguments in (["--store", "postgres://db/x"], ["--blobs", "s3://bucket"], ["--tls-cert", "x"], ["--tls-key", "x"],
                          ["--client-ca", "x"], ["--tokens", "x"]):
            with self.subTest(arguments):
                done = subprocess.run([support.BIN / "sub1quant-server", "--listen", "127.0.0.1:0", "--data", self.directory / "data",
                                       *arguments], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 2)
                self.assertIn(arguments[0], done.stderr)


if __name__ == "__main__":
    support.main()

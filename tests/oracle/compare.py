"""Makes random Gemma 4 models of several shapes, runs `sub1quant run` on them, and compares with PyTorch and transformers:
every array of every checkpoint entry byte for byte, reconstructions through the dense export, per-window losses of base and
quantized model, and perplexities to 1e-4 (float32) and 2e-4 (bfloat16).

    compare.py BIN_DIR [CASE…]
"""
import copy
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy
import safetensors.torch
import torch
import transformers

import encoders

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "testdata" / "gemma4-tiny"
TEXT = ROOT / "tests" / "testdata" / "wikitext-2" / "wiki.test.raw"

CASES = {
    # name: (changes of gemma4-tiny's text_config, options of run, chunks)
    "tiny-bf16": ({}, ["--dtype", "bfloat16"], 64),
    "tiny-g32": ({}, ["--group-size", "32", "--target-bpw", "4.2"], 8),
    "unaligned": (dict(hidden_size=200, intermediate_size=328, head_dim=24, global_head_dim=40, hidden_size_per_layer_input=24),
                  ["--group-size", "64", "--target-bpw", "3.9"], 6),
    "no-sharing": (dict(num_kv_shared_layers=0, use_double_wide_mlp=False, sliding_window=37), ["--target-bpw", "3.6"], 6),
    "wide-group": (dict(num_attention_heads=6, num_key_value_heads=3, num_kv_shared_layers=2), ["--group-size", "256", "--target-bpw",
                                                                                                "3.3"], 6),
    # transformers 5.23 fails on shared K/V without per-layer inputs; no published model has that.
    "no-ple": (dict(hidden_size_per_layer_input=0, num_kv_shared_layers=0, use_double_wide_mlp=False, sliding_window=600), 
               ["--window", "300", "--stride", "300"], 6),
    "integer": ({}, ["--formats", "integer", "--target-bpw", "4.3"], 8),
    "integer-uniform": ({}, ["--uniform", "int2"], 4),
    "integer-unaligned": (dict(hidden_size=200, intermediate_size=328, head_dim=24, global_head_dim=40, hidden_size_per_layer_input=24),
                          ["--formats", "integer,groupwise_int4", "--group-size", "32", "--target-bpw", "5.1",
                           "--pin", "k_proj=int8", "--pin", "v_proj=int5"], 6),
    "stride": ({}, ["--window", "256", "--stride", "100", "--target-bpw", "4.0"], 8),
}


def make_model(directory, changes, seed):
    """Random weights in the published layout (prefix model.language_model.), realistic enough that losses are not absurd."""
    config = json.loads((TINY / "config.json").read_text())
    text = config["text_config"]
    text.update(changes)
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TINY / name, directory)
    if not changes:
        shutil.copy(TINY / "model.safetensors", directory)
        return
    generator = torch.Generator().manual_seed(seed)
    layers, hidden, ple = text["num_hidden_layers"], text["hidden_size"], text["hidden_size_per_layer_input"]
    first_shared = layers - text["num_kv_shared_layers"]
    tensors = {}

    def matrix(name, rows, cols):
        heavy = torch.randn(rows, cols, generator=generator) * torch.exp(0.5 * torch.randn(rows, 1, generator=generator))
        tensors[name] = (heavy / math.sqrt(cols)).bfloat16()

    def norm(name, size):
        tensors[name] = (1 + 0.2 * torch.randn(size, generator=generator)).bfloat16()

    p = "model.language_model."
    matrix(p + "embed_tokens.weight", text["vocab_size"], hidden)
    norm(p + "norm.weight", hidden)
    if ple:
        matrix(p + "embed_tokens_per_layer.weight", text["vocab_size_per_layer_input"], layers * ple)
        matrix(p + "per_layer_model_projection.weight", layers * ple, hidden)
        norm(p + "per_layer_projection_norm.weight", ple)
    for i in range(layers):
        l = f"{p}layers.{i}."
        full = text["layer_types"][i] == "full_attention"
        d = text["global_head_dim"] if full else text["head_dim"]
        q, kv = text["num_attention_heads"] * d, text["num_key_value_heads"] * d
        wide = 2 if text["use_double_wide_mlp"] and i >= first_shared else 1
        width = text["intermediate_size"] * wide
        matrix(l + "self_attn.q_proj.weight", q, hidden)
        matrix(l + "self_attn.k_proj.weight", kv, hidden)
        matrix(l + "self_attn.v_proj.weight", kv, hidden)
        matrix(l + "self_attn.o_proj.weight", hidden, q)
        matrix(l + "mlp.gate_proj.weight", width, hidden)
        matrix(l + "mlp.up_proj.weight", width, hidden)
        matrix(l + "mlp.down_proj.weight", hidden, width)
        norm(l + "self_attn.q_norm.weight", d)
        norm(l + "self_attn.k_norm.weight", d)
        names = ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]
        if ple:
            matrix(l + "per_layer_input_gate.weight", ple, hidden)
            matrix(l + "per_layer_projection.weight", hidden, ple)
            names.append("post_per_layer_input_norm")
        for name in names:
            norm(l + name + ".weight", hidden)
        tensors[l + "layer_scalar"] = torch.tensor([0.7 + 0.4 * torch.rand(1, generator=generator).item()]).bfloat16()
    # Two shards, keys of each in an order of their own.
    keys = sorted(tensors)
    weight_map = {}
    for part, names in enumerate((keys[::2], keys[1::2]), 1):
        file = f"model-{part:05d}-of-00002.safetensors"
        safetensors.torch.save_file({name: tensors[name] for name in names}, directory / file, metadata={"format": "pt"})
        weight_map.update({name: file for name in names})
    (directory / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


@torch.no_grad()
def losses(model, ids, window, stride, chunks):
    """The published protocol: (loss, weight) per window."""
    result, previous = [], 0
    for begin in range(0, len(ids), stride):
        end = min(begin + window, len(ids))
        target_length = end - previous
        tokens = torch.tensor([ids[begin:end]])
        labels = tokens.clone()
        labels[:, :-target_length] = -100
        logits = model(input_ids=tokens, use_cache=False).logits[0, :-1].float()
        result.append((torch.nn.functional.cross_entropy(logits, labels[0, 1:], ignore_index=-100).item(), target_length))
        previous = end
        if end == len(ids) or len(result) == chunks:
            return result


@torch.no_grad()
def bos_perplexity(model, ids, window, chunks):
    total, count = 0.0, 0
    body = ids[1:]
    for i, begin in enumerate(range(0, len(body), window - 1)):
        if i == chunks:
            break
        block = body[begin:begin + window - 1]
        logits = model(input_ids=torch.tensor([[ids[0]] + block]), use_cache=False).logits[0, :-1].float()
        total += torch.nn.functional.cross_entropy(logits, torch.tensor(block), reduction="sum").item()
        count += len(block)
    return math.exp(total / count)


def perplexity(pairs):
    return math.exp(sum(loss * weight for loss, weight in pairs) / sum(weight for _, weight in pairs))


def close(name, ours, theirs, tolerance):
    error = abs(ours - theirs) / abs(theirs)
    print(f"    {name}: ours {ours:.6f}, transformers {theirs:.6f}, relative difference {error:.2e}")
    if not error <= tolerance:
        raise SystemExit(f"FAILED: {name} differs by {error:.3e}, allowed {tolerance:.0e}")


def load(directory, dtype):
    return transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, attn_implementation="sdpa").eval()


def option(options, name, default):
    return options[options.index(name) + 1] if name in options else default


def run_case(name, binary, work, seed):
    changes, options, chunks = CASES[name]
    print(f"case {name} (seed {seed})")
    model_dir, out, dense = work / name / "model", work / name / "out", work / name / "dense"
    make_model(model_dir, copy.deepcopy(changes), seed)
    subprocess.run([binary / "sub1quant", "run", "--model", model_dir, "--corpus", TEXT, "--max-chunks", str(chunks), "--out", out,
                    "--state", work / name / "state", "--quiet", *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([binary / "sub1quant", "export", out / "artifact", "--to", "dense", "--model", model_dir, "--out", dense], check=True,
                   stdout=subprocess.DEVNULL)
    report = json.loads((out / "report.json").read_text())

    # The checkpoint, entry by entry.
    checkpoint = torch.load(out / "checkpoint.pt", weights_only=True)
    source, exported = {}, {}
    for path in sorted(model_dir.glob("*.safetensors")):
        with safetensors.safe_open(path, "pt") as file:
            source.update({key: file.get_tensor(key) for key in file.keys()})
        with safetensors.safe_open(dense / path.name, "pt") as file:
            exported.update({key: file.get_tensor(key) for key in file.keys()})
    assert source.keys() == exported.keys()
    for entry, named in zip(checkpoint["quantized"].values(), checkpoint["weight_keys"], strict=True):
        weight = source[entry["key"]]
        expected = encoders.encode(weight.float().numpy(), entry, named["method"])
        for array, value in expected["arrays"].items():
            assert numpy.array_equal(entry[array].numpy().view(numpy.uint8).reshape(-1), value.view(numpy.uint8).reshape(-1)), (
                entry["key"], entry["format"], array)
        decoded = torch.from_numpy(expected["decoded"]).bfloat16()
        assert torch.equal(exported[entry["key"]].view(torch.uint16), decoded.view(torch.uint16)), entry["key"]
    quantized_keys = {entry["key"] for entry in checkpoint["quantized"].values()}
    for key in source.keys() - quantized_keys:
        assert torch.equal(source[key].view(torch.uint16), exported[key].view(torch.uint16)), key
    print(f"    {len(quantized_keys)} entries equal byte for byte: {report['allocation']['method_counts']}")

    # Perplexities.
    dtype = option(options, "--dtype", "float32")
    window, stride = int(option(options, "--window", 512)), int(option(options, "--stride", 512))
    tolerance = 1e-4 if dtype == "float32" else 2e-4
    text = TEXT.read_text()
    ids = transformers.AutoTokenizer.from_pretrained(model_dir)(text)["input_ids"]
    assert len(ids) == report["tokens"]["count"], (len(ids), report["tokens"]["count"])
    for variant, directory in (("base", model_dir), ("quantized", dense)):
        model = load(directory, getattr(torch, dtype))
        theirs = losses(model, ids, window, stride, chunks)
        ours = report["perplexity"][variant]
        worst = max(abs(a - b[0]) for a, b in zip(ours["chunk_loss"], theirs, strict=True))
        print(f"    {variant}: largest difference of a window's loss {worst:.2e}")
        close(f"{variant} published", ours["published"], perplexity(theirs), tolerance)
        close(f"{variant} bos_per_window", ours["bos_per_window"], bos_perplexity(model, ids, window, chunks), tolerance)


def main():
    binary = pathlib.Path(sys.argv[1])
    names = sys.argv[2:] or list(CASES)
    torch.set_num_threads(2)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    with tempfile.TemporaryDirectory(prefix="sub1quant-oracle-") as work:
        for i, name in enumerate(names):
            run_case(name, binary, pathlib.Path(work), 1000 + i)
    print(f"{len(names)} passed, 0 failed")


if __name__ == "__main__":
    main()

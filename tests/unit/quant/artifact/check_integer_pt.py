"""check_integer_pt.py FILE.pt VALUES METHOD…: torch.load(weights_only=True) reads the checkpoint, and a reader written from docs/formats.md
§2, §3 and §9 alone finds in its entries the float32 values of the file VALUES. Exit code 77: no torch here."""
import sys

try:
    import torch
except ImportError as error:
    print("no torch here:", error)
    sys.exit(77)

COMMON = ["format", "group_size", "orig_shape", "padded_shape", "bpw"]
KEYS = {
    "groupwise_int4": ["bits", "scales", "packed_int4"],
    "int2_base": ["base_bits", "base_packed", "base_count", "base_scales"],
    "groupwise_int": ["bits", "scales", "packed", "count"],
}


def decode(entry):
    rows, padded = entry["padded_shape"]
    format = entry["format"]
    assert list(entry) == COMMON + KEYS[format] + ["key"], list(entry)
    if format == "groupwise_int4":
        nibbles = torch.stack([entry["packed_int4"] & 15, entry["packed_int4"] >> 4], -1)
        codes, scales = nibbles.flatten().int() - 8, entry["scales"]
        assert entry["bits"] == 4
    elif format == "int2_base":
        codes = torch.stack([entry["base_packed"] >> shift & 3 for shift in (0, 2, 4, 6)], -1).flatten().int() - 1
        scales = entry["base_scales"]
        assert entry["base_bits"] == 2 and entry["base_count"] == rows * padded
    else:
        bits = entry["bits"]
        assert bits in (3, 5, 6, 8) and entry["count"] == rows * padded
        assert list(entry["packed"].shape) == [rows, padded * bits // 8] and entry["packed"].dtype == torch.uint8
        stream = torch.stack([entry["packed"] >> k & 1 for k in range(8)], -1).reshape(rows, padded, bits).int()
        codes = (stream << torch.arange(bits)).sum(-1) - (1 << (bits - 1))
        scales = entry["scales"]
    assert scales.dtype == torch.float16 and list(scales.shape) == [rows, padded // entry["group_size"]]
    values = codes.reshape(*scales.shape, -1).float() * scales.float()[..., None]
    return values.reshape(rows, padded)[:, :entry["orig_shape"][1]]


def main(path, values, methods):
    # The weights_only reader of torch 1.13 knows no floating-point numbers, in torch's own files neither.
    checkpoint = torch.load(path) if torch.__version__.startswith("1.") else torch.load(path, weights_only=True)
    with open(values, "rb") as file:
        want = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
    assert [item["method"] for item in checkpoint["weight_keys"]] == methods
    assert [item["method"] for item in checkpoint["stats"]["layer_stats"]] == methods
    assert checkpoint["stats"]["method_counts"] == {method: methods.count(method) for method in sorted(set(methods))}
    for entry, method in zip(checkpoint["quantized"].values(), methods, strict=True):
        expected = {"int2": "int2_base", "int4": "groupwise_int4"}.get(method, "groupwise_int")
        assert entry["format"] == expected, (method, entry["format"])
        rows, cols = entry["orig_shape"]
        assert torch.equal(decode(entry), want[:rows * cols].reshape(rows, cols)), (entry["key"], method)
        want = want[rows * cols:]
    assert len(want) == 0
    print("torch", torch.__version__, "equal")


main(sys.argv[1], sys.argv[2], sys.argv[3:])

"""check_pt.py [--torch] FILE.pt EXPECTED.json: the checkpoint equals its JSON form, key order, types and tensor bytes included.

Reads with zipfile and pickle alone, so it is independent of our own reader; with --torch by
torch.load, weights_only=True from torch 2 on. Exit code 77: no torch here.
"""
import collections
import io
import json
import math
import pickle
import sys
import zipfile

# Ratios that may differ in the last bits (another summation order); everything else is exact.
RATIOS = {"mse", "rmse", "weighted_mse", "weighted_rmse", "weighted_sse"}


class Tensor:
    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, list(shape), data


class Loader(pickle.Unpickler):
    SIZES = {"ByteStorage": ("uint8", 1), "HalfStorage": ("float16", 2)}

    def __init__(self, archive):
        self.archive = archive
        self.prefix = archive.namelist()[0].split("/")[0] + "/"
        assert archive.read(self.prefix + "byteorder") == b"little"
        assert archive.read(self.prefix + "version") == b"3\n"
        super().__init__(io.BytesIO(archive.read(self.prefix + "data.pkl")))

    def find_class(self, module, name):
        if module == "torch" and name in self.SIZES:
            return self.SIZES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        assert (module, name) == ("torch._utils", "_rebuild_tensor_v2"), (module, name)
        return self.rebuild

    def persistent_load(self, key):
        tag, (dtype, size), record, device, elements = key
        assert tag == "storage" and device == "cpu"
        info = self.archive.getinfo(self.prefix + "data/" + record)
        assert info.compress_type == zipfile.ZIP_STORED
        data = self.archive.read(info)
        assert len(data) == elements * size
        return dtype, size, data

    @staticmethod
    def rebuild(storage, offset, shape, strides, requires_grad, hooks):
        dtype, size, data = storage
        count = math.prod(shape)
        expected, step = [], 1
        for side in reversed(shape):
            expected.insert(0, step)
            step *= side
        assert list(strides) == expected and requires_grad is False and not hooks
        return Tensor(dtype, shape, data[offset * size:(offset + count) * size])


def load_plain(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            with open(path, "rb") as file:
                file.seek(info.header_offset + 26)
                name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
            assert (info.header_offset + 30 + name + extra) % 64 == 0, info.filename + " is not aligned"
        return Loader(archive).load()


def load_torch(path):
    try:
        import torch
    except ImportError as error:
        print("no torch here:", error)
        sys.exit(77)

    def convert(value):
        if isinstance(value, torch.Tensor):
            assert value.is_contiguous()
            data = bytes(value.flatten().view(torch.uint8).tolist()) if value.dtype == torch.uint8 else \
                b"".join((n & 0xFFFF).to_bytes(2, "little") for n in value.flatten().view(torch.int16).tolist())
            return Tensor(str(value.dtype).replace("torch.", ""), value.shape, data)
        if isinstance(value, dict):
            return {key: convert(item) for key, item in value.items()}
        if isinstance(value, list):
            return [convert(item) for item in value]
        return value

    print("torch", torch.__version__)
    # The weights_only reader of torch 1.13 knows no floating-point numbers, in torch's own files neither.
    safe = not torch.__version__.startswith("1.")
    return convert(torch.load(path, weights_only=True) if safe else torch.load(path))


def compare(got, want, where):
    if isinstance(want, dict) and set(want) == {"dtype", "shape", "hex"}:
        assert isinstance(got, Tensor), where
        assert (got.dtype, got.shape) == (want["dtype"], want["shape"]), (where, got.dtype, got.shape)
        assert got.data == bytes.fromhex(want["hex"]), where + ": tensor bytes differ"
    elif isinstance(want, dict):
        assert type(got) is dict, (where, type(got))
        kind = int if where == ".quantized" else str
        assert all(type(key) is kind for key in got), where
        assert [str(key) for key in got] == list(want), (where, list(got), list(want))
        for (key, item), other in zip(got.items(), want.values()):
            compare(item, other, f"{where}.{key}")
    elif isinstance(want, list):
        assert type(got) is list and len(got) == len(want), (where, got)
        for i, (item, other) in enumerate(zip(got, want)):
            compare(item, other, f"{where}[{i}]")
    else:
        assert type(got) is type(want), (where, got, want)
        if where.rsplit(".", 1)[-1] in RATIOS and want is not None:
            assert math.isclose(got, want, rel_tol=1e-6), (where, got, want)
        else:
            assert got == want, (where, got, want)


def main(arguments):
    loader = load_torch if arguments[0] == "--torch" else load_plain
    path, expected = arguments[-2:]
    with open(expected, encoding="utf-8") as file:
        want = json.load(file)
    compare(loader(path), want, "")
    print("equal")


main(sys.argv[1:])

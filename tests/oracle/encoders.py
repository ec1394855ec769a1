"""The published formats in NumPy, written from docs/formats.md alone: slow, obvious, independent of the C++ code."""
import numpy

MULTIPLIERS = (0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
F = numpy.float32


def half(x):
    return x.astype(numpy.float16).astype(F)


def butterfly(v):
    """Sum over the last axis in the order of docs/formats.md §7."""
    g = v.shape[-1]
    bits = max(0, (g - 1).bit_length())
    padded = numpy.zeros(v.shape[:-1] + (1 << bits,), F)
    padded[..., :g] = v
    shape = padded.shape[:-1] + (2,) * bits  # axis of bit k is -1 - k
    padded = padded.reshape(shape)
    for k in [0] * (bits > 0) + list(range(bits - 1, 0, -1)):
        axis = padded.ndim - 1 - k
        low, high = numpy.take(padded, [0], axis), numpy.take(padded, [1], axis)
        padded = low + high
    return padded.reshape(v.shape[:-1])


def pack(codes, bits, fill):
    per_byte = 8 // bits
    flat = codes.reshape(-1).astype(numpy.uint8)
    flat = numpy.concatenate([flat, numpy.full(-len(flat) % per_byte, fill, numpy.uint8)]).reshape(-1, per_byte)
    out = numpy.zeros(len(flat), numpy.uint8)
    for i in range(per_byte):
        out |= flat[:, i] << (bits * i)
    return out


def blocks(weight, g):
    rows, cols = weight.shape
    groups = -(-cols // g)
    padded = numpy.zeros((rows, groups * g), F)
    padded[:, :cols] = weight
    real = numpy.zeros(groups * g, bool)
    real[:cols] = True
    return padded.reshape(rows, groups, g), numpy.broadcast_to(real.reshape(1, groups, g), (rows, groups, g))


def clamp_round(x, limit):
    return numpy.clip(numpy.rint(x), -limit, limit).astype(F) + F(0)  # a code has no negative zero


def int4(weight, g):
    x, _ = blocks(weight, g)
    scale = half(numpy.abs(x).max(-1) / F(7))
    zero = scale == 0
    scale = numpy.where(zero, F(1), scale)
    q = clamp_round(numpy.where(zero[..., None], F(0), x) / scale[..., None], 7)
    decoded = (q * scale[..., None]).reshape(weight.shape[0], -1)[:, :weight.shape[1]]
    return {"packed_int4": pack(q + 8, 4, 8), "scales": scale.astype(numpy.float16)}, decoded


def int2(weight, g, k):
    """k = None: sign residual; else the error budget with K corrections."""
    x, real = blocks(weight, g)
    absmax = numpy.abs(x).max(-1)
    zero = half(absmax / F(7)) == 0
    absmax = numpy.where(zero, F(1), absmax)
    x = numpy.where(zero[..., None], F(0), x)
    best = None
    for m in MULTIPLIERS:
        s = half(F(m) * absmax)
        q = clamp_round(x / s[..., None], 1)
        e = x - q * s[..., None]
        r = half(butterfly(numpy.abs(e)) / F(g))
        sign = numpy.where(e >= 0, F(1), F(-1))
        t = e - sign * r[..., None]
        found = {"s": s, "q": q, "r": r, "sign": sign}
        if k is None:
            sse = butterfly(t * t)
        else:
            magnitude = numpy.where(real, numpy.abs(t), F(-1))
            index = numpy.argsort(-magnitude, axis=-1, kind="stable")[..., :k]
            top = numpy.take_along_axis(t, index, -1)
            is_real = numpy.take_along_axis(real, index, -1)
            so = half(numpy.abs(numpy.where(is_real, top, F(0))).max(-1) / F(7))
            so = numpy.where(zero, F(0), so)
            qo = clamp_round(top / numpy.where(so == 0, F(1), so)[..., None], 7)
            qo = numpy.where(is_real & ~zero[..., None], qo, F(0))
            u = t.copy()
            numpy.put_along_axis(u, index, top - qo * so[..., None], -1)
            u = numpy.where(real, u, F(0))
            sse = butterfly(u * u)
            found.update(index=index, so=so, qo=qo)
        if best is None:
            best, best_sse = found, sse
        else:
            better = sse < best_sse
            best_sse = numpy.where(better, sse, best_sse)
            for name, value in found.items():
                mask = better.reshape(better.shape + (1,) * (value.ndim - better.ndim))
                best[name] = numpy.where(mask, value, best[name])
    base = best["q"] * best["s"][..., None]
    decoded = base + best["sign"] * best["r"][..., None]
    # Sign bits of a zero group: 0 without corrections, 1 with them (docs/formats.md §1).
    bits = (best["sign"] > 0).astype(numpy.uint8)
    if k is None:
        bits = numpy.where(zero[..., None], 0, bits)
    arrays = {"base_packed": pack(best["q"] + 1, 2, 1), "base_scales": best["s"].astype(numpy.float16)}
    names = ("residual_packed", "residual_scales") if k is None else ("binary_residual_packed", "binary_residual_scales")
    arrays[names[0]] = pack(bits, 1, 0)
    arrays[names[1]] = best["r"].astype(numpy.float16)
    if k is None:
        decoded = numpy.where(zero[..., None], base - best["r"][..., None], decoded)
    else:
        counts = numpy.minimum(k, real.sum(-1))
        correction = numpy.zeros_like(decoded)
        numpy.put_along_axis(correction, best["index"], best["qo"] * best["so"][..., None], -1)
        stored = numpy.zeros(decoded.shape, bool)
        numpy.put_along_axis(stored, best["index"], numpy.arange(k) < counts[..., None], -1)
        decoded = numpy.where(stored, decoded + correction, decoded)
        arrays.update(outlier_indices=best["index"].astype(numpy.uint8), outlier_counts=counts.astype(numpy.uint8),
                      outlier_packed=pack(best["qo"] + 8, 4, 8), outlier_scales=best["so"].astype(numpy.float16))
    rows, cols = weight.shape
    return arrays, decoded.reshape(rows, -1)[:, :cols], base.reshape(rows, -1)[:, :cols]


def encode(weight, entry):
    """What `entry` of a checkpoint must hold for `weight`: arrays and float32 reconstruction."""
    g = entry["group_size"]
    if entry["format"] == "groupwise_int4":
        arrays, decoded = int4(weight, g)
    elif entry["format"] == "int2_error_budget_residual":
        arrays, decoded, _ = int2(weight, g, entry["outliers_per_group"])
    else:
        arrays, decoded, base = int2(weight, g, None)
        if entry["format"] == "int2_base":
            decoded = base
    return {"arrays": arrays, "decoded": numpy.ascontiguousarray(decoded, F)}

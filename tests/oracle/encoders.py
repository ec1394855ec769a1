"""The published formats and the integer family in NumPy, written from docs/formats.md alone: slow, obvious, independent of the C++ code."""
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


# B: (f_lo, f_hi, m)
GRIDS = {2: (0.25, 1.30, 40), 3: (0.40, 1.20, 40), 4: (0.50, 1.15, 40), 5: (0.75, 1.06, 20), 6: (0.75, 1.06, 20), 8: (0.90, 1.02, 12)}


def integer(weight, g, bits):
    """Codes q of the padded matrix [rows, G, g], scales [rows, G], reconstruction."""
    x, _ = blocks(weight, g)
    n = 1 << (bits - 1)
    low, high, count = GRIDS[bits]
    absmax = numpy.abs(x).max(-1)
    zero = half(absmax / F(n)) == 0
    best, best_cost, best_q = numpy.ones_like(absmax), numpy.full_like(absmax, numpy.inf), numpy.zeros_like(x)
    for j in range(count):
        for sign in (F(1), F(-1)):
            s = sign * half(F(low + j * (high - low) / (count - 1)) * absmax / F(n))
            usable = (s != 0) & numpy.isfinite(s) & ~zero
            s = numpy.where(usable, s, F(1))
            inverse = F(1) / s
            q = numpy.clip(numpy.rint(x * inverse[..., None]), -n, n - 1) + F(0)
            error = x - q * s[..., None]
            cost = butterfly(error * error)
            better = usable & (cost < best_cost)
            best, best_cost = numpy.where(better, s, best), numpy.where(better, cost, best_cost)
            best_q = numpy.where(better[..., None], q, best_q)
    decoded = (best_q * best[..., None]).reshape(weight.shape[0], -1)[:, :weight.shape[1]]
    return best_q.astype(numpy.int64), best, decoded


def integer_entry(weight, entry, bits):
    """The arrays of docs/formats.md §9 in a checkpoint: int4 in groupwise_int4, int2 negated in int2_base, the rest in groupwise_int."""
    q, scales, decoded = integer(weight, entry["group_size"], bits)
    if bits == 4:
        assert entry["format"] == "groupwise_int4"
        return {"packed_int4": pack(q + 8, 4, 8), "scales": scales.astype(numpy.float16)}, decoded
    if bits == 2:
        assert entry["format"] == "int2_base" and "residual_packed" not in entry
        return {"base_packed": pack(-q + 1, 2, 1), "base_scales": (-scales).astype(numpy.float16)}, decoded
    assert entry["format"] == "groupwise_int" and entry["bits"] == bits and entry["count"] == q.size
    unsigned = (q + (1 << (bits - 1))).reshape(weight.shape[0], -1, 1)
    stream = (unsigned >> numpy.arange(bits)) & 1
    packed = numpy.packbits(stream.reshape(weight.shape[0], -1).astype(numpy.uint8), axis=1, bitorder="little")
    assert packed.shape[1] % 4 == 0
    return {"packed": packed, "scales": scales.astype(numpy.float16)}, decoded


def encode(weight, entry, method):
    """What `entry` of a checkpoint must hold for `weight` in `method`: arrays and float32 reconstruction."""
    g = entry["group_size"]
    if method in ("int2", "int3", "int4", "int5", "int6", "int8"):
        arrays, decoded = integer_entry(weight, entry, int(method[3:]))
    elif entry["format"] == "groupwise_int4":
        arrays, decoded = int4(weight, g)
    elif entry["format"] == "int2_error_budget_residual":
        arrays, decoded, _ = int2(weight, g, entry["outliers_per_group"])
    else:
        arrays, decoded, base = int2(weight, g, None)
        if entry["format"] == "int2_base":
            decoded = base
    return {"arrays": arrays, "decoded": numpy.ascontiguousarray(decoded, F)}

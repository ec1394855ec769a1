// The kernels, once. A source that includes this defines SUB1QUANT_KERNELS, the name of its namespace, and is compiled
// with the flags of one instruction set: nothing here may use what other sources share inline (the standard library's
// templates), or the linker could keep the wrong one.
#include "quant/eval/torch/cpu/vector.h"

namespace sub1quant {
namespace SUB1QUANT_KERNELS {
namespace {

template <typename T>
void Scale(const T* x, float factor, int64_t count, T* out) {
  ForVectors(count, [&](int64_t i, auto load, auto store) { store(load(x + i) * factor, out + i); });
}

// (mean((x · factor rounded)²) + eps)^(-1/2)
template <typename T>
SUB1QUANT_INLINE float InverseNorm(const T* x, float factor, float eps, int64_t width) {
  Vector squares = Broadcast(0);
  ForVectors(width, [&](int64_t i, auto load, auto) {
    const Vector v = Round<T>(load(x + i) * factor);
    squares += v * v;
  });
  return 1.0f / __builtin_sqrtf(Sum(squares) / static_cast<float>(width) + eps);
}

template <typename T>
void RmsNorm(const T* x, const float* weight, float eps, int64_t rows, int64_t width, T* out) {
  for (int64_t row = 0; row < rows; ++row, x += width, out += width) {
    const float inverse = InverseNorm(x, 1.0f, eps, width);
    if (weight == nullptr) {
      Scale(x, inverse, width, out);
      continue;
    }
    ForVectors(width,
               [&](int64_t i, auto load, auto store) { store(load(x + i) * inverse * load(weight + i), out + i); });
  }
}

template <typename T>
void AddRmsNorm(T* x, const T* y, const float* weight, float eps, float factor, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    const float inverse = InverseNorm(y, 1.0f, eps, width);
    ForVectors(width, [&](int64_t i, auto load, auto store) {
      const Vector normed = Round<T>(load(y + i) * inverse * load(weight + i));
      store(Round<T>(load(x + i) + normed) * factor, x + i);
    });
  }
}

template <typename T>
void GatedGelu(T* gate, const T* up, int64_t count) {
  ForVectors(count, [&](int64_t i, auto load, auto store) {
    store(Round<T>(GeluTanh(load(gate + i))) * load(up + i), gate + i);
  });
}

template <typename T>
void PerLayerInput(T* context, const T* tokens, const float* weight, float eps, float context_scale, float token_scale,
                   int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, context += width, tokens += width) {
    const float inverse = InverseNorm(context, context_scale, eps, width);
    ForVectors(width, [&](int64_t i, auto load, auto store) {
      const Vector normed = Round<T>(Round<T>(load(context + i) * context_scale) * inverse * load(weight + i));
      const Vector sum = Round<T>(normed + Round<T>(load(tokens + i) * token_scale));
      store(sum * 0.70710678118654752f, context + i);
    });
  }
}

template <typename T>
void Rope(T* x, const T* cos, const T* sin, int64_t positions, int64_t heads, int64_t half) {
  for (int64_t position = 0; position < positions; ++position, cos += half, sin += half) {
    for (int64_t head = 0; head < heads; ++head, x += 2 * half) {
      ForVectors(half, [&](int64_t i, auto load, auto store) {
        const Vector low = load(x + i), high = load(x + half + i), c = load(cos + i), s = load(sin + i);
        store(Round<T>(low * c) - Round<T>(high * s), x + i);
        store(Round<T>(high * c) + Round<T>(low * s), x + half + i);
      });
    }
  }
}

template <typename T>
float Softmax(float* scores, int64_t count, int64_t first, int64_t last) {
  for (int64_t i = 0; i < first; ++i) scores[i] = 0;
  for (int64_t i = last; i < count; ++i) scores[i] = 0;
  float* visible = scores + first;
  const int64_t size = last - first, whole = size / kLanes * kLanes;
  Vector maxima = Broadcast(visible[0]);
  for (int64_t i = 0; i < whole; i += kLanes) maxima = Max(maxima, Load(visible + i));
  float max = Max(maxima);
  for (int64_t i = whole; i < size; ++i) max = visible[i] > max ? visible[i] : max;
  Vector sums = Broadcast(0);
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vector e = Exp(Load(visible + i) - max);
    sums += e;
    Store(Round<T>(e), visible + i);
  }
  if (const int64_t left = size - whole; left > 0) {
    Vector e = Exp(LoadPart(visible + whole, left) - max);
    for (int64_t i = left; i < kLanes; ++i) e[i] = 0;
    sums += e;
    StorePart(Round<T>(e), visible + whole, left);
  }
  return 1.0f / Sum(sums);
}

template <typename T>
void ScaleRows(const float* x, const float* factors, int64_t rows, int64_t width, T* out) {
  for (int64_t row = 0; row < rows; ++row, x += width, out += width) {
    ForVectors(width, [&](int64_t i, auto load, auto store) { store(load(x + i) * factors[row], out + i); });
  }
}

template <typename T>
SUB1QUANT_INLINE Vector Capped(Vector z, float cap) {
  return cap == 0 ? z : Round<T>(Round<T>(Tanh(Round<T>(z / cap))) * cap);
}

template <typename T>
void SoftCap(const T* logits, float cap, int64_t count, float* out) {
  ForVectors(count, [&](int64_t i, auto load, auto store) { store(Capped<T>(load(logits + i), cap), out + i); });
}

SUB1QUANT_INLINE float Exp(float x) { return sub1quant::Exp(Broadcast(x))[0]; }

constexpr int64_t kTile = 512;  // logits of a row that are folded at once: they stay in the first cache

// Folds `count` <= kTile logits of one row.
template <typename T>
SUB1QUANT_INLINE void FoldTile(const T* logits, int64_t count, int64_t begin, float cap, RunningLogSum& sum) {
  alignas(64) float capped[kTile];
  Vector maxima = Broadcast(-__builtin_inff());
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const Vector c = Capped<T>(Load(logits + i), cap);
    maxima = Max(maxima, c);
    Store(c, capped + i);
  }
  float max = Max(maxima);
  if (const int64_t left = count - whole; left > 0) {
    const Vector c = Capped<T>(LoadPart(logits + whole, left), cap);
    for (int64_t i = 0; i < kLanes; ++i) {
      capped[whole + i] = i < left ? c[i] : -__builtin_inff();
      max = capped[whole + i] > max ? capped[whole + i] : max;
    }
  }
  if (sum.label >= begin && sum.label < begin + count) sum.target = capped[sum.label - begin];
  max = sum.max > max ? sum.max : max;
  Vector sums = Broadcast(0);
  for (int64_t i = 0; i < whole; i += kLanes) sums += sub1quant::Exp(Load(capped + i) - max);
  if (whole < count) {
    Vector e = sub1quant::Exp(Load(capped + whole) - max);
    for (int64_t i = count - whole; i < kLanes; ++i) e[i] = 0;
    sums += e;
  }
  sum.sum = (sum.sum == 0 ? 0 : sum.sum * Exp(sum.max - max)) + Sum(sums);
  sum.max = max;
}

template <typename T>
void FoldLogits(const T* logits, int64_t rows, int64_t count, int64_t begin, float cap, RunningLogSum* sums) {
  for (int64_t row = 0; row < rows; ++row, logits += count) {
    for (int64_t i = 0; i < count; i += kTile) {
      FoldTile(logits + i, count - i < kTile ? count - i : kTile, begin + i, cap, sums[row]);
    }
  }
}

template <typename T>
constexpr Kernels<T> kKernels = {Scale<T>, RmsNorm<T>, AddRmsNorm<T>, GatedGelu<T>, PerLayerInput<T>,
                                 Rope<T>,  Softmax<T>, ScaleRows<T>,  SoftCap<T>,   FoldLogits<T>};

}  // namespace

extern const Kernels<float> float32;
extern const Kernels<Bfloat16> bfloat16;
const Kernels<float> float32 = kKernels<float>;
const Kernels<Bfloat16> bfloat16 = kKernels<Bfloat16>;

}  // namespace SUB1QUANT_KERNELS
}  // namespace sub1quant

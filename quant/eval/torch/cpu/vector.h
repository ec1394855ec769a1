// Sixteen floats as one value, whatever the registers of the machine: GCC lowers the type to 512, 256 or 128 bits.
// Included by the kernel sources only, each of which has its own target flags; everything is inlined.
#pragma once

#include <cstdint>
#include <cstring>

#include "quant/eval/torch/cpu/kernels.h"

namespace sub1quant {
namespace {

constexpr int64_t kLanes = 16;
using Vector = float __attribute__((vector_size(64)));
using Integers = int32_t __attribute__((vector_size(64)));
using Halves = uint16_t __attribute__((vector_size(32)));

#define SUB1QUANT_INLINE [[gnu::always_inline]] inline

template <typename To, typename From>
SUB1QUANT_INLINE To BitCast(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

SUB1QUANT_INLINE Vector Broadcast(float value) { return value - Vector{}; }
SUB1QUANT_INLINE Vector Max(Vector a, Vector b) { return a > b ? a : b; }

// ((0+8)+(4+12)) + …: a fixed tree.
SUB1QUANT_INLINE float Sum(Vector v) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) v[i] += v[i + width];
  }
  return v[0];
}
SUB1QUANT_INLINE float Max(Vector v) {
  float max = v[0];
  for (int i = 1; i < kLanes; ++i) max = v[i] > max ? v[i] : max;
  return max;
}

// The nearest bfloat16, ties to even; NaN stays NaN.
SUB1QUANT_INLINE Integers RoundedBits(Vector v) {
  const Integers bits = BitCast<Integers>(v);
  const Integers rounded = bits + 0x7fff + ((bits >> 16) & 1);
  return (v == v ? rounded : (bits | 0x400000)) >> 16;
}

template <typename T>
SUB1QUANT_INLINE Vector Round(Vector v);
template <>
SUB1QUANT_INLINE Vector Round<float>(Vector v) {
  return v;
}
template <>
SUB1QUANT_INLINE Vector Round<Bfloat16>(Vector v) {
  return BitCast<Vector>(RoundedBits(v) << 16);
}

SUB1QUANT_INLINE Vector Widen(Halves halves) {
  return BitCast<Vector>(__builtin_convertvector(halves, Integers) << 16);
}

SUB1QUANT_INLINE Vector Load(const float* from) {
  Vector v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}
SUB1QUANT_INLINE Vector Load(const Bfloat16* from) {
  Halves halves;
  std::memcpy(&halves, from, sizeof(halves));
  return Widen(halves);
}
SUB1QUANT_INLINE void Store(Vector v, float* to) { std::memcpy(to, &v, sizeof(v)); }
SUB1QUANT_INLINE void Store(Vector v, Bfloat16* to) {
  const Halves halves = __builtin_convertvector(RoundedBits(v), Halves);
  std::memcpy(to, &halves, sizeof(halves));
}

// The first `count` of sixteen lanes; what lies behind reads as zero and is not written.
template <typename T>
SUB1QUANT_INLINE Vector LoadPart(const T* from, int64_t count) {
  T part[kLanes] = {};
  std::memcpy(part, from, static_cast<size_t>(count) * sizeof(T));
  return Load(part);
}
template <typename T>
SUB1QUANT_INLINE void StorePart(Vector v, T* to, int64_t count) {
  T part[kLanes];
  Store(v, part);
  std::memcpy(to, part, static_cast<size_t>(count) * sizeof(T));
}

// body(i, lanes) for i = 0, 16, …; lanes: a constant 16, but for the last.
template <typename Body>
SUB1QUANT_INLINE void ForVectors(int64_t count, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    body(
        i, [](auto* at) { return Load(at); }, [](Vector v, auto* at) { Store(v, at); });
  if (const int64_t left = count - i; left > 0) {
    body(
        i, [left](auto* at) { return LoadPart(at, left); }, [left](Vector v, auto* at) { StorePart(v, at, left); });
  }
}

// x between the limits; NaN stays NaN.
SUB1QUANT_INLINE Vector Clamp(Vector x, float low, float high) {
  x = x < low ? Broadcast(low) : x;
  return x > high ? Broadcast(high) : x;
}

// e^x to about one unit in the last place (Cephes expf), for x held between -87.3 and 88.3. NaN stays NaN.
SUB1QUANT_INLINE Vector Exp(Vector x) {
  x = Clamp(x, -87.33654f, 88.3762626f);
  const Vector magic = Broadcast(12582912.0f);  // 1.5 · 2^23: adding it rounds to an integer
  const Vector n = (x * 1.44269504088896341f + magic) - magic;
  const Vector r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Vector p = Broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const Vector fraction = p * (r * r) + r + 1.0f;
  const Integers exponent = (__builtin_convertvector(n, Integers) + 127) << 23;
  return fraction * BitCast<Vector>(exponent);
}

// tanh to about two units in the last place (the rational approximation of Eigen). NaN stays NaN.
SUB1QUANT_INLINE Vector Tanh(Vector x) {
  const Vector c = Clamp(x, -7.90531110763549805f, 7.90531110763549805f);
  const Vector s = c * c;
  Vector p = Broadcast(-2.76076847742355e-16f);
  p = p * s + 2.00018790482477e-13f;
  p = p * s + -8.60467152213735e-11f;
  p = p * s + 5.12229709037114e-08f;
  p = p * s + 1.48572235717979e-05f;
  p = p * s + 6.37261928875436e-04f;
  p = p * s + 4.89352455891786e-03f;
  Vector q = Broadcast(1.19825839466702e-06f);
  q = q * s + 1.18534705686654e-04f;
  q = q * s + 2.26843463243900e-03f;
  q = q * s + 4.89352518554385e-03f;
  return (c * p) / q;
}

// 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), written with 0.5·(1 + tanh u) = 1 / (1 + e^(-2u)), which cancels nowhere.
SUB1QUANT_INLINE Vector GeluTanh(Vector x) {
  const Vector u2 = 1.5957691216057308f * (x + 0.044715f * (x * x * x));
  return x / (1.0f + Exp(-u2));
}

}  // namespace
}  // namespace sub1quant

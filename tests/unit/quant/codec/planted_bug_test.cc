// Do the inputs of implementations_test catch the mistake that they are made for? The kernel below runs anywhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quant/codec/hunting_weights.h"
#include "quant/codec/implementations.h"
#include "quant/codec/int4_group/int4_tile.h"

namespace sub1quant {
namespace {

// A vector type of one lane, with what the int4 kernel asks of one.
struct OneLane {
  static constexpr int kLanes = 1;
  using Float = float;
  using Int = uint32_t;

  static Float Load(const float* p) { return *p; }
  static void Store(float* p, Float x) { *p = x; }
  static Float Set(float x) { return x; }
  static Float Add(Float a, Float b) { return a + b; }
  static Float Mul(Float a, Float b) { return a * b; }
  static Float Div(Float a, Float b) { return a / b; }
  static Float Min(Float a, Float b) { return std::min(a, b); }
  static Float Max(Float a, Float b) { return std::max(a, b); }
  static Float NegMulAdd(Float a, Float b, Float c) { return std::fma(-a, b, c); }
  static Float Round(Float x) { return std::nearbyint(x); }
  static Float RoundToFp16(Float x) { return Fp16Value(Fp16Bits(x)); }
  static void StoreFp16(uint16_t* p, Float x) { *p = Fp16Bits(x); }
  static bool Equal(Float a, Float b) { return a == b; }
  static Float Select(bool which, Float yes, Float no) { return which ? yes : no; }
  static Int SetInt(int x) { return static_cast<Int>(x); }
  static Int ToInt(Float x) { return static_cast<Int>(static_cast<int>(x)); }
  static Int AddInt(Int a, Int b) { return a + b; }
  static Int Or(Int a, Int b) { return a | b; }
  static void StoreInt(void* p, Int x) { std::memcpy(p, &x, sizeof(x)); }
  template <int kBits>
  static Int ShiftLeft(Int x) {
    return x << kBits;
  }
};

// The planted bug: a division less.
struct Reciprocal : OneLane {
  static Float Div(Float a, Float b) { return Mul(a, OneLane::Div(1.0f, b)); }
};

// In how many of `trials` matrices the int4 kernel on V packs other bytes than the scalar one.
template <class V>
int Caught(int trials) {
  Implementation planted = *Implementations().back();
  planted.int4 = {EvaluateInt4Tile<V>, EncodeInt4Tile<V>};
  int caught = 0;
  for (int seed = 1; seed <= trials; ++seed) {
    const WeightMatrix matrix = WeightSource(static_cast<uint32_t>(seed)).Matrix(DType::kF32, 16, 512, 128);
    const auto packed = [&](const Implementation* implementation) {
      return FindCodec("groupwise_int4")
          ->Encode(matrix.view(), {.implementation = implementation})
          .value()
          .Find("packed_int4")
          ->bytes;
    };
    if (packed(&planted) != packed(Implementations().back())) ++caught;
  }
  return caught;
}

TEST(PlantedBug, ReciprocalMultiplyIsCaught) {
  constexpr int kTrials = 20;
  EXPECT_EQ(Caught<OneLane>(kTrials), 0) << "without the bug";
  // Of random weights hardly one in a million groups would show it.
  EXPECT_GE(Caught<Reciprocal>(kTrials), kTrials * 3 / 4);
}

}  // namespace
}  // namespace sub1quant

// Do the inputs of implementations_test catch the mistake that they are made for?
#include "tests/unit/quant/codec/planted_bug.h"

#include <gtest/gtest.h>

#include "quant/codec/hunting_weights.h"
#include "quant/codec/implementations.h"
#include "quant/search/search.h"

namespace sub1quant {
namespace {

TEST(PlantedBug, ReciprocalMultiplyIsCaught) {
  const Implementation* avx2 = nullptr;
  for (const Implementation* implementation : Implementations())
    if (implementation->name == std::string("avx2")) avx2 = implementation;
  ASSERT_NE(avx2, nullptr);
  if (!avx2->supported()) GTEST_SKIP() << "this CPU has no AVX2";
  Implementation planted = *avx2;
  planted.int4 = kReciprocalInt4;
  int caught = 0;
  constexpr int kTrials = 20;
  for (uint32_t seed = 1; seed <= kTrials; ++seed) {
    const WeightMatrix matrix = WeightSource(seed).Matrix(DType::kF32, 16, 512, 128);
    const auto encode = [&](const Implementation* implementation) {
      return FindCodec("groupwise_int4")->Encode(matrix.view(), {.implementation = implementation});
    };
    const auto right = encode(avx2), wrong = encode(&planted);
    ASSERT_TRUE(right.ok() && wrong.ok());
    if (right->Find("packed_int4")->bytes != wrong->Find("packed_int4")->bytes) ++caught;
  }
  EXPECT_GE(caught, kTrials * 3 / 4);  // of random weights hardly one in a million groups would show it
}

}  // namespace
}  // namespace sub1quant

#include "worker/executors/choice_cache.h"

#include <gtest/gtest.h>

namespace sub1quant {
namespace {

KeptChoices Bytes(size_t count, uint8_t value) { return {std::vector<uint8_t>(count, value), ExactSum()}; }

const Codec& Method(const char* name) { return *FindCodec(name); }

TEST(ChoiceCache, FindsByTensorMethodAndGroupSize) {
  ChoiceCache cache(100);
  cache.Keep("a", Method("int4"), 128, Bytes(10, 1));
  ASSERT_NE(cache.Find("a", Method("int4"), 128), nullptr);
  EXPECT_EQ(cache.Find("a", Method("int4"), 128)->bytes, std::vector<uint8_t>(10, 1));
  EXPECT_EQ(cache.Find("b", Method("int4"), 128), nullptr);
  EXPECT_EQ(cache.Find("a", Method("int3"), 128), nullptr);
  EXPECT_EQ(cache.Find("a", Method("int4"), 64), nullptr);
}

TEST(ChoiceCache, WhatWasUsedLongestAgoGoesFirst) {
  ChoiceCache cache(30);
  cache.Keep("a", Method("int4"), 128, Bytes(10, 1));
  cache.Keep("b", Method("int4"), 128, Bytes(10, 2));
  cache.Keep("c", Method("int4"), 128, Bytes(10, 3));
  const auto held = cache.Find("a", Method("int4"), 128);
  cache.Keep("d", Method("int4"), 128, Bytes(15, 4));
  EXPECT_NE(cache.Find("a", Method("int4"), 128), nullptr);
  EXPECT_EQ(cache.Find("b", Method("int4"), 128), nullptr);
  EXPECT_EQ(cache.Find("c", Method("int4"), 128), nullptr);
  EXPECT_NE(cache.Find("d", Method("int4"), 128), nullptr);
  cache.Keep("e", Method("int4"), 128, Bytes(30, 5));
  EXPECT_EQ(cache.Find("a", Method("int4"), 128), nullptr);
  EXPECT_EQ(held->bytes.size(), 10u) << "who holds it keeps it";
}

TEST(ChoiceCache, KeepsNothingEmptyOrTooLarge) {
  ChoiceCache cache(30);
  cache.Keep("a", Method("groupwise_int4"), 128, Bytes(0, 0));
  cache.Keep("b", Method("int4"), 128, Bytes(31, 0));
  EXPECT_EQ(cache.Find("a", Method("groupwise_int4"), 128), nullptr);
  EXPECT_EQ(cache.Find("b", Method("int4"), 128), nullptr);
}

TEST(ChoiceCache, TheSameTwiceCountsOnce) {
  ChoiceCache cache(30);
  for (int i = 0; i < 5; ++i) cache.Keep("a", Method("int4"), 128, Bytes(20, 1));
  cache.Keep("b", Method("int4"), 128, Bytes(10, 1));
  EXPECT_NE(cache.Find("a", Method("int4"), 128), nullptr);
}

}  // namespace
}  // namespace sub1quant

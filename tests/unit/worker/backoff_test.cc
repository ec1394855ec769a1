#include "worker/backoff.h"

#include "gtest/gtest.h"

namespace sub1quant {
namespace {

TEST(Backoff, TwoWorkersDoNotWaitTheSame) {
  Backoff a(1), b(2);
  EXPECT_NE(a.Next(), b.Next());
}

TEST(Backoff, StartsOverAfterASuccess) {
  Backoff backoff(1);
  for (int i = 0; i < 100; ++i) backoff.Next();
  backoff.Reset();
  EXPECT_LE(backoff.Next().count(), 200);
}

}  // namespace
}  // namespace sub1quant

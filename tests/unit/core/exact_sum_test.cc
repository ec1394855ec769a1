#include "core/exact_sum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace sub1quant {
namespace {

using Int128 = __int128;

Int128 Units(const ExactSum& sum) {
  return static_cast<Int128>((static_cast<unsigned __int128>(static_cast<uint64_t>(sum.high())) << 64) | sum.low());
}

// rne(term * 2^60) by long division of the fields of the double; no floating-point operation.
Int128 Rounded(double term) {
  uint64_t bits = 0;
  static_assert(sizeof(bits) == sizeof(term));
  __builtin_memcpy(&bits, &term, sizeof(bits));
  const int field = static_cast<int>((bits >> 52) & 2047);
  Int128 mantissa = static_cast<Int128>(bits & ((uint64_t{1} << 52) - 1));
  if (field != 0) mantissa += Int128{1} << 52;
  const int shift = (field == 0 ? 1 : field) - 1075 + 60;
  Int128 units = 0;
  if (shift >= 0) {
    units = mantissa << shift;
  } else if (-shift <= 60) {
    const Int128 divisor = Int128{1} << -shift;
    const Int128 rest = mantissa % divisor;
    units = mantissa / divisor;
    if (rest * 2 > divisor || (rest * 2 == divisor && units % 2 != 0)) ++units;
  }
  return (bits >> 63) != 0 ? -units : units;
}

std::vector<double> HuntingTerms() {
  std::vector<double> terms = {0.0,       -0.0,    1.0,     0x1p62,   0x1.fffffffffffffp62,
                               0x1p-1074, 0x1p-61, 0x1p-62, 0x1p-113, 0x1p-114};
  for (int half = 1; half < 40; ++half) {  // ties, and one unit beside
    const double tie = std::ldexp(half, -61);
    terms.insert(terms.end(), {tie, std::nextafter(tie, 0.0), std::nextafter(tie, 1.0)});
  }
  for (int exponent = -70; exponent < 63; ++exponent)
    terms.insert(terms.end(), {std::ldexp(1.0 + 0x1p-52, exponent), std::ldexp(1.5, exponent),
                               std::ldexp(2.0 - 0x1p-52, exponent - 1)});
  return terms;
}

TEST(ExactSum, RoundsEachTermOnce) {
  for (const double term : HuntingTerms()) {
    for (const double signed_term : {term, -term}) {
      ExactSum sum;
      sum.Add(signed_term);
      EXPECT_TRUE(Units(sum) == Rounded(signed_term)) << std::hexfloat << signed_term << " gives " << sum.ToHex();
    }
  }
}

TEST(ExactSum, RandomTermsInAnyOrderAndSplit) {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<int> exponents(-90, 50);
  std::uniform_real_distribution<double> fractions(-1, 1);
  std::vector<double> terms(10000);
  Int128 want = 0;
  for (double& term : terms) {
    term = std::ldexp(fractions(random), exponents(random));
    want += Rounded(term);
  }
  ExactSum forward, backward, halves[2];
  for (size_t i = 0; i < terms.size(); ++i) {
    forward.Add(terms[i]);
    backward.Add(terms[terms.size() - 1 - i]);
    halves[i % 2].Add(terms[i]);
  }
  halves[0].Add(halves[1]);
  EXPECT_TRUE(Units(forward) == want);
  EXPECT_EQ(backward, forward);
  EXPECT_EQ(halves[0], forward);
}

TEST(ExactSum, ToDoubleIsTheNearest) {
  // 64 bits of mantissa: the integer is exact in a long double, whose conversion rounds to nearest even.
  static_assert(std::numeric_limits<long double>::digits == 64);
  std::mt19937_64 random(8);
  for (int round = 0; round < 20000; ++round) {
    uint64_t value = random() >> (round % 64);
    if (round % 3 == 0) value = (value >> 11 << 11) | 0x400;  // ties and near ties
    if (round % 6 == 0) value += static_cast<uint64_t>(round % 18 == 0) - static_cast<uint64_t>(round % 18 == 6);
    const int up = round % 50;
    for (const bool negative : {false, true}) {
      const auto magnitude = static_cast<Int128>(static_cast<unsigned __int128>(value) << up);
      const Int128 units = negative ? -magnitude : magnitude;
      const ExactSum sum = ExactSum::FromParts(static_cast<int64_t>(units >> 64), static_cast<uint64_t>(units));
      const auto want = static_cast<double>(std::ldexp(static_cast<long double>(value), up - 60));
      ASSERT_EQ(sum.ToDouble(), negative ? -want : want) << sum.ToHex();
    }
  }
  EXPECT_EQ(ExactSum().ToDouble(), 0.0);
  EXPECT_EQ(ExactSum::FromParts(std::numeric_limits<int64_t>::min(), 0).ToDouble(), -0x1p67);
  EXPECT_EQ(ExactSum::FromParts(std::numeric_limits<int64_t>::max(), ~uint64_t{0}).ToDouble(), 0x1p67);
}

TEST(ExactSum, HexRoundTrips) {
  std::mt19937_64 random(9);
  for (int round = 0; round < 1000; ++round) {
    const ExactSum sum = ExactSum::FromParts(static_cast<int64_t>(random()), random());
    const auto back = ExactSum::FromHex(sum.ToHex());
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(*back, sum);
    EXPECT_EQ(sum.ToHex().size(), 34u);
  }
  ExactSum one, minus;
  one.Add(1.0);
  minus.Add(-0x1p-60);
  EXPECT_EQ(one.ToHex(), "0x00000000000000001000000000000000");
  EXPECT_EQ(minus.ToHex(), "0xffffffffffffffffffffffffffffffff");
}

TEST(ExactSum, RefusesOtherSpellings) {
  const std::string digits(32, '0');
  ASSERT_TRUE(ExactSum::FromHex("0x" + digits).ok());
  for (const std::string& text :
       {std::string(), std::string("0x"), digits, "0x" + digits + "0", "0X" + digits, "0x0" + digits,
        "0x" + digits.substr(1), "0x" + digits.substr(1) + "A", "0x" + digits.substr(1) + "g",
        "0x" + digits.substr(1) + "-", " 0x" + digits.substr(1)})
    EXPECT_FALSE(ExactSum::FromHex(text).ok()) << text;
}

}  // namespace
}  // namespace sub1quant

#include "quant/report/format.h"

#include <gtest/gtest.h>

namespace sub1quant::report {
namespace {

TEST(Format, Thousands) {
  EXPECT_EQ(Thousands(0), "0");
  EXPECT_EQ(Thousands(999), "999");
  EXPECT_EQ(Thousands(1000), "1,000");
  EXPECT_EQ(Thousands(-123456), "-123,456");
  EXPECT_EQ(Thousands(1895694336), "1,895,694,336");
}

TEST(Format, HumanBytesSwitchesUnitBeforeItRoundsToFourDigits) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.00 kB");
  EXPECT_EQ(HumanBytes(999949), "999.9 kB");
  EXPECT_EQ(HumanBytes(999951), "1.00 MB");
  EXPECT_EQ(HumanBytes(948181931), "948.2 MB");
  EXPECT_EQ(HumanBytes(1.8e19), "18.0 EB");
}

TEST(Format, Duration) {
  EXPECT_EQ(Duration(0.0042), "4 ms");
  EXPECT_EQ(Duration(0.9996), "1.00 s");
  EXPECT_EQ(Duration(9.99), "9.99 s");
  EXPECT_EQ(Duration(12.34), "12.3 s");
  EXPECT_EQ(Duration(245), "4 min 05 s");
  EXPECT_EQ(Duration(7380), "2 h 03 min");
}

TEST(Format, TerminalControlsDoNotGetThrough) {
  EXPECT_EQ(Printable("a\x1b[31mb\r\n\x7f"), "a?[31mb???");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "?31m");
  EXPECT_EQ(Printable("Gemma · é"), "Gemma · é");
}

TEST(Format, WidthCountsCodePoints) {
  EXPECT_EQ(DisplayWidth("1.0 ± 0.2"), 9u);
  EXPECT_EQ(PadLeft("±", 3), "  ±");
  EXPECT_EQ(PadRight("±", 3), "±  ");
}

}  // namespace
}  // namespace sub1quant::report

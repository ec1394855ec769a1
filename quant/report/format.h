// Numbers and names as people read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sub1quant::report {

std::string Thousands(int64_t value);            // 1,895,694,336
std::string Decimals(double value, int places);  // 3.9990
std::string Signed(double value, int places);    // +0.0123
std::string HumanBytes(double bytes);            // 947.8 MB (powers of 1000)
std::string Duration(double seconds);            // 41 ms, 7.92 s, 12.3 s, 4 min 05 s, 2 h 03 min
std::string OrDash(const std::optional<double>& value, int places);
std::string Scientific(double value);  // 1.46e-05

// Control characters (a terminal would obey them) become '?'.
std::string Printable(const std::string& text);
// Columns on a terminal, one a code point.
size_t DisplayWidth(const std::string& text);
std::string PadRight(const std::string& text, size_t width);
std::string PadLeft(const std::string& text, size_t width);

}  // namespace sub1quant::report

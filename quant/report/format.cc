#include "quant/report/format.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sub1quant::report {

std::string Thousands(int64_t value) {
  const std::string digits = absl::StrCat(value);
  const size_t first = value < 0 ? 1 : 0;
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > first && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string Decimals(double value, int places) { return absl::StrFormat("%.*f", places, value); }

std::string Signed(double value, int places) { return absl::StrFormat("%+.*f", places, value); }

std::string HumanBytes(double bytes) {
  if (bytes < 1000) return absl::StrFormat("%.0f B", bytes);
  const char* const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  for (bytes /= 1000; bytes >= 999.95 && unit + 1 < std::size(units); ++unit) bytes /= 1000;
  return absl::StrFormat(bytes < 9.995 ? "%.2f %s" : "%.1f %s", bytes, units[unit]);
}

std::string Duration(double seconds) {
  if (seconds < 0.9995) return absl::StrFormat("%.0f ms", 1000 * seconds);
  if (seconds < 9.995) return absl::StrFormat("%.2f s", seconds);
  if (seconds < 99.95) return absl::StrFormat("%.1f s", seconds);
  if (!(seconds < 1e9)) return absl::StrFormat("%.3g s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 3600) return absl::StrFormat("%d min %02d s", whole / 60, whole % 60);
  return absl::StrFormat("%d h %02d min", whole / 3600, whole / 60 % 60);
}

std::string OrDash(const std::optional<double>& value, int places) { return value ? Decimals(*value, places) : "–"; }

std::string Scientific(double value) { return absl::StrFormat("%.3g", value); }

std::string Printable(const std::string& text) {
  std::string clean;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // C1 controls are 0xC2 0x80..0x9F in UTF-8.
    const bool second_set = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (second_set) ++i;
    clean += byte < 0x20 || byte == 0x7F || second_set ? '?' : text[i];
  }
  return clean;
}

size_t DisplayWidth(const std::string& text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return width;
}

std::string PadRight(const std::string& text, size_t width) {
  const size_t used = DisplayWidth(text);
  return used < width ? text + std::string(width - used, ' ') : text;
}

std::string PadLeft(const std::string& text, size_t width) {
  const size_t used = DisplayWidth(text);
  return used < width ? std::string(width - used, ' ') + text : text;
}

}  // namespace sub1quant::report

#include "quant/model/strict_sax.h"

#include <cstring>

namespace sub1quant {
namespace {
constexpr size_t kShownKeyBytes = 120;
}  // namespace

absl::Status StrictSax::Run(const char* text, size_t size) {
  // The library takes a NUL for the end of the text and skips a byte order mark; neither belongs into JSON.
  if (const void* nul = std::memchr(text, 0, size)) {
    const auto position = static_cast<const char*>(nul) - text;
    return absl::InvalidArgumentError("not JSON at byte " + std::to_string(position) + " (NUL)");
  }
  if (size > 0 && static_cast<unsigned char>(text[0]) == 0xEF)
    return absl::InvalidArgumentError("not JSON at byte 0 (byte order mark)");
  if (nlohmann::json::sax_parse(text, text + size, this)) return absl::OkStatus();
  return absl::InvalidArgumentError(problem_.empty() ? "not JSON" : problem_);
}

std::string QuotedKey(const std::string& key) {
  if (key.size() <= kShownKeyBytes) return "'" + key + "'";
  size_t end = kShownKeyBytes;
  while (end > 0 && (static_cast<unsigned char>(key[end]) & 0xC0) == 0x80) --end;  // not inside a UTF-8 sequence
  return "'" + key.substr(0, end) + "…' (" + std::to_string(key.size()) + " bytes)";
}

}  // namespace sub1quant

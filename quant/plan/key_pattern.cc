#include "quant/plan/key_pattern.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sub1quant {

namespace {
constexpr size_t kMaxBytes = 1000;
// libstdc++'s breadth-first executor: no exponential backtracking, no recursion over the key.
constexpr auto kFlags = std::regex_constants::ECMAScript | std::regex_constants::__polynomial;
}  // namespace

absl::StatusOr<KeyPattern> KeyPattern::Compile(const std::string& regex) {
  if (regex.empty() || regex.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("regular expression of ", regex.size(), " bytes: want 1 to ", kMaxBytes));
  }
  try {
    return KeyPattern(std::regex(regex, kFlags));
  } catch (const std::regex_error& error) {
    return absl::InvalidArgumentError(absl::StrCat("regular expression '", regex, "': ", error.what()));
  }
}

bool KeyPattern::Matches(const std::string& key) const {
  try {
    return std::regex_search(key, regex_);
  } catch (const std::regex_error&) {
    return false;  // the executor's own limits on a single key
  }
}

}  // namespace sub1quant

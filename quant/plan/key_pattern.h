// Regular expressions over tensor keys (`--pin`, `--exclude`): ECMAScript, searched anywhere in the key. Matching takes
// polynomial time whatever the expression, so back references are refused.
#pragma once

#include <regex>
#include <string>

#include "absl/status/statusor.h"

namespace sub1quant {

class KeyPattern {
 public:
  // InvalidArgument naming the expression and what is wrong with it; at most 1000 bytes.
  static absl::StatusOr<KeyPattern> Compile(const std::string& regex);
  bool Matches(const std::string& key) const;

 private:
  explicit KeyPattern(std::regex regex) : regex_(std::move(regex)) {}
  std::regex regex_;
};

}  // namespace sub1quant

// JSON as this project accepts it: UTF-8, bounded depth, no duplicate keys, no trailing text. Order of keys is kept.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace sub1quant {

using Json = nlohmann::ordered_json;

// For documents of up to some thousand keys an object (lookups in an ordered object are linear). Larger ones
// (tokenizer.json, safetensors headers) have SAX readers of their own.
absl::StatusOr<Json> ParseJson(const std::string& text, int max_depth = 64);

// Two spaces of indentation and a final newline; doubles in the shortest form that reads back to the same value.
std::string DumpJson(const Json& json);

}  // namespace sub1quant

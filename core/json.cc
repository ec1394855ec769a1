#include "core/json.h"

#include <set>
#include <vector>

namespace sub1quant {

absl::StatusOr<Json> ParseJson(const std::string& text, int max_depth) {
  // The parser takes a NUL byte for the end of the text.
  if (text.find('\0') != std::string::npos) return absl::InvalidArgumentError("JSON: a NUL byte");
  std::vector<std::set<std::string>> keys;
  std::string problem;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second && problem.empty())
      problem = "duplicate key '" + value.get<std::string>() + "'";
    if (depth > max_depth && problem.empty()) problem = "nested deeper than " + std::to_string(max_depth);
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, watch);
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(std::string("JSON: ") + error.what());
  }
  if (!problem.empty()) return absl::InvalidArgumentError("JSON: " + problem);
  return json;
}

std::string DumpJson(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace sub1quant

#include "quant/model/json_fields.h"

#include <cstdio>

namespace sub1quant {
namespace {

constexpr size_t kShownBytes = 80;

std::string Spell(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

const Json* JsonFields::Find(const std::string& name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void JsonFields::Integer(const std::string& name, int64_t low, int64_t high, int64_t& value) {
  if (IsNull(name)) return Refuse(name, "a number is expected");
  const Json* json = Find(name);
  if (json == nullptr) return;
  const bool unsigned_fits =
      json->is_number_unsigned() && json->get<uint64_t>() <= static_cast<uint64_t>(high);  // else it would wrap
  const bool in_range = json->is_number_unsigned()
                            ? unsigned_fits && json->get<int64_t>() >= low
                            : json->is_number_integer() && json->get<int64_t>() >= low && json->get<int64_t>() <= high;
  if (!in_range)
    return Refuse(name, "an integer from " + std::to_string(low) + " to " + std::to_string(high) + " is expected");
  value = json->get<int64_t>();
}

void JsonFields::Number(const std::string& name, double above, double up_to, double& value) {
  if (IsNull(name)) return Refuse(name, "a number is expected");
  const Json* json = Find(name);
  if (json == nullptr) return;
  if (!json->is_number() || !(json->get<double>() > above && json->get<double>() <= up_to))
    return Refuse(name, "a number above " + Spell(above) + " and up to " + Spell(up_to) + " is expected");
  value = json->get<double>();
}

void JsonFields::Boolean(const std::string& name, bool& value) {
  const Json* json = Find(name);
  if (json == nullptr) return;
  if (!json->is_boolean()) return Refuse(name, "true or false is expected");
  value = json->get<bool>();
}

void JsonFields::String(const std::string& name, std::string& value) {
  const Json* json = Find(name);
  if (json == nullptr) return;
  if (!json->is_string()) return Refuse(name, "a string is expected");
  value = json->get<std::string>();
}

void JsonFields::Strings(const std::string& name, std::vector<std::string>& value) {
  const Json* json = Find(name);
  if (json == nullptr) return;
  bool all_strings = json->is_array();
  if (all_strings)
    for (const Json& item : *json) all_strings = all_strings && item.is_string();
  if (!all_strings) return Refuse(name, "a list of strings is expected");
  value = json->get<std::vector<std::string>>();
}

void JsonFields::Refuse(const std::string& name, const std::string& reason) {
  if (!status_.ok()) return;
  const auto found = object_.find(name);
  std::string shown = found == object_.end() ? "" : " " + found->dump(-1, ' ', true);
  if (shown.size() > kShownBytes) shown = shown.substr(0, kShownBytes) + "...";
  status_ = absl::InvalidArgumentError(where_ + name + shown + ": " + reason);
}

}  // namespace sub1quant

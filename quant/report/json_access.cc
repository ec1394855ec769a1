#include "quant/report/json_access.h"

#include <cmath>
#include <limits>

namespace sub1quant::report {

const Json& At(const Json& json, std::initializer_list<const char*> path) {
  static const Json kNull;
  const Json* current = &json;
  for (const char* key : path) {
    if (!current->is_object()) return kNull;
    const auto found = current->find(key);
    if (found == current->end()) return kNull;
    current = &*found;
  }
  return *current;
}

std::optional<double> NumberAt(const Json& json, std::initializer_list<const char*> path) {
  const Json& value = At(json, path);
  if (!value.is_number() || !std::isfinite(value.get<double>())) return std::nullopt;
  return value.get<double>();
}

std::optional<int64_t> IntegerAt(const Json& json, std::initializer_list<const char*> path) {
  const Json& value = At(json, path);
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    return std::nullopt;
  return value.get<int64_t>();
}

std::string TextAt(const Json& json, std::initializer_list<const char*> path, const std::string& otherwise) {
  const Json& value = At(json, path);
  return value.is_string() ? value.get<std::string>() : otherwise;
}

std::vector<double> NumbersAt(const Json& json, std::initializer_list<const char*> path) {
  std::vector<double> numbers;
  for (const Json& value : ListAt(json, path)) {
    if (!value.is_number() || !std::isfinite(value.get<double>())) return {};
    numbers.push_back(value.get<double>());
  }
  return numbers;
}

const Json& ListAt(const Json& json, std::initializer_list<const char*> path) {
  static const Json kEmpty = Json::array();
  const Json& value = At(json, path);
  return value.is_array() ? value : kEmpty;
}

Json FiniteOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json FiniteOrNull(const std::optional<double>& value) { return value ? FiniteOrNull(*value) : Json(); }

Json FiniteOrNull(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(FiniteOrNull(value));
  return list;
}

}  // namespace sub1quant::report

// Reading a report that may come from anyone: a field that is absent or of another type is "not there", never an
// exception.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"

namespace sub1quant::report {

// The value at a path of object keys; null if any part is absent. Lives as long as `json`.
const Json& At(const Json& json, std::initializer_list<const char*> path);

std::optional<double> NumberAt(const Json& json, std::initializer_list<const char*> path);  // finite
std::optional<int64_t> IntegerAt(const Json& json, std::initializer_list<const char*> path);
std::string TextAt(const Json& json, std::initializer_list<const char*> path, const std::string& otherwise = "");
// Empty if it is no list or holds anything but finite numbers.
std::vector<double> NumbersAt(const Json& json, std::initializer_list<const char*> path);
// The list, or an empty one.
const Json& ListAt(const Json& json, std::initializer_list<const char*> path);

// NaN and infinities do not exist in JSON: null.
Json FiniteOrNull(double value);
Json FiniteOrNull(const std::optional<double>& value);
Json FiniteOrNull(const std::vector<double>& values);

}  // namespace sub1quant::report

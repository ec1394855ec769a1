#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/plan/specification.h"

namespace sub1quant {
namespace {

constexpr char kPublished[] = "published";
constexpr char kBosPerWindow[] = "bos_per_window";

absl::Status WrongType(const std::string& key, const std::string& want, const Json& value) {
  return absl::InvalidArgumentError(absl::StrCat("specification: '", key, "' is ", value.type_name(), ", want ", want));
}

absl::Status Read(const std::string& key, const Json& value, std::string* out) {
  if (!value.is_string()) return WrongType(key, "a string", value);
  *out = value.get<std::string>();
  return absl::OkStatus();
}

absl::Status Read(const std::string& key, const Json& value, bool* out) {
  if (!value.is_boolean()) return WrongType(key, "true or false", value);
  *out = value.get<bool>();
  return absl::OkStatus();
}

absl::Status Read(const std::string& key, const Json& value, double* out) {
  if (!value.is_number()) return WrongType(key, "a number", value);
  *out = value.get<double>();
  return absl::OkStatus();
}

absl::Status Read(const std::string& key, const Json& value, int64_t* out) {
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() ||
                     value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  if (!fits) return WrongType(key, "an integer", value);
  *out = value.get<int64_t>();
  return absl::OkStatus();
}

absl::Status Read(const std::string& key, const Json& value, int* out) {
  int64_t wide = 0;
  SUB1QUANT_RETURN_IF_ERROR(Read(key, value, &wide));
  if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("specification: '", key, "' is ", wide, ", out of range"));
  }
  *out = static_cast<int>(wide);
  return absl::OkStatus();
}

absl::Status Read(const std::string& key, const Json& value, PinRule* out) {
  if (!value.is_object()) return WrongType(key, "an object of regex and format", value);
  for (const auto& [name, element] : value.items()) {
    if (name == "regex") {
      SUB1QUANT_RETURN_IF_ERROR(Read(absl::StrCat(key, ".regex"), element, &out->regex));
    } else if (name == "format") {
      SUB1QUANT_RETURN_IF_ERROR(Read(absl::StrCat(key, ".format"), element, &out->format));
    } else {
      return absl::InvalidArgumentError(absl::StrCat("specification: unknown key '", key, ".", name, "'"));
    }
  }
  return absl::OkStatus();
}

template <typename T>
absl::Status Read(const std::string& key, const Json& value, std::vector<T>* out) {
  if (!value.is_array()) return WrongType(key, "a list", value);
  out->clear();
  for (const Json& element : value) {
    T item{};
    SUB1QUANT_RETURN_IF_ERROR(Read(key, element, &item));
    out->push_back(std::move(item));
  }
  return absl::OkStatus();
}

// An object as pairs sorted by key, so that equal specifications compare and digest equal.
template <typename T>
absl::Status Read(const std::string& key, const Json& value, std::vector<std::pair<std::string, T>>* out) {
  if (!value.is_object()) return WrongType(key, "an object", value);
  out->clear();
  for (const auto& [name, element] : value.items()) {
    T item{};
    SUB1QUANT_RETURN_IF_ERROR(Read(absl::StrCat(key, ".", name), element, &item));
    out->emplace_back(name, std::move(item));
  }
  std::sort(out->begin(), out->end());
  return absl::OkStatus();
}

absl::Status ReadProtocols(const Json& value, JobSpecification* out) {
  std::vector<std::string> names;
  SUB1QUANT_RETURN_IF_ERROR(Read("protocol", value, &names));
  out->published_protocol = out->bos_per_window_protocol = false;
  for (const std::string& name : names) {
    if (name == kPublished) {
      out->published_protocol = true;
    } else if (name == kBosPerWindow) {
      out->bos_per_window_protocol = true;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("specification: protocol '", name, "': want ", kPublished, " or ", kBosPerWindow));
    }
  }
  return absl::OkStatus();
}

// The one list of keys: `visit(key, field)` for every field whose JSON form follows from its type.
template <typename Specification, typename Visitor>
void VisitFields(Specification& s, Visitor&& visit) {
  visit("model_root", s.model_root);
  visit("model_path", s.model_path);
  visit("model_name", s.model_name);
  visit("corpus_sha256", s.corpus_sha256);
  visit("corpus_name", s.corpus_name);
  visit("quantize", s.quantize);
  visit("checkpoint_manifest_sha256", s.checkpoint_manifest_sha256);
  visit("target_bpw", s.target_bpw);
  visit("uniform", s.uniform);
  visit("allocation", s.allocation);
  visit("formats", s.formats);
  visit("group_size", s.group_size);
  visit("allocator", s.allocator);
  visit("activation_weights", s.activation_weights);
  visit("pins", s.pins);
  visit("excludes", s.excludes);
  visit("evaluate", s.evaluate);
  visit("baseline", s.baseline);
  visit("window", s.window);
  visit("stride", s.stride);
  visit("max_chunks", s.max_chunks);
  visit("dtype", s.dtype);
  visit("label", s.label);
}

template <typename T>
Json FieldToJson(const T& value) {
  return Json(value);
}

template <typename T>
Json FieldToJson(const std::vector<std::pair<std::string, T>>& pairs) {
  Json json = Json::object();
  // Appended without the linear look-up of operator[]: there may be many, and Validate refuses doubles.
  auto& object = json.get_ref<Json::object_t&>();
  for (const auto& [key, value] : pairs) object.emplace_back(key, value);
  return json;
}

Json FieldToJson(const std::vector<PinRule>& pins) {
  Json json = Json::array();
  for (const PinRule& pin : pins) json.push_back({{"regex", pin.regex}, {"format", pin.format}});
  return json;
}

}  // namespace

Json ToJson(const JobSpecification& specification) {
  Json json = Json::object();
  VisitFields(specification, [&](const char* key, const auto& field) { json[key] = FieldToJson(field); });
  Json protocols = Json::array();
  if (specification.published_protocol) protocols.push_back(kPublished);
  if (specification.bos_per_window_protocol) protocols.push_back(kBosPerWindow);
  json["protocol"] = std::move(protocols);
  return json;
}

absl::StatusOr<JobSpecification> SpecificationFromJson(const Json& json) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("specification: ", json.type_name(), ", want an object"));
  }
  JobSpecification specification;
  for (const auto& [key, value] : json.items()) {
    absl::Status status;
    bool known = key == "protocol";
    if (known) status = ReadProtocols(value, &specification);
    VisitFields(specification, [&, &key = key, &value = value](const char* name, auto& field) {
      if (known || key != name) return;
      known = true;
      status = Read(key, value, &field);
    });
    if (!known) return absl::InvalidArgumentError(absl::StrCat("specification: unknown key '", key, "'"));
    SUB1QUANT_RETURN_IF_ERROR(status);
  }
  return specification;
}

}  // namespace sub1quant

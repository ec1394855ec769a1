#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/inspect.h"
#include "client/render.h"

namespace sub1quant {
namespace {

std::string Scalar(const Json& value) {
  if (value.is_string()) return Printable(value.get<std::string>());
  if (value.is_null()) return "-";
  if (value.is_number_float()) return absl::StrFormat("%.6g", value.get<double>());
  return value.dump();
}

std::string Shape(const Json& shape) {
  std::string text;
  for (const Json& dimension : shape) absl::StrAppend(&text, text.empty() ? "" : "x", dimension.dump());
  return text.empty() ? "scalar" : text;
}

void Line(std::string& text, const std::string& name, const std::string& value) {
  absl::StrAppend(&text, name, std::string(name.size() < 20 ? 20 - name.size() : 1, ' '), value, "\n");
}

std::string Config(const Json& config) {
  std::string text;
  if (!config["scoring"].get<bool>())
    Line(text, "warning", absl::StrCat("this model cannot be scored: ", Scalar(config["reason"])));
  for (const auto& [name, value] : config.items())
    if (name != "scoring" && name != "reason") Line(text, name, Scalar(value));
  return text;
}

std::string ModelTensors(const Json& facts) {
  std::vector<std::vector<std::string>> rows = {{"TENSOR", "TYPE", "SHAPE", "SIZE", "QUANTIZABLE"}};
  for (const Json& tensor : facts["tensors"])
    rows.push_back({Scalar(tensor["key"]), Scalar(tensor["dtype"]), Shape(tensor["shape"]),
                    FormatBytes(tensor["bytes"].get<uint64_t>()),
                    tensor["quantizable"].get<bool>() ? "yes" : absl::StrCat("no: ", Scalar(tensor["reason"]))});
  return RenderTable(rows);
}

std::string QuantizedTensors(const Json& facts) {
  std::vector<std::vector<std::string>> rows = {{"TENSOR", "SHAPE", "METHOD", "BPW", "MSE", "SIZE"}};
  for (const Json& tensor : facts["tensors"])
    rows.push_back({Scalar(tensor["key"]), Shape(tensor["shape"]), Scalar(tensor["method"]), Scalar(tensor["bpw"]),
                    Scalar(tensor["mse"]), FormatBytes(tensor["stored_bytes"].get<uint64_t>())});
  for (const Json& tensor : facts["kept"])
    rows.push_back({Scalar(tensor["key"]), "", tensor["excluded"].get<bool>() ? "excluded" : "keep", "", "", ""});
  return RenderTable(rows);
}

}  // namespace

std::string RenderInspection(const Json& facts) {
  std::string text;
  const std::string kind = facts["kind"];
  Line(text, kind, Scalar(facts["name"]));
  if (kind == "model") text += Config(facts["config"]);
  if (kind == "model" || kind == "safetensors") {
    for (const Json& warning : facts["warnings"]) Line(text, "warning", Scalar(warning));
    Line(text, "tensors",
         absl::StrCat(facts["tensors"].size(), ", ", FormatBytes(facts["total_bytes"].get<uint64_t>())));
    Line(text, "quantizable",
         absl::StrCat(Scalar(facts["quantizable_tensors"]), " matrices, ",
                      FormatCount(facts["quantizable_parameters"].get<int64_t>()), " parameters (",
                      Scalar(facts["selection"]), " rule)"));
    return absl::StrCat(text, "\n", ModelTensors(facts));
  }
  for (const char* name : {"model", "group_size", "target_bpw", "average_bpw", "allocator"})
    Line(text, name, Scalar(facts[name]));
  Line(text, "quantized",
       absl::StrCat(Scalar(facts["quantized_tensors"]), " matrices, ",
                    FormatCount(facts["quantized_parameters"].get<int64_t>()), " parameters, ",
                    FormatBytes(facts["stored_bytes"].get<uint64_t>())));
  for (const auto& [method, count] : facts["method_counts"].items()) Line(text, Printable(method), Scalar(count));
  return absl::StrCat(text, "\n", QuantizedTensors(facts));
}

}  // namespace sub1quant

// Reading manifest.json. It may come from anyone: every field is checked here, so that nobody has to later.
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "core/status.h"
#include "quant/artifact/manifest.h"
#include "quant/model/tensor.h"

namespace sub1quant {
namespace {

constexpr int64_t kMaxSide = int64_t{1} << 31;   // rows, columns
constexpr int64_t kMaxCount = int64_t{1} << 53;  // bits, bytes: exact as a double, sums far from overflow
constexpr int64_t kMaxTotal = int64_t{1} << 60;
constexpr size_t kMaxTensors = 100000;
constexpr size_t kMaxKey = 4096;

// Fields of one JSON object; the first problem is kept, later reads then give defaults.
class Fields {
 public:
  Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) Fail("an object expected");
  }

  const Json& At(const char* name) {
    static const Json kNull;
    if (!status_.ok()) return kNull;
    const auto found = json_.find(name);
    if (found != json_.end()) return *found;
    Fail(absl::StrCat("'", name, "' is missing"));
    return kNull;
  }
  int64_t Int(const char* name, int64_t low, int64_t high) { return CheckedInt(At(name), name, low, high); }
  double Number(const char* name) { return CheckedNumber(At(name), name); }
  std::optional<double> OptionalNumber(const char* name) {
    const Json& value = At(name);
    if (value.is_null()) return std::nullopt;
    return CheckedNumber(value, name);
  }
  std::string Text(const char* name, size_t max_size = kMaxKey) {
    const Json& value = At(name);
    if (!status_.ok()) return "";
    if (!value.is_string()) return Wrong(name, "a string"), "";
    if (value.get_ref<const std::string&>().size() > max_size)
      return Wrong(name, absl::StrCat("at most ", max_size, " bytes")), "";
    return value.get<std::string>();
  }
  std::string Digest(const char* name, bool may_be_empty) {
    const std::string text = Text(name);
    if (status_.ok() && !IsSha256Hex(text) && !(may_be_empty && text.empty())) Wrong(name, "a SHA-256 in hexadecimal");
    return text;
  }
  bool Bool(const char* name) {
    const Json& value = At(name);
    if (!status_.ok()) return false;
    if (!value.is_boolean()) return Wrong(name, "true or false"), false;
    return value.get<bool>();
  }
  void Shape(int64_t* rows, int64_t* cols, int64_t low) {
    const Json& value = At("shape");
    if (!status_.ok()) return;
    if (!value.is_array() || value.size() != 2) return Wrong("shape", "[rows, cols]");
    *rows = CheckedInt(value[0], "shape", low, kMaxSide);
    *cols = CheckedInt(value[1], "shape", low, kMaxSide);
  }
  // BF16, F16, F32; "" where the source is unknown.
  std::string SourceDType(const char* name) {
    const std::string text = Text(name);
    const bool known = text == "BF16" || text == "F16" || text == "F32" || text.empty();
    if (status_.ok() && !known) Wrong(name, "BF16, F16 or F32");
    return text;
  }
  const Json& List(const char* name) {
    static const Json kEmpty = Json::array();
    const Json& value = At(name);
    if (!status_.ok()) return kEmpty;
    if (!value.is_array() || value.size() > kMaxTensors)
      return Wrong(name, absl::StrCat("a list of at most ", kMaxTensors)), kEmpty;
    return value;
  }
  void Wrong(const char* name, const std::string& expected) {
    Fail(absl::StrCat("'", name, "': ", expected, " expected"));
  }
  void Keep(const absl::Status& status) {
    if (status_.ok()) status_ = Annotate(status, where_);
  }
  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }

 private:
  void Fail(const std::string& problem) { Keep(absl::InvalidArgumentError(problem)); }
  int64_t CheckedInt(const Json& value, const char* name, int64_t low, int64_t high) {
    if (!status_.ok()) return low;
    const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(kMaxTotal)
                                                 : value.is_number_integer();
    if (fits && value.get<int64_t>() >= low && value.get<int64_t>() <= high) return value.get<int64_t>();
    Wrong(name, absl::StrCat("an integer from ", low, " to ", high));
    return low;
  }
  double CheckedNumber(const Json& value, const char* name) {
    if (!status_.ok()) return 0;
    if (!value.is_number()) return Wrong(name, "a number"), 0;
    return value.get<double>();
  }

  const Json& json_;
  const std::string where_;
  absl::Status status_;
};

AllocationTotals TotalsFromJson(Fields& parent, const char* name) {
  AllocationTotals totals;
  if (!parent.ok()) return totals;
  Fields fields(parent.At(name), name);
  totals.layers = fields.Int("layers", 0, kMaxTensors);
  totals.total_params = fields.Int("total_params", 0, kMaxTotal);
  totals.average_bpw = fields.Number("average_bpw");
  totals.weighted_mse = fields.OptionalNumber("weighted_mse");
  parent.Keep(fields.status());
  return totals;
}

std::optional<ExactSum> ErrorFromJson(Fields& fields) {
  if (fields.At("sse_2e60").is_null()) return std::nullopt;
  const absl::StatusOr<ExactSum> sum = ExactSum::FromHex(fields.Text("sse_2e60"));
  fields.Keep(sum.status());
  return sum.ok() ? std::optional<ExactSum>(*sum) : std::nullopt;
}

ManifestTensor TensorFromJson(Fields& fields) {
  ManifestTensor tensor;
  tensor.index = fields.Int("index", 0, kMaxTensors);
  tensor.key = fields.Text("key");
  fields.Shape(&tensor.rows, &tensor.cols, 1);
  tensor.dtype = fields.SourceDType("dtype");
  tensor.tensor_sha256 = fields.Digest("tensor_sha256", /*may_be_empty=*/true);
  tensor.method = fields.Text("method");
  tensor.codec_version = static_cast<int>(fields.Int("codec_version", 1, 1 << 20));
  tensor.bits = fields.Int("bits", 0, kMaxCount);
  tensor.error = ErrorFromJson(fields);
  tensor.mse = fields.OptionalNumber("mse");
  tensor.activation_weight = fields.Number("activation_weight");
  tensor.blob_sha256 = fields.Digest("blob_sha256", /*may_be_empty=*/false);
  tensor.blob_bytes = static_cast<uint64_t>(fields.Int("blob_bytes", 0, kMaxCount));
  tensor.stored_bytes = static_cast<uint64_t>(fields.Int("stored_bytes", 0, kMaxCount));
  if (fields.ok() && tensor.params() > kMaxCount) fields.Wrong("shape", "at most 2^53 weights");
  return tensor;
}

KeptTensor KeptFromJson(Fields& fields) {
  KeptTensor kept;
  kept.index = fields.Int("index", 0, kMaxTensors);
  kept.key = fields.Text("key");
  kept.dtype = fields.Text("dtype");
  if (fields.ok() && !ParseDType(kept.dtype)) fields.Wrong("dtype", "a safetensors dtype");
  fields.Shape(&kept.rows, &kept.cols, 0);
  kept.tensor_sha256 = fields.Digest("tensor_sha256", /*may_be_empty=*/false);
  kept.excluded = fields.Bool("excluded");
  if (fields.ok() && kept.rows * kept.cols > kMaxCount) fields.Wrong("shape", "at most 2^53 weights");
  return kept;
}

void FormatsFromJson(Fields& fields, Manifest* manifest) {
  for (const Json& format : fields.List("formats")) {
    if (!format.is_string()) return fields.Wrong("formats", "a list of method names");
    manifest->formats.push_back(format.get<std::string>());
  }
}

void TensorsFromJson(Fields& fields, Manifest* manifest) {
  std::set<std::string> keys;
  int64_t last_index = -1;
  for (const Json& json : fields.List("tensors")) {
    Fields entry(json, absl::StrCat("tensors[", manifest->tensors.size(), "]"));
    ManifestTensor tensor = TensorFromJson(entry);
    if (entry.ok() && tensor.index <= last_index) entry.Wrong("index", "ascending order");
    if (entry.ok() && !keys.insert(tensor.key).second) entry.Wrong("key", "every key once");
    if (!entry.ok()) return fields.Keep(entry.status());
    last_index = tensor.index;
    manifest->tensors.push_back(std::move(tensor));
  }
  for (const Json& json : fields.List("kept")) {
    Fields entry(json, absl::StrCat("kept[", manifest->kept.size(), "]"));
    KeptTensor kept = KeptFromJson(entry);
    if (entry.ok() && !keys.insert(kept.key).second) entry.Wrong("key", "every key once");
    if (!entry.ok()) return fields.Keep(entry.status());
    manifest->kept.push_back(std::move(kept));
  }
}

}  // namespace

absl::StatusOr<Manifest> ManifestFromJson(const std::string& text) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  Fields fields(json, "manifest");
  Manifest manifest;
  if (fields.Text("kind") != "sub1quant artifact") fields.Wrong("kind", "'sub1quant artifact'");
  fields.Int("format_version", 1, 1);
  manifest.model_name = fields.Text("model_name");
  manifest.selection = fields.Text("selection");
  manifest.group_size = static_cast<int>(fields.Int("group_size", 1, 1 << 16));
  if (fields.ok()) fields.Keep(CheckGroupSize(manifest.group_size));
  manifest.target_bpw = fields.OptionalNumber("target_bpw");
  manifest.allocator = fields.Text("allocator");
  FormatsFromJson(fields, &manifest);
  manifest.inputs = fields.At("inputs");
  manifest.totals = TotalsFromJson(fields, "totals");
  if (!fields.At("uniform_int4").is_null()) manifest.uniform_int4 = TotalsFromJson(fields, "uniform_int4");
  TensorsFromJson(fields, &manifest);
  if (!fields.ok()) return fields.status();
  return manifest;
}

}  // namespace sub1quant

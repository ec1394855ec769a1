#include "quant/artifact/pt_header.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/artifact/pt_integer.h"
#include "quant/artifact/pt_layout.h"

namespace sub1quant {
namespace {

using Kind = PickleValue::Kind;

constexpr size_t kMaxEntries = 100000;
constexpr size_t kMaxEntryItems = 2 * 64;  // keys and values of one entry: lookups in it are linear
constexpr size_t kMaxKey = 4096;
constexpr int64_t kMaxSide = int64_t{1} << 31;
constexpr int64_t kMaxWeights = int64_t{1} << 40;

absl::Status Bad(const std::string& problem) { return absl::InvalidArgumentError(problem); }

absl::StatusOr<int64_t> IntOf(const PickleValue& dict, const char* key, int64_t low, int64_t high) {
  const PickleValue* value = dict.Find(key);
  if (value == nullptr || value->kind != Kind::kInt || value->integer < low || value->integer > high)
    return Bad(absl::StrCat("'", key, "': an integer from ", low, " to ", high, " expected"));
  return value->integer;
}

absl::StatusOr<std::string> TextOf(const PickleValue& dict, const char* key) {
  const PickleValue* value = dict.Find(key);
  if (value == nullptr || value->kind != Kind::kString || value->text.size() > kMaxKey)
    return Bad(absl::StrCat("'", key, "': a string of at most ", kMaxKey, " bytes expected"));
  return value->text;
}

// A finite number under `key`, or nothing (None, absent, of another type: these fields only inform).
std::optional<double> NumberOf(const PickleValue& dict, const char* key) {
  const PickleValue* value = dict.Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->kind == Kind::kInt) return static_cast<double>(value->integer);
  if (value->kind == Kind::kFloat && std::isfinite(value->number)) return value->number;
  return std::nullopt;
}

absl::Status ShapeOf(const PickleValue& dict, const char* key, int64_t* rows, int64_t* cols) {
  const PickleValue* value = dict.Find(key);
  if (value == nullptr || (value->kind != Kind::kList && value->kind != Kind::kTuple) || value->items.size() != 2)
    return Bad(absl::StrCat("'", key, "': [rows, cols] expected"));
  for (const PicklePointer& item : value->items)
    if (item->kind != Kind::kInt || item->integer < 1 || item->integer > kMaxSide)
      return Bad(absl::StrCat("'", key, "': integers from 1 to ", kMaxSide, " expected"));
  *rows = value->items[0]->integer;
  *cols = value->items[1]->integer;
  return absl::OkStatus();
}

absl::StatusOr<std::string> MethodOf(const PickleValue& entry) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string format, TextOf(entry, "format"));
  const auto number = [&entry](const char* key) {
    const PickleValue* value = entry.Find(key);
    return value != nullptr && value->kind == Kind::kInt ? value->integer : 0;
  };
  return MethodOfFormat(format, number("outliers_per_group"), number("bits"));
}

absl::StatusOr<ManifestTensor> TensorOf(const PickleValue& entry, const std::map<std::string, std::string>& names,
                                        int64_t index, int group_size) {
  if (entry.kind != Kind::kDict || entry.items.size() > kMaxEntryItems)
    return Bad("a dict of at most 64 keys expected");
  ManifestTensor tensor;
  tensor.index = index;
  SUB1QUANT_ASSIGN_OR_RETURN(tensor.key, TextOf(entry, "key"));
  SUB1QUANT_RETURN_IF_ERROR(ShapeOf(entry, "orig_shape", &tensor.rows, &tensor.cols));
  SUB1QUANT_RETURN_IF_ERROR(IntOf(entry, "group_size", group_size, group_size).status());
  const int64_t padded = GroupsPerRow(tensor.cols, group_size) * group_size;
  if (padded > kMaxWeights / tensor.rows) return Bad("'orig_shape': more than 2^40 weights");
  int64_t padded_rows = 0, padded_cols = 0;
  SUB1QUANT_RETURN_IF_ERROR(ShapeOf(entry, "padded_shape", &padded_rows, &padded_cols));
  if (padded_rows != tensor.rows || padded_cols != padded)
    return Bad(absl::StrCat("'padded_shape': [", tensor.rows, ", ", padded, "] expected"));
  SUB1QUANT_ASSIGN_OR_RETURN(tensor.method, MethodOf(entry));
  const auto name = names.find(tensor.key);
  if (name != names.end() && EntryMethod(name->second) == tensor.method) tensor.method = name->second;
  const Codec* codec = FindCodec(tensor.method);
  if (codec == nullptr) return Bad("method '" + tensor.method + "' is not known here");
  tensor.codec_version = codec->version();
  tensor.bits = codec->NominalBits(tensor.rows, tensor.cols, group_size);
  tensor.stored_bytes = codec->StoredBytes(tensor.rows, tensor.cols, group_size);
  return tensor;
}

// Method names by key. They tell int4 and int2 from the methods in whose entries they stand (docs/formats.md §9).
absl::StatusOr<std::map<std::string, std::string>> MethodNames(const PickleValue* weight_keys) {
  std::map<std::string, std::string> names;
  if (weight_keys == nullptr || weight_keys->kind != Kind::kList) return names;
  if (weight_keys->items.size() > kMaxEntries) return Bad(absl::StrCat("more than ", kMaxEntries, " weight_keys"));
  for (const PicklePointer& item : weight_keys->items) {
    if (item->kind != Kind::kDict || item->items.size() > kMaxEntryItems)
      return Bad("'weight_keys': small dicts expected");
    const PickleValue *key = item->Find("key"), *method = item->Find("method");
    if (key == nullptr || key->kind != Kind::kString || method == nullptr || method->kind != Kind::kString) continue;
    names[key->text] = method->text;
  }
  return names;
}

// All entries in ascending index.
absl::Status ReadEntries(const PickleValue& quantized, const std::map<std::string, std::string>& names,
                         PtHeader* header) {
  if (quantized.kind != Kind::kDict || quantized.items.empty() || quantized.items.size() > 2 * kMaxEntries)
    return Bad(absl::StrCat("'quantized': a dict of 1 to ", kMaxEntries, " entries expected"));
  std::map<int64_t, const PickleValue*> by_index;
  for (size_t i = 0; i < quantized.items.size(); i += 2) {
    const PickleValue& index = *quantized.items[i];
    if (index.kind != Kind::kInt || index.integer < 0 || index.integer > static_cast<int64_t>(kMaxEntries))
      return Bad(absl::StrCat("'quantized': keys from 0 to ", kMaxEntries, " expected"));
    if (!by_index.emplace(index.integer, quantized.items[i + 1].get()).second)
      return Bad(absl::StrCat("'quantized': entry ", index.integer, " is there twice"));
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const int64_t group_size, IntOf(*by_index.begin()->second, "group_size", 1, 1 << 16));
  SUB1QUANT_RETURN_IF_ERROR(CheckGroupSize(static_cast<int>(group_size)));
  header->manifest.group_size = static_cast<int>(group_size);
  std::set<std::string> keys;
  for (const auto& [index, entry] : by_index) {
    absl::StatusOr<ManifestTensor> tensor = TensorOf(*entry, names, index, header->manifest.group_size);
    if (!tensor.ok()) return Annotate(tensor.status(), absl::StrCat("entry ", index));
    if (!keys.insert(tensor->key).second) return Bad("key '" + tensor->key + "' is there twice");
    header->manifest.tensors.push_back(*std::move(tensor));
    header->entries.push_back(entry);
  }
  return absl::OkStatus();
}

// mse and activation weights out of a list of dicts with `key`.
absl::Status ApplyLayers(const PickleValue* list, std::map<std::string, ManifestTensor*>& by_key) {
  if (list == nullptr || list->kind != Kind::kList) return absl::OkStatus();
  if (list->items.size() > kMaxEntries) return Bad(absl::StrCat("more than ", kMaxEntries, " layers"));
  for (const PicklePointer& layer : list->items) {
    if (layer->kind != Kind::kDict || layer->items.size() > kMaxEntryItems) return Bad("a layer is no small dict");
    const PickleValue* key = layer->Find("key");
    if (key == nullptr || key->kind != Kind::kString) continue;
    const auto found = by_key.find(key->text);
    if (found == by_key.end()) continue;
    if (const std::optional<double> mse = NumberOf(*layer, "mse")) found->second->mse = mse;
    if (const std::optional<double> weight = NumberOf(*layer, "activation_weight"))
      found->second->activation_weight = *weight;
  }
  return absl::OkStatus();
}

std::optional<AllocationTotals> UniformTotals(const PickleValue* totals) {
  if (totals == nullptr || totals->kind != Kind::kDict) return std::nullopt;
  const auto layers = IntOf(*totals, "layers", 0, kMaxEntries);
  const auto params = IntOf(*totals, "total_params", 0, int64_t{1} << 53);
  const std::optional<double> bpw = NumberOf(*totals, "avg_bpw");
  if (!layers.ok() || !params.ok() || !bpw) return std::nullopt;
  return AllocationTotals{*layers, *params, *bpw, NumberOf(*totals, "weighted_mse")};
}

absl::Status ReadStats(const PickleValue& stats, Manifest* manifest) {
  if (stats.kind != Kind::kDict || stats.items.size() > kMaxEntryItems) return Bad("'stats': a small dict expected");
  std::map<std::string, ManifestTensor*> by_key;
  for (ManifestTensor& tensor : manifest->tensors) by_key[tensor.key] = &tensor;
  SUB1QUANT_RETURN_IF_ERROR(ApplyLayers(stats.Find("layer_stats"), by_key));
  const PickleValue* source = stats.Find("source_allocation");
  if (source != nullptr && source->kind == Kind::kDict && source->items.size() <= kMaxEntryItems) {
    SUB1QUANT_RETURN_IF_ERROR(ApplyLayers(source->Find("selected_layers"), by_key));
    manifest->target_bpw = NumberOf(*source, "target_avg_bpw");
  }
  manifest->uniform_int4 = UniformTotals(stats.Find("uniform_int4"));
  return absl::OkStatus();
}

std::string BaseName(std::string path) {
  while (!path.empty() && path.back() == '/') path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

absl::Status ReadConfig(const PickleValue* config, Manifest* manifest) {
  if (config == nullptr) return absl::OkStatus();
  if (config->kind != Kind::kDict || config->items.size() > kMaxEntryItems)
    return Bad("'config': a small dict expected");
  const PickleValue* directory = config->Find("model_dir");
  if (directory != nullptr && directory->kind == Kind::kString && directory->text.size() <= kMaxKey)
    manifest->model_name = BaseName(directory->text);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PtHeader> ReadPtHeader(const PickleValue& root) {
  if (root.kind != Kind::kDict || root.items.size() > kMaxEntryItems) return Bad("a dict with 'quantized' expected");
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string method, TextOf(root, "method"));
  if (method != "mixed_budget" && method != "groupwise_int4")
    return Bad("'method': '" + method + "', mixed_budget or groupwise_int4 expected");
  const PickleValue* quantized = root.Find("quantized");
  if (quantized == nullptr) return Bad("'quantized' is missing");
  PtHeader header;
  SUB1QUANT_ASSIGN_OR_RETURN(const auto names, MethodNames(root.Find("weight_keys")));
  SUB1QUANT_RETURN_IF_ERROR(ReadEntries(*quantized, names, &header));
  if (const PickleValue* stats = root.Find("stats")) SUB1QUANT_RETURN_IF_ERROR(ReadStats(*stats, &header.manifest));
  SUB1QUANT_RETURN_IF_ERROR(ReadConfig(root.Find("config"), &header.manifest));
  Manifest& manifest = header.manifest;
  const bool multimodal =
      std::any_of(manifest.tensors.begin(), manifest.tensors.end(),
                  [](const ManifestTensor& tensor) { return tensor.key.find("language_model") != std::string::npos; });
  manifest.selection = multimodal ? "multimodal" : "text-only";
  manifest.allocator = "fixed";
  manifest.inputs = Json::object();
  manifest.totals = TotalsOf(manifest.tensors, {});
  return header;
}

}  // namespace sub1quant

#include "client/inspect.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/checkpoint.h"
#include "core/file.h"
#include "core/status.h"
#include "quant/artifact/manifest.h"
#include "quant/artifact/pt.h"
#include "quant/model/gemma4_config.h"
#include "quant/model/model_source.h"
#include "quant/model/quantizable.h"
#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;

std::string NameOf(const std::string& path) {
  const std::filesystem::path absolute = std::filesystem::absolute(path).lexically_normal();
  return (absolute.has_filename() ? absolute : absolute.parent_path()).filename().string();
}

void AddTensors(const TensorInventory& inventory, const QuantizableSelection& selection, Json& facts) {
  facts["selection"] = selection.text_only ? "text-only" : "multimodal";
  facts["total_bytes"] = inventory.total_bytes();
  facts["quantizable_tensors"] = selection.indices.size();
  facts["quantizable_parameters"] = selection.parameters;
  facts["warnings"] = Json::array();
  Json tensors = Json::array();
  for (size_t i = 0; i < inventory.tensors.size(); ++i) {
    const TensorRecord& tensor = inventory.tensors[i];
    const std::string& reason = selection.reasons[i];
    Json entry{{"key", tensor.key},     {"dtype", DTypeName(tensor.dtype)},
               {"shape", tensor.shape}, {"bytes", tensor.bytes},
               {"file", tensor.file},   {"quantizable", reason.empty()}};
    entry["reason"] = reason.empty() ? Json(nullptr) : Json(reason);
    tensors.push_back(std::move(entry));
    if (reason.empty() && tensor.elements() == 0)
      facts["warnings"].push_back(absl::StrCat("tensor '", tensor.key, "' has no weights; --exclude it"));
  }
  facts["tensors"] = std::move(tensors);
}

Json Unscorable(const absl::Status& status) {
  return Json{{"scoring", false}, {"reason", std::string(status.message())}};
}

Json ConfigFacts(ModelSource& source, const TensorInventory& inventory, bool text_only) {
  const absl::StatusOr<std::string> text = ReadModelFile(source, "config.json", kMaxConfigBytes);
  if (!text.ok()) return Unscorable(text.status());
  const absl::StatusOr<Gemma4Config> config = ParseGemma4Config(*text);
  if (!config.ok()) return Unscorable(config.status());
  const absl::Status scorable = CheckGemma4Tensors(Gemma4TensorShapes(*config, text_only), inventory);
  Json facts = scorable.ok() ? Json{{"scoring", true}} : Unscorable(scorable);
  facts.update(Json{{"architecture", config->architecture},
                    {"model_type", config->model_type},
                    {"vocab_size", config->vocab_size},
                    {"hidden_size", config->hidden_size},
                    {"intermediate_size", config->intermediate_size},
                    {"num_hidden_layers", config->num_hidden_layers},
                    {"num_attention_heads", config->num_attention_heads},
                    {"num_key_value_heads", config->num_key_value_heads},
                    {"num_kv_shared_layers", config->num_kv_shared_layers},
                    {"sliding_window", config->sliding_window}});
  return facts;
}

absl::StatusOr<Json> InspectModel(const std::string& directory) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<ModelSource> source, OpenModelDirectory(directory));
  const absl::StatusOr<TensorInventory> inventory = ReadInventory(*source);
  if (!inventory.ok()) return Annotate(inventory.status(), directory);
  const QuantizableSelection selection = SelectQuantizable(*inventory);
  Json facts{{"kind", "model"},
             {"name", NameOf(directory)},
             {"config", ConfigFacts(*source, *inventory, selection.text_only)}};
  facts["files"] = Json::array();
  for (const ModelFile& file : inventory->files)
    facts["files"].push_back(Json{{"name", file.name}, {"size", file.size}, {"header_sha256", file.header_sha256}});
  AddTensors(*inventory, selection, facts);
  return facts;
}

absl::StatusOr<Json> InspectSafetensors(const std::string& path) {
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<ModelSource> source, OpenModelDirectory(folder));
  const std::string name = std::filesystem::path(path).filename().string();
  const absl::StatusOr<SafetensorsHeader> header = ReadSafetensorsHeader(*source, name);
  if (!header.ok()) return header.status();
  TensorInventory inventory;
  inventory.tensors = header->tensors;
  Json facts{{"kind", "safetensors"}, {"name", name}, {"header_sha256", header->sha256}};
  facts["metadata"] = Json::object();
  for (const auto& [key, value] : header->metadata) facts["metadata"][key] = value;
  AddTensors(inventory, SelectQuantizable(inventory), facts);
  return facts;
}

Json Optional(const std::optional<double>& value) { return value.has_value() ? Json(*value) : Json(nullptr); }

Json ManifestFacts(const std::string& kind, const std::string& path, const Manifest& manifest) {
  Json facts{{"kind", kind},
             {"name", NameOf(path)},
             {"model", manifest.model_name},
             {"selection", manifest.selection},
             {"group_size", manifest.group_size},
             {"target_bpw", Optional(manifest.target_bpw)},
             {"average_bpw", manifest.totals.average_bpw},
             {"allocator", manifest.allocator}};
  facts["quantized_tensors"] = manifest.tensors.size();
  facts["quantized_parameters"] = manifest.totals.total_params;
  facts["method_counts"] = Json::object();
  uint64_t stored = 0;
  Json tensors = Json::array();
  for (const ManifestTensor& tensor : manifest.tensors) {
    stored += tensor.stored_bytes;
    Json& count = facts["method_counts"][tensor.method];
    count = count.is_null() ? 1 : count.get<int64_t>() + 1;
    tensors.push_back(Json{{"key", tensor.key},
                           {"shape", {tensor.rows, tensor.cols}},
                           {"method", tensor.method},
                           {"bpw", static_cast<double>(tensor.bits) / static_cast<double>(tensor.params())},
                           {"mse", Optional(tensor.mse)},
                           {"stored_bytes", tensor.stored_bytes}});
  }
  facts["stored_bytes"] = stored;
  facts["tensors"] = std::move(tensors);
  facts["kept"] = Json::array();
  for (const KeptTensor& tensor : manifest.kept)
    facts["kept"].push_back(Json{{"key", tensor.key}, {"dtype", tensor.dtype}, {"excluded", tensor.excluded}});
  return facts;
}

absl::StatusOr<Json> InspectPt(const std::string& path) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<PtFile> file, PtFile::Open(path));
  return ManifestFacts("pt", path, file->manifest());
}

absl::StatusOr<Json> InspectArtifact(const std::string& directory) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Artifact artifact, OpenArtifact(directory));
  return ManifestFacts("artifact", directory, artifact.manifest);
}

absl::StatusOr<Json> InspectFile(const std::string& path) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, ReadableFile::Open(path));
  char magic[2] = {};
  if (file->size() >= 2) SUB1QUANT_RETURN_IF_ERROR(file->ReadAt(0, magic, 2));
  if (magic[0] == 'P' && magic[1] == 'K') return InspectPt(path);
  if (absl::EndsWith(path, ".safetensors")) return InspectSafetensors(path);
  if (absl::EndsWith(path, ".pt") || absl::EndsWith(path, ".pth")) return InspectPt(path);
  if (std::filesystem::path(path).filename() == "manifest.json")
    return InspectArtifact(std::filesystem::absolute(path).parent_path().string());
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": a model directory, a safetensors file, an artifact or a .pt file is expected"));
}

}  // namespace

absl::StatusOr<Json> InspectPath(const std::string& path) {
  if (!PathExists(path)) return absl::NotFoundError(absl::StrCat(path, ": no such file or directory"));
  if (!IsDirectory(path)) return InspectFile(path);
  if (const absl::StatusOr<std::string> artifact = FindArtifact(path); artifact.ok()) return InspectArtifact(*artifact);
  return InspectModel(path);
}

}  // namespace sub1quant

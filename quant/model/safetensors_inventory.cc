#include <map>
#include <set>

#include "core/status.h"
#include "quant/model/safetensors.h"
#include "quant/model/safetensors_index.h"
#include "quant/model/safetensors_parser.h"
#include "quant/model/safetensors_reader.h"
#include "quant/model/strict_sax.h"

namespace sub1quant {
namespace {

constexpr char kSuffix[] = ".safetensors";
constexpr char kIndexName[] = "model.safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = uint64_t{64} << 20;

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

absl::Status AddFile(ModelSource& source, const ModelSource::File& file, TensorInventory& inventory) {
  SUB1QUANT_ASSIGN_OR_RETURN(SafetensorsHeader header, ReadSafetensorsHeaderOfSize(source, file.name, file.size));
  if (inventory.tensors.size() + header.tensors.size() > kMaxSafetensorsTensors)
    return absl::InvalidArgumentError(file.name + ": the model has more than " +
                                      std::to_string(kMaxSafetensorsTensors) + " tensors");
  inventory.files.push_back({file.name, file.size, header.sha256, file.identity});
  for (TensorRecord& tensor : header.tensors) inventory.tensors.push_back(std::move(tensor));
  return absl::OkStatus();
}

absl::Status CheckIndex(ModelSource& source, const TensorInventory& inventory,
                        const std::map<std::string, std::string>& file_of_key) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string text, ReadModelFile(source, kIndexName, kMaxIndexBytes));
  SUB1QUANT_ASSIGN_OR_RETURN(const auto entries, ParseSafetensorsIndex(text));
  std::set<std::string> present, named;
  for (const ModelFile& file : inventory.files) present.insert(file.name);
  for (const auto& [key, file] : entries) {
    if (present.count(file) == 0)
      return absl::NotFoundError("file " + QuotedKey(file) + " of tensor " + QuotedKey(key) + " is not there");
    const auto found = file_of_key.find(key);
    if (found == file_of_key.end() || found->second != file)
      return absl::InvalidArgumentError("tensor " + QuotedKey(key) + " is not in " + QuotedKey(file));
    named.insert(file);
  }
  for (const std::string& file : present)
    if (named.count(file) == 0)
      return absl::InvalidArgumentError("does not name " + QuotedKey(file) + ", which is there");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TensorInventory> ReadInventory(ModelSource& source) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<ModelSource::File> files, source.List());
  TensorInventory inventory;
  bool has_index = false;
  for (const ModelSource::File& file : files) {
    has_index |= file.name == kIndexName;
    if (EndsWith(file.name, kSuffix)) SUB1QUANT_RETURN_IF_ERROR(AddFile(source, file, inventory));
  }
  if (inventory.files.empty()) return absl::NotFoundError("no *.safetensors file in the model directory");

  std::map<std::string, std::string> file_of_key;
  for (const TensorRecord& tensor : inventory.tensors) {
    const auto [found, inserted] = file_of_key.emplace(tensor.key, tensor.file);
    if (!inserted)
      return absl::InvalidArgumentError("tensor " + QuotedKey(tensor.key) + " is in both " + found->second + " and " +
                                        tensor.file);
  }
  if (has_index) SUB1QUANT_RETURN_IF_ERROR(Annotate(CheckIndex(source, inventory, file_of_key), kIndexName));
  return inventory;
}

}  // namespace sub1quant

#include "client/local_model.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/status.h"
#include "quant/model/quantizable.h"
#include "quant/model/safetensors.h"

namespace sub1quant {
namespace {

std::string NameOf(const std::string& directory) {
  std::filesystem::path path = std::filesystem::absolute(directory).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

bool Holds(const LocalModel& model, const std::string& name) {
  return std::any_of(model.files.begin(), model.files.end(), [&](const auto& file) { return file.name == name; });
}

}  // namespace

absl::Status CheckModelAddress(const std::string& model) {
  for (const char* scheme : {"s3://", "https://", "http://"})
    if (absl::StartsWith(model, scheme))
      return absl::UnimplementedError(
          absl::StrCat("--model ", model, ": ", scheme, " is not supported in this version; a directory is expected"));
  return absl::OkStatus();
}

absl::StatusOr<LocalModel> LookAtModel(const std::string& directory, const JobSpecification& specification) {
  SUB1QUANT_RETURN_IF_ERROR(CheckModelAddress(directory));
  const std::string where = absl::StrCat("--model ", directory);
  if (!PathExists(directory)) return absl::NotFoundError(absl::StrCat(where, ": no such directory"));
  if (!IsDirectory(directory)) return absl::InvalidArgumentError(absl::StrCat(where, ": not a directory"));
  LocalModel model;
  std::error_code error;
  model.directory = std::filesystem::canonical(directory, error).string();
  if (error) return ErrnoStatus(error.value(), where);
  model.name = NameOf(directory);
  auto source = OpenModelDirectory(model.directory);
  if (!source.ok()) return Annotate(source.status(), where);
  auto files = (*source)->List();
  if (!files.ok()) return Annotate(files.status(), where);
  model.files = *std::move(files);
  if (specification.evaluate)
    for (const char* name : {"config.json", "tokenizer.json"})
      if (!Holds(model, name))
        return absl::InvalidArgumentError(absl::StrCat(where, ": ", name, " is missing; scoring needs it"));
  const auto inventory = ReadInventory(**source);
  if (!inventory.ok()) return Annotate(inventory.status(), where);
  if (specification.quantize && SelectQuantizable(*inventory).indices.empty())
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": none of its ", inventory->tensors.size(), " tensors is a quantizable matrix"));
  return model;
}

}  // namespace sub1quant

#include "worker/models.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/file.h"
#include "core/status.h"
#include "proto/channel/remote_model.h"

namespace sub1quant {
namespace {

class RootedModels final : public ModelAccess {
 public:
  RootedModels(ModelRoots roots, std::shared_ptr<grpc::Channel> channel)
      : roots_(std::move(roots)), channel_(std::move(channel)) {}

  absl::StatusOr<std::shared_ptr<ModelSource>> Open(const ModelReference& model) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (source_ == nullptr || !(model == opened_)) {
      SUB1QUANT_ASSIGN_OR_RETURN(source_, OpenNew(model));
      opened_ = model;
    }
    return source_;
  }

 private:
  absl::StatusOr<std::shared_ptr<ModelSource>> OpenNew(const ModelReference& model) {
    const auto root = roots_.directories.find(model.root);
    if (root == roots_.directories.end()) {
      return std::shared_ptr<ModelSource>(NewRemoteModel(channel_, model));
    }
    SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<ModelSource> source,
                               OpenModelDirectory(root->second, model.path, roots_.follow_links));
    return std::shared_ptr<ModelSource>(std::move(source));
  }

  ModelRoots roots_;
  std::shared_ptr<grpc::Channel> channel_;
  std::mutex mutex_;
  ModelReference opened_;  // guarded by mutex_, as source_
  std::shared_ptr<ModelSource> source_;
};

}  // namespace

absl::Status AddModelRoot(const std::string& option, ModelRoots& roots) {
  const size_t equals = option.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == option.size()) {
    return absl::InvalidArgumentError(absl::StrCat("--model-root '", option, "': expected NAME=DIR"));
  }
  const std::string directory = option.substr(equals + 1);
  if (!IsDirectory(directory)) {
    return absl::InvalidArgumentError(absl::StrCat("--model-root '", option, "': no such directory"));
  }
  if (!roots.directories.emplace(option.substr(0, equals), directory).second) {
    return absl::InvalidArgumentError(absl::StrCat("--model-root '", option, "': the name is given twice"));
  }
  return absl::OkStatus();
}

std::unique_ptr<ModelAccess> NewModelAccess(ModelRoots roots, std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<RootedModels>(std::move(roots), std::move(channel));
}

}  // namespace sub1quant

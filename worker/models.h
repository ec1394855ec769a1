// How this worker reaches the model that a task names: under its own root of that name, or through the server.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "quant/model/model_source.h"
#include "quant/plan/tasks.h"

namespace sub1quant {

// Thread-safe.
class ModelAccess {
 public:
  virtual ~ModelAccess() = default;
  virtual absl::StatusOr<std::shared_ptr<ModelSource>> Open(const ModelReference& model) = 0;
};

struct ModelRoots {
  std::map<std::string, std::string> directories;  // name → directory
  // Symbolic links may lead out of a root: only where the root is the user's own path (`sub1quant run`).
  bool follow_links = false;
};

// From `NAME=DIR`; InvalidArgument naming what is wrong, also for a name given twice.
absl::Status AddModelRoot(const std::string& option, ModelRoots& roots);

// The model opened last stays open.
std::unique_ptr<ModelAccess> NewModelAccess(ModelRoots roots, std::shared_ptr<grpc::Channel> channel);

}  // namespace sub1quant

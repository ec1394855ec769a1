// What the gRPC services share. Owned by main; everything outlives the services.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "core/clock.h"
#include "core/process/path_names.h"
#include "core/random_id.h"
#include "quant/artifact/blob_store.h"
#include "quant/model/model_source.h"
#include "server/store/store.h"

namespace sub1quant {

struct ModelRoot {
  std::string directory;
  bool follow_links = false;
};

struct ServiceContext {
  const Clock& clock;
  IdGenerator& ids;
  StateStore& store;
  BlobStore& blobs;
  std::map<std::string, ModelRoot> model_roots;
  std::chrono::milliseconds lease_ttl{30000};
  PathNames paths{};  // what clients and workers see of this machine's directories
};

// InvalidArgument naming the root and the known ones.
absl::StatusOr<std::unique_ptr<ModelSource>> OpenModel(const ServiceContext& context, const std::string& root,
                                                       const std::string& path);

}  // namespace sub1quant

// A model directory of the server, read in byte ranges (proto BlobService).
#pragma once

#include <memory>

#include "grpcpp/channel.h"
#include "quant/model/model_source.h"
#include "quant/plan/tasks.h"

namespace sub1quant {

// Thread-safe. Nothing is read before the first call. LocalPath is always "".
std::unique_ptr<ModelSource> NewRemoteModel(std::shared_ptr<grpc::Channel> channel, const ModelReference& model);

}  // namespace sub1quant

// BlobService of blobs.proto: bytes for those who share no storage with the server.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "server/metrics.h"
#include "server/service_context.h"
#include "sub1quant/v1/blobs.grpc.pb.h"

namespace sub1quant {

class BlobServiceImpl final : public v1::BlobService::Service {
 public:
  BlobServiceImpl(ServiceContext& context, ServerMetrics& metrics) : context_(context), metrics_(metrics) {}

  grpc::Status StatBlob(grpc::ServerContext*, const v1::StatBlobRequest*, v1::StatBlobResponse*) override;
  grpc::Status GetBlob(grpc::ServerContext*, const v1::GetBlobRequest*,
                       grpc::ServerWriter<v1::GetBlobResponse>*) override;
  grpc::Status PutBlob(grpc::ServerContext*, grpc::ServerReader<v1::PutBlobRequest>*, v1::PutBlobResponse*) override;
  grpc::Status ListModelFiles(grpc::ServerContext*, const v1::ListModelFilesRequest*,
                              v1::ListModelFilesResponse*) override;
  grpc::Status ReadModelRange(grpc::ServerContext*, const v1::ReadModelRangeRequest*,
                              grpc::ServerWriter<v1::ReadModelRangeResponse>*) override;

 private:
  absl::StatusOr<std::shared_ptr<ModelSource>> Model(const v1::ModelReference& reference);
  absl::Status Get(const v1::GetBlobRequest& request, grpc::ServerWriter<v1::GetBlobResponse>& writer);
  absl::Status Put(grpc::ServerContext& call, grpc::ServerReader<v1::PutBlobRequest>& reader,
                   v1::PutBlobResponse& response);
  absl::Status ReadRange(const v1::ReadModelRangeRequest& request,
                         grpc::ServerWriter<v1::ReadModelRangeResponse>& writer);

  ServiceContext& context_;
  ServerMetrics& metrics_;
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<ModelSource>> models_;  // bounded, see Model
};

}  // namespace sub1quant

#include "proto/channel/remote_model.h"

#include <cstring>
#include <utility>

#include "core/status.h"
#include "proto/channel/channel.h"
#include "proto/channel/transfer.h"
#include "proto/convert/convert.h"

namespace sub1quant {
namespace {

class RemoteModel final : public ModelSource {
 public:
  RemoteModel(std::shared_ptr<grpc::Channel> channel, const ModelReference& model)
      : stub_(v1::BlobService::NewStub(std::move(channel))), model_(ToProto(model)) {}

  absl::StatusOr<std::vector<File>> List() override {
    v1::ListModelFilesRequest request;
    *request.mutable_model() = model_;
    SUB1QUANT_ASSIGN_OR_RETURN(const v1::ListModelFilesResponse response,
                               CallUnary(*stub_, &transfer::Stub::ListModelFiles, request, transfer::kShortCall));
    std::vector<File> files;
    for (const v1::ModelFile& file : response.files()) files.push_back({file.name(), file.size(), file.identity()});
    return files;
  }

  absl::Status Read(const std::string& file, uint64_t offset, void* buffer, size_t size) override {
    char* out = static_cast<char*>(buffer);
    return transfer::FetchModelRange(*stub_, model_, file, offset, size, [&out](const std::string& data) {
      std::memcpy(out, data.data(), data.size());
      out += data.size();
      return absl::OkStatus();
    });
  }

  std::string LocalPath(const std::string&) override { return ""; }

 private:
  std::unique_ptr<transfer::Stub> stub_;
  v1::ModelReference model_;
};

}  // namespace

std::unique_ptr<ModelSource> NewRemoteModel(std::shared_ptr<grpc::Channel> channel, const ModelReference& model) {
  return std::make_unique<RemoteModel>(std::move(channel), model);
}

}  // namespace sub1quant

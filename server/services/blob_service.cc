#include "server/services/blob_service.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "core/status.h"
#include "server/services/call.h"

namespace sub1quant {
namespace {

constexpr uint64_t kChunk = uint64_t{1} << 20;
constexpr size_t kMaxOpenModels = 64;

absl::Status CheckDigest(const std::string& sha256) {
  if (IsSha256Hex(sha256)) return absl::OkStatus();
  return absl::InvalidArgumentError("sha256: expected 64 characters of 0-9a-f");
}

}  // namespace

grpc::Status BlobServiceImpl::StatBlob(grpc::ServerContext* call, const v1::StatBlobRequest* request,
                                       v1::StatBlobResponse* response) {
  return HandleCall("StatBlob", context_, metrics_, *call, [&]() -> absl::Status {
    SUB1QUANT_RETURN_IF_ERROR(CheckDigest(request->sha256()));
    SUB1QUANT_ASSIGN_OR_RETURN(const uint64_t size, context_.blobs.Size(request->sha256()));
    response->set_size(size);
    return absl::OkStatus();
  });
}

absl::Status BlobServiceImpl::Get(const v1::GetBlobRequest& request, grpc::ServerWriter<v1::GetBlobResponse>& writer) {
  SUB1QUANT_RETURN_IF_ERROR(CheckDigest(request.sha256()));
  SUB1QUANT_ASSIGN_OR_RETURN(const uint64_t total, context_.blobs.Size(request.sha256()));
  if (request.offset() > total || request.size() > total - request.offset())
    return absl::OutOfRangeError(
        absl::StrCat("blob of ", total, " bytes: range from ", request.offset(), " of ", request.size()));
  const uint64_t end = request.size() == 0 ? total : request.offset() + request.size();
  v1::GetBlobResponse response;
  for (uint64_t offset = request.offset(); offset < end; offset += kChunk) {
    response.mutable_data()->resize(std::min(kChunk, end - offset));
    SUB1QUANT_RETURN_IF_ERROR(
        context_.blobs.ReadRange(request.sha256(), offset, response.mutable_data()->data(), response.data().size()));
    if (!writer.Write(response)) return absl::CancelledError("the reader has gone");
  }
  return absl::OkStatus();
}

grpc::Status BlobServiceImpl::GetBlob(grpc::ServerContext* call, const v1::GetBlobRequest* request,
                                      grpc::ServerWriter<v1::GetBlobResponse>* writer) {
  return HandleCall("GetBlob", context_, metrics_, *call, [&] { return Get(*request, *writer); });
}

absl::Status BlobServiceImpl::Put(grpc::ServerContext& call, grpc::ServerReader<v1::PutBlobRequest>& reader,
                                  v1::PutBlobResponse& response) {
  v1::PutBlobRequest request;
  if (!reader.Read(&request)) return absl::InvalidArgumentError("PutBlob without a message");
  const std::string expected = request.expected_sha256();
  if (!expected.empty()) {
    SUB1QUANT_RETURN_IF_ERROR(CheckDigest(expected));
    if (const absl::StatusOr<uint64_t> size = context_.blobs.Size(expected); size.ok()) {
      response.set_sha256(expected);
      response.set_size(*size);
      return absl::OkStatus();
    }
  }
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<BlobStore::Writer> writer, context_.blobs.NewWriter(""));
  Sha256 digest;  // before Commit: bytes that are not what was announced must never become a blob
  do {
    digest.Update(request.data());
    SUB1QUANT_RETURN_IF_ERROR(writer->Append(request.data().data(), request.data().size()));
  } while (reader.Read(&request));
  if (call.IsCancelled()) return absl::CancelledError("the writer has gone");  // a broken stream ends like a whole one
  const std::string sha256 = digest.HexDigest();
  if (!expected.empty() && sha256 != expected)
    return absl::DataLossError(absl::StrCat("the bytes have digest ", sha256, ", announced was ", expected));
  SUB1QUANT_ASSIGN_OR_RETURN(const BlobStore::Writer::Blob blob, writer->Commit());
  response.set_sha256(blob.sha256);
  response.set_size(blob.size);
  return absl::OkStatus();
}

grpc::Status BlobServiceImpl::PutBlob(grpc::ServerContext* call, grpc::ServerReader<v1::PutBlobRequest>* reader,
                                      v1::PutBlobResponse* response) {
  return HandleCall("PutBlob", context_, metrics_, *call, [&] { return Put(*call, *reader, *response); });
}

absl::StatusOr<std::shared_ptr<ModelSource>> BlobServiceImpl::Model(const v1::ModelReference& reference) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::shared_ptr<ModelSource>& source = models_[{reference.root(), reference.path()}];
  if (source != nullptr) return source;
  absl::StatusOr<std::unique_ptr<ModelSource>> opened = OpenModel(context_, reference.root(), reference.path());
  if (!opened.ok()) {
    models_.erase({reference.root(), reference.path()});
    return opened.status();
  }
  source = *std::move(opened);
  const std::shared_ptr<ModelSource> result = source;
  if (models_.size() > kMaxOpenModels) models_.clear();
  return result;
}

grpc::Status BlobServiceImpl::ListModelFiles(grpc::ServerContext* call, const v1::ListModelFilesRequest* request,
                                             v1::ListModelFilesResponse* response) {
  return HandleCall("ListModelFiles", context_, metrics_, *call, [&]() -> absl::Status {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::shared_ptr<ModelSource> model, Model(request->model()));
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<ModelSource::File> files, model->List());
    for (const ModelSource::File& file : files) {
      v1::ModelFile& message = *response->add_files();
      message.set_name(file.name);
      message.set_size(file.size);
      message.set_identity(file.identity);
    }
    return absl::OkStatus();
  });
}

absl::Status BlobServiceImpl::ReadRange(const v1::ReadModelRangeRequest& request,
                                        grpc::ServerWriter<v1::ReadModelRangeResponse>& writer) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::shared_ptr<ModelSource> model, Model(request.model()));
  // No file reaches beyond what the operating system counts bytes with.
  constexpr uint64_t kMaxEnd = std::numeric_limits<int64_t>::max();
  if (request.offset() > kMaxEnd || request.size() > kMaxEnd - request.offset())
    return absl::OutOfRangeError(absl::StrCat("range from ", request.offset(), " of ", request.size(), ": too far"));
  v1::ReadModelRangeResponse response;
  const uint64_t end = request.offset() + request.size();
  for (uint64_t offset = request.offset(); offset < end; offset += kChunk) {
    response.mutable_data()->resize(std::min(kChunk, end - offset));
    SUB1QUANT_RETURN_IF_ERROR(
        model->Read(request.file(), offset, response.mutable_data()->data(), response.data().size()));
    if (!writer.Write(response)) return absl::CancelledError("the reader has gone");
  }
  return absl::OkStatus();
}

grpc::Status BlobServiceImpl::ReadModelRange(grpc::ServerContext* call, const v1::ReadModelRangeRequest* request,
                                             grpc::ServerWriter<v1::ReadModelRangeResponse>* writer) {
  return HandleCall("ReadModelRange", context_, metrics_, *call, [&] { return ReadRange(*request, *writer); });
}

}  // namespace sub1quant

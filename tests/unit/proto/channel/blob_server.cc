#include "tests/unit/proto/channel/blob_server.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "core/check.h"
#include "core/digest.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "proto/convert/convert.h"

namespace sub1quant::testing {
namespace {
constexpr size_t kChunk = size_t{1} << 20;
grpc::Status NotFound() { return {grpc::StatusCode::NOT_FOUND, "no such blob or file"}; }
}  // namespace

BlobServer::BlobServer() {
  std::string pattern = (std::filesystem::temp_directory_path() / "sub1quant channel 100%-XXXXXX").string();
  SUB1QUANT_CHECK(mkdtemp(pattern.data()) != nullptr);
  directory_ = pattern;
  address_ = "unix:" + directory_ + "/socket";
  std::string escaped;
  for (const char c : directory_) escaped += c == ' ' ? "%20" : c == '%' ? "%25" : std::string(1, c);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + escaped + "/socket", grpc::InsecureServerCredentials());
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  SUB1QUANT_CHECK(server_ != nullptr);
}

BlobServer::~BlobServer() {
  server_->Shutdown(std::chrono::system_clock::now());
  std::filesystem::remove_all(directory_);
}

void BlobServer::Put(const std::string& bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  blobs_[Sha256Hex(bytes)] = bytes;
}

bool BlobServer::Has(const std::string& sha256) {
  std::lock_guard<std::mutex> lock(mutex_);
  return blobs_.count(sha256) > 0;
}

void BlobServer::Check(grpc::ServerContext* context) {
  const auto& metadata = context->client_metadata();
  const auto version = metadata.find(kProtocolMetadataKey);
  if (version == metadata.end() || version->second != kProtocolVersion) metadata_missing = true;
  if (context->deadline() == std::chrono::system_clock::time_point::max()) deadline_missing = true;
}

template <typename Response>
grpc::Status BlobServer::Send(grpc::ServerContext* context, const std::string& bytes, uint64_t offset, uint64_t size,
                              grpc::ServerWriter<Response>* writer) {
  Check(context);
  ++reads;
  if (offset > bytes.size() || size > bytes.size() - offset) return {grpc::StatusCode::OUT_OF_RANGE, "past the end"};
  std::string out = bytes.substr(offset, size == 0 ? std::string::npos : size);
  if (flip_a_bit && !out.empty()) out[out.size() / 2] ^= 1;
  const int64_t length = static_cast<int64_t>(out.size()) + extra_bytes;
  out.resize(static_cast<size_t>(std::max<int64_t>(0, length)));
  for (size_t done = 0; done < out.size(); done += kChunk) {
    Response response;
    response.set_data(out.substr(done, kChunk));
    writer->Write(response);
    if (break_streams > 0) {
      --break_streams;
      return {grpc::StatusCode::UNAVAILABLE, "cut"};
    }
  }
  return grpc::Status::OK;
}

grpc::Status BlobServer::StatBlob(grpc::ServerContext* context, const v1::StatBlobRequest* request,
                                  v1::StatBlobResponse* response) {
  Check(context);
  ++stats;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto blob = blobs_.find(request->sha256());
  if (blob == blobs_.end()) return NotFound();
  response->set_size(blob->second.size());
  return grpc::Status::OK;
}

grpc::Status BlobServer::GetBlob(grpc::ServerContext* context, const v1::GetBlobRequest* request,
                                 grpc::ServerWriter<v1::GetBlobResponse>* writer) {
  std::string bytes;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto blob = blobs_.find(request->sha256());
    if (blob == blobs_.end()) return NotFound();
    bytes = blob->second;
  }
  return Send(context, bytes, request->offset(), request->size(), writer);
}

grpc::Status BlobServer::PutBlob(grpc::ServerContext* context, grpc::ServerReader<v1::PutBlobRequest>* reader,
                                 v1::PutBlobResponse* response) {
  Check(context);
  ++puts;
  v1::PutBlobRequest request;
  std::string bytes, expected;
  for (bool first = true; reader->Read(&request); first = false) {
    if (first) expected = request.expected_sha256();
    if (break_streams > 0 && bytes.size() >= kChunk) {
      --break_streams;
      return {grpc::StatusCode::UNAVAILABLE, "cut"};
    }
    largest_chunk = std::max<size_t>(largest_chunk, request.data().size());
    if (!request.data().empty()) ++put_chunks;
    bytes += request.data();
  }
  const std::string sha256 = Sha256Hex(bytes);
  if (!expected.empty() && expected != sha256) return {grpc::StatusCode::DATA_LOSS, "digest"};
  Put(bytes);
  response->set_sha256(sha256);
  response->set_size(bytes.size());
  return grpc::Status::OK;
}

grpc::Status BlobServer::ListModelFiles(grpc::ServerContext* context, const v1::ListModelFilesRequest* request,
                                        v1::ListModelFilesResponse* response) {
  Check(context);
  if (request->model().root() != "r" || request->model().path() != "p") return NotFound();
  for (const auto& [name, bytes] : model_files) {
    v1::ModelFile* file = response->add_files();
    file->set_name(name);
    file->set_size(bytes.size());
    file->set_identity("identity of " + name);
  }
  return grpc::Status::OK;
}

grpc::Status BlobServer::ReadModelRange(grpc::ServerContext* context, const v1::ReadModelRangeRequest* request,
                                        grpc::ServerWriter<v1::ReadModelRangeResponse>* writer) {
  const auto file = model_files.find(request->file());
  if (file == model_files.end()) return NotFound();
  return Send(context, file->second, request->offset(), request->size(), writer);
}

}  // namespace sub1quant::testing

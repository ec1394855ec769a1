// A BlobService over a directory and a model directory, written from the comments of blobs.proto alone, that can
// misbehave. Listens on a Unix socket whose path needs escaping.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "grpcpp/server.h"
#include "sub1quant/v1/blobs.grpc.pb.h"

namespace sub1quant::testing {

class BlobServer final : public v1::BlobService::Service {
 public:
  BlobServer();
  ~BlobServer() override;

  const std::string& address() const { return address_; }
  const std::string& directory() const { return directory_; }  // for the test's own files too
  void Put(const std::string& bytes);
  bool Has(const std::string& sha256);

  // Knobs.
  std::atomic<int> break_streams{0};               // the next streams end with UNAVAILABLE after one chunk
  std::atomic<bool> flip_a_bit{false};             // in what is read
  std::atomic<int> extra_bytes{0};                 // sent beyond what was asked for; negative: kept back
  std::map<std::string, std::string> model_files;  // name → bytes, of root "r" path "p"
  // What was seen.
  std::atomic<int> puts{0}, put_chunks{0}, reads{0}, stats{0};
  std::atomic<bool> metadata_missing{false}, deadline_missing{false};
  std::atomic<size_t> largest_chunk{0};

 private:
  template <typename Response>
  grpc::Status Send(grpc::ServerContext* context, const std::string& bytes, uint64_t offset, uint64_t size,
                    grpc::ServerWriter<Response>* writer);
  void Check(grpc::ServerContext* context);

  grpc::Status StatBlob(grpc::ServerContext* context, const v1::StatBlobRequest* request,
                        v1::StatBlobResponse* response) override;
  grpc::Status GetBlob(grpc::ServerContext* context, const v1::GetBlobRequest* request,
                       grpc::ServerWriter<v1::GetBlobResponse>* writer) override;
  grpc::Status PutBlob(grpc::ServerContext* context, grpc::ServerReader<v1::PutBlobRequest>* reader,
                       v1::PutBlobResponse* response) override;
  grpc::Status ListModelFiles(grpc::ServerContext* context, const v1::ListModelFilesRequest* request,
                              v1::ListModelFilesResponse* response) override;
  grpc::Status ReadModelRange(grpc::ServerContext* context, const v1::ReadModelRangeRequest* request,
                              grpc::ServerWriter<v1::ReadModelRangeResponse>* writer) override;

  std::string directory_, address_;
  std::mutex mutex_;
  std::map<std::string, std::string> blobs_;  // guarded by mutex_
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace sub1quant::testing

#include "proto/channel/transfer.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/heartbeat.h"
#include "core/status.h"
#include "proto/channel/channel.h"
#include "proto/channel/remote_blobs.h"

namespace sub1quant::transfer {
namespace {

// Consecutive tries without a single byte moved.
constexpr int kTries = 4;

void Backoff(int failures) { std::this_thread::sleep_for(std::chrono::milliseconds(100 << failures)); }

absl::Status NotAllBytes(const std::string& what, uint64_t got, uint64_t wanted) {
  return absl::DataLossError(absl::StrCat(what, ": the server sent ", got, " bytes, expected ", wanted));
}

// One attempt; `done` counts what reached the sink.
template <typename Response>
absl::Status Drain(grpc::ClientReader<Response>& reader, grpc::ClientContext& context, uint64_t size, uint64_t& done,
                   const std::string& what, const Sink& sink) {
  Response response;
  while (reader.Read(&response)) {
    absl::Status status;
    if (response.data().size() > size - done) {
      status = NotAllBytes(what, done + response.data().size(), size);
    } else {
      status = sink(response.data());
    }
    if (!status.ok()) {
      context.TryCancel();
      reader.Finish().ok();
      return status;
    }
    done += response.data().size();
  }
  SUB1QUANT_RETURN_IF_ERROR(FromGrpc(reader.Finish()));
  return done == size ? absl::OkStatus() : NotAllBytes(what, done, size);
}

// `open(context, done)` starts the stream at `done` bytes after the beginning.
template <typename Response, typename Open>
absl::Status Fetch(uint64_t size, const std::string& what, const Open& open, const Sink& sink) {
  uint64_t done = 0;
  int failures = 0;
  while (done < size) {
    const Heartbeat::Rest rest;  // until the call's deadline
    const std::unique_ptr<grpc::ClientContext> context = NewCall(TimeoutFor(size - done));
    const std::unique_ptr<grpc::ClientReader<Response>> reader = open(context.get(), done);
    const uint64_t before = done;
    absl::Status status = Drain(*reader, *context, size, done, what, sink);
    if (status.ok()) return status;
    if (done > before) failures = 0;
    if (!absl::IsUnavailable(status) || ++failures == kTries) return Annotate(status, what);
    Backoff(failures);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::PutBlobResponse> SendOnce(Stub& stub, const std::string& sha256, uint64_t size, const Source& source,
                                             const std::function<void(uint64_t)>& progress) {
  const Heartbeat::Rest rest;  // until the call's deadline
  const std::unique_ptr<grpc::ClientContext> context = NewCall(TimeoutFor(size));
  v1::PutBlobResponse response;
  const std::unique_ptr<grpc::ClientWriter<v1::PutBlobRequest>> writer = stub.PutBlob(context.get(), &response);
  v1::PutBlobRequest request;
  request.set_expected_sha256(sha256);
  bool open = writer->Write(request);
  request.clear_expected_sha256();
  for (uint64_t offset = 0; open && offset < size;) {
    const size_t piece = std::min<uint64_t>(kBlobChunkBytes, size - offset);
    request.mutable_data()->resize(piece);
    if (absl::Status status = source(offset, request.mutable_data()->data(), piece); !status.ok()) {
      context->TryCancel();
      writer->Finish().ok();
      return status;
    }
    open = writer->Write(request);
    offset += piece;
    if (open && progress) progress(offset);
  }
  writer->WritesDone();
  SUB1QUANT_RETURN_IF_ERROR(FromGrpc(writer->Finish()));
  return response;
}

}  // namespace

std::chrono::milliseconds TimeoutFor(uint64_t bytes) { return kShortCall + std::chrono::milliseconds(bytes >> 10); }

absl::StatusOr<uint64_t> BlobSize(Stub& stub, const std::string& sha256) {
  v1::StatBlobRequest request;
  request.set_sha256(sha256);
  SUB1QUANT_ASSIGN_OR_RETURN(const v1::StatBlobResponse response,
                             CallUnary(stub, &Stub::StatBlob, request, kShortCall));
  return response.size();
}

absl::Status FetchBlob(Stub& stub, const std::string& sha256, uint64_t offset, uint64_t size, const Sink& sink) {
  const auto open = [&](grpc::ClientContext* context, uint64_t done) {
    v1::GetBlobRequest request;
    request.set_sha256(sha256);
    request.set_offset(offset + done);
    request.set_size(size - done);
    return stub.GetBlob(context, request);
  };
  return Fetch<v1::GetBlobResponse>(size, absl::StrCat("blob ", sha256), open, sink);
}

absl::Status FetchModelRange(Stub& stub, const v1::ModelReference& model, const std::string& file, uint64_t offset,
                             uint64_t size, const Sink& sink) {
  const auto open = [&](grpc::ClientContext* context, uint64_t done) {
    v1::ReadModelRangeRequest request;
    *request.mutable_model() = model;
    request.set_file(file);
    request.set_offset(offset + done);
    request.set_size(size - done);
    return stub.ReadModelRange(context, request);
  };
  return Fetch<v1::ReadModelRangeResponse>(size, file, open, sink);
}

absl::StatusOr<BlobStore::Writer::Blob> SendBlob(Stub& stub, const std::string& sha256, uint64_t size,
                                                 const Source& source, const std::function<void(uint64_t)>& progress) {
  const absl::StatusOr<uint64_t> present = BlobSize(stub, sha256);
  if (present.ok() && *present == size) return BlobStore::Writer::Blob{sha256, size};
  if (!present.ok() && !absl::IsNotFound(present.status())) return present.status();
  const std::string what = absl::StrCat("upload of ", sha256);
  for (int failures = 0;;) {
    const absl::StatusOr<v1::PutBlobResponse> response = SendOnce(stub, sha256, size, source, progress);
    if (response.ok()) {
      if (response->sha256() == sha256 && response->size() == size) return BlobStore::Writer::Blob{sha256, size};
      return absl::DataLossError(absl::StrCat(what, ": the server stored ", response->size(), " bytes as '",
                                              response->sha256(), "', expected ", size, " bytes"));
    }
    if (!absl::IsUnavailable(response.status()) || ++failures == kTries) return Annotate(response.status(), what);
    Backoff(failures);
  }
}

}  // namespace sub1quant::transfer

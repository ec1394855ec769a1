// Streams of bytes over BlobService that go on where they broke. Inside proto/channel only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/client_context.h"
#include "quant/artifact/blob_store.h"
#include "sub1quant/v1/blobs.grpc.pb.h"

namespace sub1quant::transfer {

using Stub = v1::BlobService::Stub;
using Sink = std::function<absl::Status(const std::string& data)>;
using Source = std::function<absl::Status(uint64_t offset, void* buffer, size_t size)>;

// For calls that move no bytes.
inline constexpr std::chrono::milliseconds kShortCall{20'000};
// For `bytes` over a line that carries at least 1 MiB a second.
std::chrono::milliseconds TimeoutFor(uint64_t bytes);

absl::StatusOr<uint64_t> BlobSize(Stub& stub, const std::string& sha256);

// Exactly bytes [offset, offset + size), in order. UNAVAILABLE after some bytes goes on from there; DataLoss if the
// server sends more or fewer.
absl::Status FetchBlob(Stub& stub, const std::string& sha256, uint64_t offset, uint64_t size, const Sink& sink);
absl::Status FetchModelRange(Stub& stub, const v1::ModelReference& model, const std::string& file, uint64_t offset,
                             uint64_t size, const Sink& sink);

// Sends `size` bytes whose digest is `sha256`, unless the server has them.
absl::StatusOr<BlobStore::Writer::Blob> SendBlob(Stub& stub, const std::string& sha256, uint64_t size,
                                                 const Source& source, const std::function<void(uint64_t)>& progress);

}  // namespace sub1quant::transfer

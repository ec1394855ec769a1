// Blobs of a server that shares no storage with this process (proto BlobService).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "quant/artifact/blob_store.h"

namespace sub1quant {

// Bytes per message, as blobs.proto has it.
inline constexpr size_t kBlobChunkBytes = size_t{1} << 20;

struct RemoteBlobOptions {
  // Verified blobs are kept here and found here first; nullptr: no cache.
  std::unique_ptr<BlobStore> cache;
  // Where a blob being written waits until it is whole, so that an upload can be tried again. "": the system's
  // temporary directory.
  std::string spool_directory;
};

// Thread-safe. Get verifies the digest (DataLoss); a writer uploads on Commit, and not at all where the server has the
// blob. Delete is Unimplemented: what is kept is the server's decision. LocalPath is that of the cache.
std::unique_ptr<BlobStore> NewRemoteBlobStore(std::shared_ptr<grpc::Channel> channel, RemoteBlobOptions options);

// Sends a file as a blob; not a byte of it where the server has it already. Reads it twice (digest first); Aborted if
// it changed in between. `progress(bytes sent so far)` may be empty.
absl::StatusOr<BlobStore::Writer::Blob> UploadFile(const std::shared_ptr<grpc::Channel>& channel,
                                                   const std::string& path,
                                                   const std::function<void(uint64_t)>& progress = {});
// Streams a blob into `path`, which appears only whole and with the right digest (DataLoss otherwise). Replaces `path`.
absl::Status DownloadBlob(const std::shared_ptr<grpc::Channel>& channel, const std::string& sha256,
                          const std::string& path, const std::function<void(uint64_t)>& progress = {});

}  // namespace sub1quant

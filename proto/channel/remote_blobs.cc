#include "proto/channel/remote_blobs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"
#include "proto/channel/transfer.h"

namespace sub1quant {
namespace {

using Blob = BlobStore::Writer::Blob;

absl::Status CheckDigest(const std::string& sha256) {
  if (IsSha256Hex(sha256)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("'", sha256, "' is not a SHA-256 digest (64 characters of 0-9a-f)"));
}

absl::Status Mismatch(const std::string& sha256, const std::string& actual) {
  return absl::DataLossError(absl::StrCat("blob ", sha256, ": the server's bytes have digest ", actual));
}

transfer::Source FileSource(const ReadableFile& file) {
  return [&file](uint64_t offset, void* buffer, size_t size) { return file.ReadAt(offset, buffer, size); };
}

// A file without a name: gone with its descriptor, whatever happens to the process. Not synced: after a crash nobody
// asks for it.
class SpoolFile {
 public:
  static absl::StatusOr<std::unique_ptr<SpoolFile>> Create(const std::string& directory) {
    std::string path = directory + "/sub1quant-spool-XXXXXX";
    const int descriptor = mkostemp(path.data(), O_CLOEXEC);
    if (descriptor < 0) return ErrnoStatus(errno, "create " + path);
    unlink(path.c_str());
    return std::make_unique<SpoolFile>(descriptor, path);
  }
  SpoolFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~SpoolFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  absl::Status Append(const void* data, size_t size) {
    const char* in = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t put = write(descriptor_, in, size);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ErrnoStatus(errno, "write " + path_);
      in += put;
      size -= static_cast<size_t>(put);
    }
    return absl::OkStatus();
  }
  // Ends the writing; call once.
  absl::StatusOr<std::unique_ptr<ReadableFile>> Finish() {
    return ReadableFile::FromDescriptor(std::exchange(descriptor_, -1), path_);
  }

 private:
  int descriptor_;
  std::string path_;
};

class RemoteWriter final : public BlobStore::Writer {
 public:
  RemoteWriter(transfer::Stub& stub, std::unique_ptr<SpoolFile> spool, std::string sha256)
      : stub_(stub), spool_(std::move(spool)), sha256_(std::move(sha256)) {}

  absl::Status Append(const void* data, size_t size) override {
    if (sha256_.empty()) digest_.Update(data, size);
    return spool_->Append(data, size);
  }

  absl::StatusOr<Blob> Commit() override {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, spool_->Finish());
    return transfer::SendBlob(stub_, sha256_.empty() ? digest_.HexDigest() : sha256_, file->size(), FileSource(*file),
                              {});
  }

 private:
  transfer::Stub& stub_;
  std::unique_ptr<SpoolFile> spool_;
  const std::string sha256_;  // known beforehand, or empty
  Sha256 digest_;
};

class RemoteBlobStore final : public BlobStore {
 public:
  RemoteBlobStore(std::shared_ptr<grpc::Channel> channel, RemoteBlobOptions options)
      : stub_(v1::BlobService::NewStub(std::move(channel))), options_(std::move(options)) {
    if (options_.spool_directory.empty()) {
      options_.spool_directory = std::filesystem::temp_directory_path().string();
    }
  }

  absl::StatusOr<std::unique_ptr<Writer>> NewWriter(const std::string& sha256) override {
    SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<SpoolFile> spool, SpoolFile::Create(options_.spool_directory));
    return std::make_unique<RemoteWriter>(*stub_, std::move(spool), sha256);
  }

  absl::StatusOr<uint64_t> Size(const std::string& sha256) override {
    SUB1QUANT_RETURN_IF_ERROR(CheckDigest(sha256));
    if (options_.cache) {
      const absl::StatusOr<uint64_t> cached = options_.cache->Size(sha256);
      if (cached.ok()) return cached;
    }
    return transfer::BlobSize(*stub_, sha256);
  }

  absl::StatusOr<std::string> Get(const std::string& sha256) override {
    SUB1QUANT_RETURN_IF_ERROR(CheckDigest(sha256));
    if (Cached(sha256)) {
      // A damaged copy was moved aside by the cache: fetch again.
      absl::StatusOr<std::string> cached = options_.cache->Get(sha256);
      if (cached.ok()) return cached;
    }
    SUB1QUANT_ASSIGN_OR_RETURN(std::string bytes, Fetch(sha256));
    // A full cache disk must not stop the work.
    if (options_.cache) PutBlob(*options_.cache, bytes).IgnoreError();
    return bytes;
  }

  absl::Status ReadRange(const std::string& sha256, uint64_t offset, void* buffer, size_t size) override {
    SUB1QUANT_RETURN_IF_ERROR(CheckDigest(sha256));
    if (Cached(sha256)) {
      const absl::Status status = options_.cache->ReadRange(sha256, offset, buffer, size);
      if (!absl::IsNotFound(status)) return status;  // a bounded cache may have dropped it just now
    }
    char* out = static_cast<char*>(buffer);
    return transfer::FetchBlob(*stub_, sha256, offset, size, [&out](const std::string& data) {
      std::memcpy(out, data.data(), data.size());
      out += data.size();
      return absl::OkStatus();
    });
  }

  std::string LocalPath(const std::string& sha256) override {
    return options_.cache ? options_.cache->LocalPath(sha256) : std::string();
  }

  absl::Status Delete(const std::string&) override {
    return absl::UnimplementedError("blobs of a server are deleted by the server");
  }

 private:
  bool Cached(const std::string& sha256) { return options_.cache && options_.cache->Size(sha256).ok(); }

  absl::StatusOr<std::string> Fetch(const std::string& sha256) {
    SUB1QUANT_ASSIGN_OR_RETURN(const uint64_t size, transfer::BlobSize(*stub_, sha256));
    std::string bytes;
    SUB1QUANT_RETURN_IF_ERROR(transfer::FetchBlob(*stub_, sha256, 0, size, [&bytes](const std::string& data) {
      bytes += data;
      return absl::OkStatus();
    }));
    if (const std::string actual = Sha256Hex(bytes); actual != sha256) return Mismatch(sha256, actual);
    return bytes;
  }

  std::unique_ptr<transfer::Stub> stub_;
  RemoteBlobOptions options_;
};

// Digest of a file, read once.
absl::StatusOr<std::string> DigestOf(const ReadableFile& file) {
  Sha256 sha;
  std::vector<char> buffer(kBlobChunkBytes);
  for (uint64_t offset = 0; offset < file.size(); offset += buffer.size()) {
    const size_t piece = std::min<uint64_t>(buffer.size(), file.size() - offset);
    SUB1QUANT_RETURN_IF_ERROR(file.ReadAt(offset, buffer.data(), piece));
    sha.Update(buffer.data(), piece);
  }
  return sha.HexDigest();
}

}  // namespace

std::unique_ptr<BlobStore> NewRemoteBlobStore(std::shared_ptr<grpc::Channel> channel, RemoteBlobOptions options) {
  return std::make_unique<RemoteBlobStore>(std::move(channel), std::move(options));
}

absl::StatusOr<Blob> UploadFile(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                                const std::function<void(uint64_t)>& progress) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, ReadableFile::Open(path));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string sha256, DigestOf(*file));
  const std::unique_ptr<transfer::Stub> stub = v1::BlobService::NewStub(channel);
  absl::StatusOr<Blob> blob = transfer::SendBlob(*stub, sha256, file->size(), FileSource(*file), progress);
  if (blob.ok()) return blob;
  // The server refuses bytes that do not have the digest they were announced with: the file was written to meanwhile.
  if (absl::IsDataLoss(blob.status()) || absl::IsOutOfRange(blob.status())) {
    const absl::StatusOr<std::string> now = DigestOf(*file);
    if (!now.ok() || *now != sha256)
      return absl::AbortedError(absl::StrCat(path, ": the file changed while it was sent"));
  }
  return Annotate(blob.status(), path);
}

absl::Status DownloadBlob(const std::shared_ptr<grpc::Channel>& channel, const std::string& sha256,
                          const std::string& path, const std::function<void(uint64_t)>& progress) {
  SUB1QUANT_RETURN_IF_ERROR(CheckDigest(sha256));
  const std::unique_ptr<transfer::Stub> stub = v1::BlobService::NewStub(channel);
  SUB1QUANT_ASSIGN_OR_RETURN(const uint64_t size, transfer::BlobSize(*stub, sha256));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<AtomicFile> file, AtomicFile::Create(path));
  Sha256 sha;
  SUB1QUANT_RETURN_IF_ERROR(transfer::FetchBlob(*stub, sha256, 0, size, [&](const std::string& data) {
    sha.Update(data);
    if (progress) progress(file->size() + data.size());
    return file->Append(data);
  }));
  if (const std::string actual = sha.HexDigest(); actual != sha256) return Mismatch(sha256, actual);
  return file->Commit();
}

}  // namespace sub1quant

// A zip file as torch.save lays it out: entries stored, data on 64-byte boundaries, zip64 where a number needs it.
// Streams to a sink; holds one directory record per entry. Dates are zero, so the same entries give the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "quant/artifact/pt.h"

namespace sub1quant {

class ZipWriter {
 public:
  static constexpr uint64_t kAlignment = 64;

  explicit ZipWriter(ByteSink sink) : sink_(std::move(sink)) {}

  // One whole entry; its checksum stands in front of it, so it must be in memory. `name` is UTF-8, shorter than 64 KiB.
  absl::Status Add(const std::string& name, const void* data, uint64_t size);
  // The central directory. Call once, last.
  absl::Status Finish();

 private:
  struct Entry {
    std::string name;
    uint32_t crc = 0;
    uint64_t size = 0;
    uint64_t offset = 0;
  };
  absl::Status Write(const std::string& bytes);

  ByteSink sink_;
  uint64_t position_ = 0;
  std::vector<Entry> entries_;
};

// CRC-32 of the zip format; `crc` is that of what came before.
uint32_t Crc32(const void* data, uint64_t size, uint32_t crc = 0);

}  // namespace sub1quant

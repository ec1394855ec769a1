#include "quant/artifact/zip_writer.h"

#include <zlib.h>

#include <algorithm>

#include "core/check.h"
#include "core/status.h"
#include "quant/artifact/zip_format.h"

namespace sub1quant {
namespace {

using zip::Put;

constexpr uint16_t kVersionStored = 20, kVersionZip64 = 45;

// From "version needed" to the sizes: what local and central header have in common.
void PutCommon(std::string* out, uint32_t crc, uint64_t size, bool zip64) {
  Put<uint16_t>(out, zip64 ? kVersionZip64 : kVersionStored);
  Put<uint16_t>(out, zip::kFlagUtf8);
  Put<uint16_t>(out, 0);  // stored
  Put<uint32_t>(out, 0);  // time and date
  Put<uint32_t>(out, crc);
  Put<uint32_t>(out, zip::Saturate32(size));
  Put<uint32_t>(out, zip::Saturate32(size));
}

// The local extra field: zip64 sizes if they are needed, then padding that ends on the alignment.
std::string LocalExtra(uint64_t header_end, uint64_t size) {
  std::string extra;
  if (size >= zip::kMax32) {
    Put<uint16_t>(&extra, zip::kExtraZip64);
    Put<uint16_t>(&extra, 16);
    Put<uint64_t>(&extra, size);
    Put<uint64_t>(&extra, size);
  }
  const uint64_t start = header_end + extra.size() + 4;
  const uint64_t padding = (ZipWriter::kAlignment - start % ZipWriter::kAlignment) % ZipWriter::kAlignment;
  Put<uint16_t>(&extra, zip::kExtraPadding);
  Put<uint16_t>(&extra, static_cast<uint16_t>(padding));
  return extra.append(padding, 'Z');
}

std::string CentralExtra(uint64_t size, uint64_t offset) {
  std::string fields;
  if (size >= zip::kMax32) {
    Put<uint64_t>(&fields, size);
    Put<uint64_t>(&fields, size);
  }
  if (offset >= zip::kMax32) Put<uint64_t>(&fields, offset);
  if (fields.empty()) return fields;
  std::string extra;
  Put<uint16_t>(&extra, zip::kExtraZip64);
  Put<uint16_t>(&extra, static_cast<uint16_t>(fields.size()));
  return extra + fields;
}

}  // namespace

uint32_t Crc32(const void* data, uint64_t size, uint32_t crc) {
  const auto* in = static_cast<const unsigned char*>(data);
  while (size > 0) {
    const uInt part = static_cast<uInt>(std::min<uint64_t>(size, uint64_t{1} << 30));
    crc = static_cast<uint32_t>(crc32(crc, in, part));
    in += part;
    size -= part;
  }
  return crc;
}

absl::Status ZipWriter::Write(const std::string& bytes) {
  position_ += bytes.size();
  return sink_(bytes.data(), bytes.size());
}

absl::Status ZipWriter::Add(const std::string& name, const void* data, uint64_t size) {
  SUB1QUANT_CHECK(name.size() <= zip::kMax16);
  const Entry entry{name, Crc32(data, size), size, position_};
  const std::string extra = LocalExtra(position_ + zip::kLocalHeaderSize + name.size(), size);
  std::string header;
  Put<uint32_t>(&header, zip::kLocalHeader);
  PutCommon(&header, entry.crc, size, size >= zip::kMax32);
  Put<uint16_t>(&header, static_cast<uint16_t>(name.size()));
  Put<uint16_t>(&header, static_cast<uint16_t>(extra.size()));
  SUB1QUANT_RETURN_IF_ERROR(Write(header + name + extra));
  if (size > 0) SUB1QUANT_RETURN_IF_ERROR(sink_(data, size));
  position_ += size;
  entries_.push_back(entry);
  return absl::OkStatus();
}

absl::Status ZipWriter::Finish() {
  const uint64_t directory = position_;
  for (const Entry& entry : entries_) {
    const std::string extra = CentralExtra(entry.size, entry.offset);
    std::string header;
    Put<uint32_t>(&header, zip::kCentralHeader);
    Put<uint16_t>(&header, extra.empty() ? kVersionStored : kVersionZip64);
    PutCommon(&header, entry.crc, entry.size, !extra.empty());
    Put<uint16_t>(&header, static_cast<uint16_t>(entry.name.size()));
    Put<uint16_t>(&header, static_cast<uint16_t>(extra.size()));
    Put<uint16_t>(&header, 0);  // comment
    Put<uint16_t>(&header, 0);  // disk
    Put<uint16_t>(&header, 0);  // internal attributes
    Put<uint32_t>(&header, 0);  // external attributes
    Put<uint32_t>(&header, zip::Saturate32(entry.offset));
    SUB1QUANT_RETURN_IF_ERROR(Write(header + entry.name + extra));
  }
  const uint64_t end = position_;
  const uint64_t count = entries_.size();
  // The zip64 end is written always, as torch does: one form to test.
  std::string tail;
  Put<uint32_t>(&tail, zip::kEnd64);
  Put<uint64_t>(&tail, zip::kEnd64Size - 12);
  Put<uint16_t>(&tail, kVersionZip64);
  Put<uint16_t>(&tail, kVersionZip64);
  Put<uint32_t>(&tail, 0);  // this disk
  Put<uint32_t>(&tail, 0);  // disk of the directory
  Put<uint64_t>(&tail, count);
  Put<uint64_t>(&tail, count);
  Put<uint64_t>(&tail, end - directory);
  Put<uint64_t>(&tail, directory);
  Put<uint32_t>(&tail, zip::kEnd64Locator);
  Put<uint32_t>(&tail, 0);
  Put<uint64_t>(&tail, end);
  Put<uint32_t>(&tail, 1);
  Put<uint32_t>(&tail, zip::kEnd);
  Put<uint16_t>(&tail, 0);
  Put<uint16_t>(&tail, 0);
  Put<uint16_t>(&tail, static_cast<uint16_t>(std::min<uint64_t>(count, zip::kMax16)));
  Put<uint16_t>(&tail, static_cast<uint16_t>(std::min<uint64_t>(count, zip::kMax16)));
  Put<uint32_t>(&tail, zip::Saturate32(end - directory));
  Put<uint32_t>(&tail, zip::Saturate32(directory));
  Put<uint16_t>(&tail, 0);  // comment
  return Write(tail);
}

}  // namespace sub1quant

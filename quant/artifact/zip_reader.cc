#include "quant/artifact/zip_reader.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/artifact/zip_format.h"
#include "quant/artifact/zip_writer.h"

namespace sub1quant {
namespace {

using zip::Get;

constexpr uint64_t kMaxDirectory = uint64_t{256} << 20;
constexpr uint16_t kKnownFlags = zip::kFlagDescriptor | zip::kFlagUtf8;

absl::Status Bad(const std::string& problem) { return absl::InvalidArgumentError("zip: " + problem); }

// A central directory record, and where its local header begins.
struct Record {
  std::string name;
  ZipReader::Entry entry;
  uint64_t header_offset = 0;
};

struct DirectoryPlace {
  uint64_t offset = 0, size = 0, count = 0;
  uint64_t end = 0;  // where what follows the directory begins
};

absl::StatusOr<std::string> ReadString(const ReadableFile& file, uint64_t offset, uint64_t size) {
  if (offset > file.size() || size > file.size() - offset)
    return Bad(absl::StrCat("bytes ", offset, " to ", offset + size, " lie outside the file of ", file.size()));
  std::string bytes(size, '\0');
  SUB1QUANT_RETURN_IF_ERROR(file.ReadAt(offset, bytes.data(), size));
  return bytes;
}

absl::StatusOr<DirectoryPlace> FindDirectory64(const ReadableFile& file, uint64_t locator_offset) {
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string locator, ReadString(file, locator_offset, zip::kEnd64LocatorSize));
  DirectoryPlace place;
  place.end = Get<uint64_t>(&locator[8]);
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string end, ReadString(file, place.end, zip::kEnd64Size));
  if (Get<uint32_t>(&end[0]) != zip::kEnd64) return Bad("the zip64 end record is not where its locator says");
  place.count = Get<uint64_t>(&end[32]);
  place.size = Get<uint64_t>(&end[40]);
  place.offset = Get<uint64_t>(&end[48]);
  return place;
}

absl::StatusOr<DirectoryPlace> FindDirectory(const ReadableFile& file) {
  if (file.size() < zip::kEndSize) return Bad("too short for a zip file");
  const uint64_t end_offset = file.size() - zip::kEndSize;
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string end, ReadString(file, end_offset, zip::kEndSize));
  if (Get<uint32_t>(&end[0]) != zip::kEnd || Get<uint16_t>(&end[20]) != 0)
    return Bad("no end record in the last 22 bytes: truncated, or not a file of torch.save");
  DirectoryPlace place;
  place.count = Get<uint16_t>(&end[10]);
  place.size = Get<uint32_t>(&end[12]);
  place.offset = Get<uint32_t>(&end[16]);
  place.end = end_offset;
  if (end_offset < zip::kEnd64LocatorSize) return place;
  const uint64_t locator_offset = end_offset - zip::kEnd64LocatorSize;
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string signature, ReadString(file, locator_offset, 4));
  if (Get<uint32_t>(signature.data()) != zip::kEnd64Locator) return place;
  return FindDirectory64(file, locator_offset);
}

// Puts the numbers of a zip64 field in the place of those that say "see there".
absl::Status ApplyZip64(const std::string& extra, uint64_t* size, uint64_t* packed, uint64_t* offset) {
  for (size_t at = 0; at + 4 <= extra.size();) {
    const uint16_t id = Get<uint16_t>(&extra[at]);
    const size_t length = Get<uint16_t>(&extra[at + 2]);
    at += 4;
    if (length > extra.size() - at) return Bad("an extra field runs over its end");
    if (id == zip::kExtraZip64) {
      size_t field = at;
      for (uint64_t* value : {size, packed, offset}) {
        if (*value != zip::kMax32) continue;
        if (field + 8 > at + length) return Bad("a zip64 field is too short");
        *value = Get<uint64_t>(&extra[field]);
        field += 8;
      }
      return absl::OkStatus();
    }
    at += length;
  }
  return absl::OkStatus();
}

// One record at `at` of the directory; moves `at` behind it.
absl::StatusOr<Record> ParseRecord(const std::string& directory, size_t* at) {
  if (directory.size() - *at < zip::kCentralHeaderSize) return Bad("the directory ends inside a record");
  const char* in = &directory[*at];
  if (Get<uint32_t>(in) != zip::kCentralHeader) return Bad("a directory record has no signature");
  const size_t name_size = Get<uint16_t>(in + 28), extra_size = Get<uint16_t>(in + 30);
  const size_t comment_size = Get<uint16_t>(in + 32);
  if (name_size + extra_size + comment_size > directory.size() - *at - zip::kCentralHeaderSize)
    return Bad("the directory ends inside a record");
  Record record;
  record.name.assign(in + zip::kCentralHeaderSize, name_size);
  const std::string extra(in + zip::kCentralHeaderSize + name_size, extra_size);
  const std::string where = "entry '" + record.name + "'";
  if (Get<uint16_t>(in + 8) & ~kKnownFlags) return Bad(where + ": encrypted or of an unknown kind");
  if (Get<uint16_t>(in + 10) != 0) return Bad(where + ": compressed; only stored entries are accepted");
  record.entry.crc = Get<uint32_t>(in + 16);
  uint64_t packed = Get<uint32_t>(in + 20);
  record.entry.size = Get<uint32_t>(in + 24);
  record.header_offset = Get<uint32_t>(in + 42);
  SUB1QUANT_RETURN_IF_ERROR(ApplyZip64(extra, &record.entry.size, &packed, &record.header_offset));
  if (packed != record.entry.size) return Bad(where + ": stored, but its two sizes differ");
  *at += zip::kCentralHeaderSize + name_size + extra_size + comment_size;
  return record;
}

// Finds the data behind the local header, which must agree with the directory.
absl::Status Locate(const ReadableFile& file, uint64_t data_end, Record* record) {
  const std::string where = "entry '" + record->name + "'";
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string header, ReadString(file, record->header_offset, zip::kLocalHeaderSize));
  const uint16_t flags = Get<uint16_t>(&header[6]);
  const uint64_t name_size = Get<uint16_t>(&header[26]), extra_size = Get<uint16_t>(&header[28]);
  if (Get<uint32_t>(&header[0]) != zip::kLocalHeader) return Bad(where + ": no local header where the directory says");
  if ((flags & ~kKnownFlags) || Get<uint16_t>(&header[8]) != 0 || name_size != record->name.size())
    return Bad(where + ": local header and directory differ");
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string name,
                             ReadString(file, record->header_offset + zip::kLocalHeaderSize, name_size));
  if (name != record->name) return Bad(where + ": local header and directory differ in the name");
  if (!(flags & zip::kFlagDescriptor) && (Get<uint32_t>(&header[14]) != record->entry.crc ||
                                          Get<uint32_t>(&header[22]) != zip::Saturate32(record->entry.size)))
    return Bad(where + ": local header and directory differ in checksum or size");
  record->entry.offset = record->header_offset + zip::kLocalHeaderSize + name_size + extra_size;
  if (record->entry.offset > data_end || record->entry.size > data_end - record->entry.offset)
    return Bad(
        absl::StrCat(where, ": ", record->entry.size, " bytes at ", record->entry.offset, " lie outside the file"));
  return absl::OkStatus();
}

absl::Status RefuseOverlaps(const std::vector<Record>& records) {
  for (size_t i = 1; i < records.size(); ++i) {
    const Record& before = records[i - 1];
    if (before.entry.offset + before.entry.size > records[i].header_offset)
      return Bad("entries '" + before.name + "' and '" + records[i].name + "' overlap");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Record>> ReadRecords(const ReadableFile& file) {
  SUB1QUANT_ASSIGN_OR_RETURN(const DirectoryPlace place, FindDirectory(file));
  if (place.offset > place.end || place.size != place.end - place.offset)
    return Bad("the directory does not end where the end record begins");
  if (place.size > kMaxDirectory || place.count > place.size / zip::kCentralHeaderSize)
    return Bad(absl::StrCat("a directory of ", place.size, " bytes cannot hold ", place.count, " entries"));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string directory, ReadString(file, place.offset, place.size));
  std::vector<Record> records;
  size_t at = 0;
  for (uint64_t i = 0; i < place.count; ++i) {
    SUB1QUANT_ASSIGN_OR_RETURN(Record record, ParseRecord(directory, &at));
    SUB1QUANT_RETURN_IF_ERROR(Locate(file, place.offset, &record));
    records.push_back(std::move(record));
  }
  if (at != directory.size()) return Bad("the directory is longer than its entries");
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return a.header_offset < b.header_offset; });
  SUB1QUANT_RETURN_IF_ERROR(RefuseOverlaps(records));
  return records;
}

}  // namespace

absl::StatusOr<ZipReader> ZipReader::Open(const std::string& path) {
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, ReadableFile::Open(path));
  absl::StatusOr<std::vector<Record>> records = ReadRecords(*file);
  if (!records.ok()) return Annotate(records.status(), path);
  ZipReader reader;
  reader.file_ = std::move(file);
  for (const Record& record : *records)
    if (!reader.entries_.emplace(record.name, record.entry).second)
      return Annotate(Bad("entry '" + record.name + "' is there twice"), path);
  if (!records->empty()) reader.first_name_ = records->front().name;
  return reader;
}

absl::Status ZipReader::Read(const std::string& name, const Entry& entry, void* buffer) const {
  SUB1QUANT_RETURN_IF_ERROR(file_->ReadAt(entry.offset, buffer, entry.size));
  if (Crc32(buffer, entry.size) == entry.crc) return absl::OkStatus();
  return absl::DataLossError(file_->path() + ": zip: entry '" + name + "': the checksum is wrong");
}

absl::Status ZipReader::ReadRange(const std::string& name, const Entry& entry, uint64_t offset, void* buffer,
                                  uint64_t size) const {
  if (offset == 0 && size == entry.size) return Read(name, entry, buffer);
  if (offset > entry.size || size > entry.size - offset)
    return absl::OutOfRangeError(file_->path() + ": zip: entry '" + name + "': range outside");
  return file_->ReadAt(entry.offset + offset, buffer, size);
}

absl::Status ZipReader::Verify(const std::string& name, const Entry& entry) const {
  std::string buffer(std::min<uint64_t>(entry.size, uint64_t{1} << 20), '\0');
  uint32_t crc = 0;
  for (uint64_t done = 0; done < entry.size;) {
    const uint64_t part = std::min<uint64_t>(buffer.size(), entry.size - done);
    SUB1QUANT_RETURN_IF_ERROR(file_->ReadAt(entry.offset + done, buffer.data(), part));
    crc = Crc32(buffer.data(), part, crc);
    done += part;
  }
  if (crc == entry.crc) return absl::OkStatus();
  return absl::DataLossError(file_->path() + ": zip: entry '" + name + "': the checksum is wrong");
}

}  // namespace sub1quant

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/artifact/pickle_reader.h"
#include "quant/artifact/pt.h"
#include "quant/artifact/pt_header.h"
#include "quant/artifact/pt_integer.h"
#include "quant/artifact/pt_layout.h"
#include "quant/artifact/zip_reader.h"

namespace sub1quant {
namespace {

using Kind = PickleValue::Kind;

absl::Status Bad(const std::string& problem) { return absl::InvalidArgumentError(problem); }

// One array of a matrix in the file.
struct ArrayPlace {
  std::string name;
  DType dtype = DType::kUnknown;
  std::vector<int64_t> shape;
  std::string record;  // name of the zip entry
  ZipReader::Entry entry;
  uint64_t offset = 0, bytes = 0;  // in the entry
};

class ZipPtFile : public PtFile {
 public:
  ZipPtFile(ZipReader zip, Manifest manifest, std::vector<std::vector<ArrayPlace>> places)
      : zip_(std::move(zip)), manifest_(std::move(manifest)), places_(std::move(places)) {}

  const Manifest& manifest() const override { return manifest_; }

  absl::StatusOr<EncodedMatrix> Read(size_t i) const override {
    const ManifestTensor& tensor = manifest_.tensors.at(i);
    EncodedMatrix encoded;
    encoded.rows = tensor.rows;
    encoded.cols = tensor.cols;
    encoded.group_size = manifest_.group_size;
    for (const ArrayPlace& place : places_[i]) {
      EncodedArray array{place.name, place.dtype, place.shape, std::vector<uint8_t>(place.bytes)};
      const absl::Status status =
          zip_.ReadRange(place.record, place.entry, place.offset, array.bytes.data(), place.bytes);
      if (!status.ok()) return Annotate(status, "tensor '" + tensor.key + "'");
      encoded.arrays.push_back(std::move(array));
    }
    FromEntryMethod(tensor.method, &encoded);
    return encoded;
  }

 private:
  const ZipReader zip_;
  const Manifest manifest_;
  const std::vector<std::vector<ArrayPlace>> places_;
};

// Finds an entry's arrays in the zip.
class PlaceFinder {
 public:
  PlaceFinder(const ZipReader& zip, std::string archive) : zip_(zip), archive_(std::move(archive)) {}

  absl::StatusOr<std::vector<ArrayPlace>> Find(const PickleValue& entry, const PtEntryLayout& layout) const {
    std::vector<ArrayPlace> places;
    for (const PtItem& item : layout.items) {
      const PickleValue* value = entry.Find(item.name);
      if (value == nullptr && item.ignored) continue;
      if (value == nullptr) return Bad("'" + item.name + "' is missing");
      if (!item.array) {
        if (value->kind != Kind::kInt || value->integer != item.value)
          return Bad(absl::StrCat("'", item.name, "': ", item.value, " expected"));
        continue;
      }
      absl::StatusOr<ArrayPlace> place = FindArray(*value, item);
      if (!place.ok()) return Annotate(place.status(), "'" + item.name + "'");
      places.push_back(*std::move(place));
    }
    return places;
  }

 private:
  absl::StatusOr<ArrayPlace> FindArray(const PickleValue& tensor, const PtItem& item) const {
    if (tensor.kind != Kind::kTensor) return Bad("a tensor expected");
    if (tensor.dtype != item.dtype) return Bad(item.dtype == DType::kF16 ? "float16 expected" : "uint8 expected");
    if (tensor.shape != item.shape) return Bad("a tensor of another shape than the matrix needs");
    const PickleValue& storage = *tensor.items[0];
    const uint64_t width = static_cast<uint64_t>(DTypeSize(item.dtype));
    ArrayPlace place{item.name, item.dtype, item.shape, archive_ + "data/" + storage.text, {}, 0, width};
    const auto found = zip_.entries().find(place.record);
    if (found == zip_.entries().end()) return Bad("the file has no entry '" + place.record + "'");
    place.entry = found->second;
    if (place.entry.size != static_cast<uint64_t>(storage.integer) * width)
      return Bad(absl::StrCat("entry '", place.record, "' has ", place.entry.size, " bytes, its storage needs ",
                              static_cast<uint64_t>(storage.integer) * width));
    place.offset = static_cast<uint64_t>(tensor.integer) * width;
    for (int64_t dimension : item.shape) place.bytes *= static_cast<uint64_t>(dimension);
    return place;
  }

  const ZipReader& zip_;
  const std::string archive_;
};

absl::StatusOr<std::string> ReadEntry(const ZipReader& zip, const std::string& name, uint64_t max_bytes) {
  const auto found = zip.entries().find(name);
  if (found == zip.entries().end())
    return absl::NotFoundError("no entry '" + name + "'; not a checkpoint of torch.save");
  if (found->second.size > max_bytes)
    return absl::ResourceExhaustedError(
        absl::StrCat("entry '", name, "': ", found->second.size, " bytes, at most ", max_bytes, " are accepted"));
  std::string bytes(found->second.size, '\0');
  SUB1QUANT_RETURN_IF_ERROR(zip.Read(name, found->second, bytes.data()));
  return bytes;
}

absl::Status CheckByteOrder(const ZipReader& zip, const std::string& archive) {
  if (zip.entries().count(archive + "byteorder") == 0) return absl::OkStatus();  // torch 1.x: always little
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string order, ReadEntry(zip, archive + "byteorder", 16));
  return order == "little" ? absl::OkStatus() : Bad("byteorder '" + order + "': little expected");
}

absl::StatusOr<std::unique_ptr<PtFile>> Parse(ZipReader zip) {
  const size_t slash = zip.first_name().find('/');
  if (slash == std::string::npos) return Bad("no folder in the zip; not a checkpoint of torch.save");
  const std::string archive = zip.first_name().substr(0, slash + 1);
  SUB1QUANT_RETURN_IF_ERROR(CheckByteOrder(zip, archive));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::string bytes, ReadEntry(zip, archive + "data.pkl", PickleLimits().max_bytes));
  SUB1QUANT_ASSIGN_OR_RETURN(const PicklePointer root, ReadPickle(bytes));
  SUB1QUANT_ASSIGN_OR_RETURN(PtHeader header, ReadPtHeader(*root));
  const PlaceFinder finder(zip, archive);
  std::vector<std::vector<ArrayPlace>> places;
  for (size_t i = 0; i < header.entries.size(); ++i) {
    const ManifestTensor& tensor = header.manifest.tensors[i];
    SUB1QUANT_ASSIGN_OR_RETURN(const PtEntryLayout layout, LayoutOfEntry(tensor.method, tensor.rows, tensor.cols,
                                                                         header.manifest.group_size, /*ignored=*/true));
    absl::StatusOr<std::vector<ArrayPlace>> found = finder.Find(*header.entries[i], layout);
    if (!found.ok()) return Annotate(found.status(), absl::StrCat("entry ", tensor.index, " ('", tensor.key, "')"));
    places.push_back(*std::move(found));
  }
  return std::make_unique<ZipPtFile>(std::move(zip), std::move(header.manifest), std::move(places));
}

}  // namespace

absl::StatusOr<std::unique_ptr<PtFile>> PtFile::Open(const std::string& path) {
  SUB1QUANT_ASSIGN_OR_RETURN(ZipReader zip, ZipReader::Open(path));
  absl::StatusOr<std::unique_ptr<PtFile>> file = Parse(std::move(zip));
  if (!file.ok()) return Annotate(file.status(), path);
  return file;
}

}  // namespace sub1quant

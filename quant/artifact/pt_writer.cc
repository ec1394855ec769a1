// data.pkl comes first, as in a file of torch.save: it needs shapes only, and those follow from the manifest. Then the
// storages, one matrix in memory at a time.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/artifact/pickle_writer.h"
#include "quant/artifact/pt.h"
#include "quant/artifact/pt_integer.h"
#include "quant/artifact/pt_layout.h"
#include "quant/artifact/pt_stats.h"
#include "quant/artifact/zip_writer.h"

namespace sub1quant {
namespace {

constexpr char kArchive[] = "checkpoint/";

std::string RecordName(int64_t number) { return absl::StrCat(kArchive, "data/", number); }

absl::Status ForTensor(const absl::Status& status, const ManifestTensor& tensor) {
  return Annotate(status, "tensor '" + tensor.key + "'");
}

// Layouts of all entries, with the residual arrays of int2_base or without.
absl::StatusOr<std::vector<PtEntryLayout>> Layouts(const Manifest& manifest, bool ignored) {
  std::vector<PtEntryLayout> layouts;
  for (const ManifestTensor& tensor : manifest.tensors) {
    absl::StatusOr<PtEntryLayout> layout =
        LayoutOfEntry(tensor.method, tensor.rows, tensor.cols, manifest.group_size, ignored);
    if (!layout.ok()) return ForTensor(layout.status(), tensor);
    layouts.push_back(*std::move(layout));
  }
  return layouts;
}

// Whether the source has the arrays that only the published layout keeps: the first int2_base matrix tells for all.
absl::StatusOr<bool> SourceKeepsIgnored(const Manifest& manifest, const EncodedSource& source) {
  for (size_t i = 0; i < manifest.tensors.size(); ++i) {
    if (manifest.tensors[i].method != "int2_base") continue;
    SUB1QUANT_ASSIGN_OR_RETURN(const EncodedMatrix encoded, source(i));
    return encoded.Find("residual_packed") != nullptr;
  }
  return false;
}

void WriteEntry(const ManifestTensor& tensor, int group_size, const PtEntryLayout& layout, int64_t* record,
                PickleWriter* pickle) {
  pickle->BeginDict();
  pickle->String("format");
  pickle->String(layout.format);
  pickle->String("group_size");
  pickle->Int(group_size);
  pickle->String("orig_shape");
  pickle->Value({tensor.rows, tensor.cols});
  pickle->String("padded_shape");
  pickle->Value({tensor.rows, GroupsPerRow(tensor.cols, group_size) * group_size});
  pickle->String("bpw");
  pickle->Float(static_cast<double>(tensor.bits) / static_cast<double>(tensor.params()));
  for (const PtItem& item : layout.items) {
    pickle->String(item.name);
    if (item.array)
      pickle->Tensor(item.dtype, item.shape, absl::StrCat((*record)++));
    else
      pickle->Int(item.value);
  }
  pickle->String("key");
  pickle->String(tensor.key);
  pickle->EndDict();
}

std::string MakePickle(const Manifest& manifest, const std::vector<PtEntryLayout>& layouts) {
  PickleWriter pickle;
  int64_t record = 0;
  pickle.BeginDict();
  pickle.String("quantized");
  pickle.BeginDict();
  for (size_t i = 0; i < layouts.size(); ++i) {
    pickle.Int(manifest.tensors[i].index);
    WriteEntry(manifest.tensors[i], manifest.group_size, layouts[i], &record, &pickle);
  }
  pickle.EndDict();
  pickle.String("stats");
  pickle.Value(PtStats(manifest));
  pickle.String("method");
  pickle.String("mixed_budget");
  pickle.String("config");
  pickle.Value(PtConfig(manifest));
  pickle.String("weight_keys");
  pickle.Value(PtWeightKeys(manifest));
  pickle.EndDict();
  return pickle.Finish();
}

absl::Status AddText(ZipWriter* zip, const std::string& name, const std::string& text) {
  return zip->Add(kArchive + name, text.data(), text.size());
}

absl::Status WriteStorages(EncodedMatrix encoded, const ManifestTensor& tensor, int group_size,
                           const PtEntryLayout& layout, int64_t* record, ZipWriter* zip) {
  if (encoded.method != tensor.method || encoded.rows != tensor.rows || encoded.cols != tensor.cols ||
      encoded.group_size != group_size)
    return absl::FailedPreconditionError("the encoded matrix is another than the manifest names");
  ToEntryMethod(&encoded);
  for (const PtItem& item : layout.items) {
    if (!item.array) continue;
    const EncodedArray* array = encoded.Find(item.name);
    if (array == nullptr) return absl::FailedPreconditionError("array '" + item.name + "' is missing");
    uint64_t bytes = static_cast<uint64_t>(DTypeSize(item.dtype));
    for (int64_t dimension : item.shape) bytes *= static_cast<uint64_t>(dimension);
    if (array->dtype != item.dtype || array->shape != item.shape || array->bytes.size() != bytes)
      return absl::FailedPreconditionError("array '" + item.name + "' has another type or shape than its method says");
    SUB1QUANT_RETURN_IF_ERROR(zip->Add(RecordName((*record)++), array->bytes.data(), array->bytes.size()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WritePt(const Manifest& manifest, const EncodedSource& source, const ByteSink& sink) {
  SUB1QUANT_ASSIGN_OR_RETURN(const bool ignored, SourceKeepsIgnored(manifest, source));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<PtEntryLayout> layouts, Layouts(manifest, ignored));
  ZipWriter zip(sink);
  SUB1QUANT_RETURN_IF_ERROR(AddText(&zip, "data.pkl", MakePickle(manifest, layouts)));
  SUB1QUANT_RETURN_IF_ERROR(AddText(&zip, ".format_version", "1"));
  SUB1QUANT_RETURN_IF_ERROR(AddText(&zip, ".storage_alignment", absl::StrCat(ZipWriter::kAlignment)));
  SUB1QUANT_RETURN_IF_ERROR(AddText(&zip, "byteorder", "little"));
  int64_t record = 0;
  for (size_t i = 0; i < layouts.size(); ++i) {
    const ManifestTensor& tensor = manifest.tensors[i];
    absl::StatusOr<EncodedMatrix> encoded = source(i);
    if (!encoded.ok()) return ForTensor(encoded.status(), tensor);
    SUB1QUANT_RETURN_IF_ERROR(
        ForTensor(WriteStorages(*std::move(encoded), tensor, manifest.group_size, layouts[i], &record, &zip), tensor));
  }
  SUB1QUANT_RETURN_IF_ERROR(AddText(&zip, "version", "3\n"));
  return zip.Finish();
}

}  // namespace sub1quant

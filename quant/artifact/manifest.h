// The native artifact: manifest.json and blobs/<sha256>. The manifest is written last: it exists ⇔ the artifact is
// whole. It is a function of the tensor digests, the allocation and its inputs and the codec versions only; two runs
// give the same bytes.
//
// A blob is a safetensors file with one tensor per array of the encoding (names as in the published .pt entry).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/digest.h"
#include "core/exact_sum.h"
#include "core/json.h"
#include "quant/artifact/blob_store.h"
#include "quant/codec/codec.h"

namespace sub1quant {

struct ManifestTensor {
  int64_t index = 0;  // enumeration order of the quantizable matrices
  std::string key;
  int64_t rows = 0, cols = 0;
  std::string dtype;          // of the source: "BF16", …
  std::string tensor_sha256;  // of the source bytes; "" if imported from a .pt without the model
  std::string method;
  int codec_version = 1;
  int64_t bits = 0;               // nominal
  std::optional<ExactSum> error;  // absent after an import: a .pt holds no exact sums
  std::optional<double> mse;      // error / (rows * cols), or the .pt's own number
  double activation_weight = 1.0;
  std::string blob_sha256;
  uint64_t blob_bytes = 0;
  uint64_t stored_bytes = 0;

  int64_t params() const { return rows * cols; }
};

struct KeptTensor {  // pinned to "keep", or excluded: stays as it is in the model
  std::string key, dtype;
  int64_t rows = 0, cols = 0;
  bool excluded = false;           // else pinned keep: counts its own width in the average
  int64_t index = 0;               // enumeration order of the quantizable matrices, as of the packed ones
  std::string tensor_sha256 = {};  // of the source bytes
};

// Totals of one allocation over `tensors`, as the published stats have them. mse fields may be unknown.
struct AllocationTotals {
  int64_t layers = 0;
  int64_t total_params = 0;
  double average_bpw = 0;
  std::optional<double> weighted_mse;
};

struct Manifest {
  std::string model_name;  // base name of the model directory
  std::string selection;   // "multimodal" (keys with language_model) or "text-only"
  int group_size = 128;
  std::optional<double> target_bpw;  // absent: uniform or fixed allocation
  std::string allocator;             // "greedy", "optimal", "fixed"
  std::vector<std::string> formats;  // candidates
  Json inputs;                       // pins, excludes, activation weights as given
  AllocationTotals totals;
  std::optional<AllocationTotals> uniform_int4;  // of the searched groupwise_int4 rows, if there were
  std::vector<ManifestTensor> tensors;
  std::vector<KeptTensor> kept;
};

std::string ManifestToJson(const Manifest& manifest);  // the bytes of manifest.json
absl::StatusOr<Manifest> ManifestFromJson(const std::string& text);

// Totals of `tensors` (sums in index order, kept-and-counted tensors included in bits and params).
AllocationTotals TotalsOf(const std::vector<ManifestTensor>& tensors, const std::vector<KeptTensor>& kept);

// Where bytes go, in order.
using ByteSink = std::function<absl::Status(const void* data, size_t size)>;

// A blob in parts that lie where they are: the header here, the arrays in the encoded matrix.
struct BlobParts {
  std::string header;
  std::vector<ByteSpan> arrays;
};
// Encoded matrix ↔ blob bytes.
BlobParts EncodedToBlobParts(const EncodedMatrix& encoded);
std::string EncodedToBlob(const EncodedMatrix& encoded);
absl::StatusOr<EncodedMatrix> EncodedFromBlob(const std::string& bytes, const ManifestTensor& tensor, int group_size);

// An artifact directory: manifest.json beside blobs/.
struct Artifact {
  Manifest manifest;
  std::unique_ptr<BlobStore> blobs;
};
absl::StatusOr<Artifact> OpenArtifact(const std::string& directory);

}  // namespace sub1quant

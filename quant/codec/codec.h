// Weight formats (docs/formats.md): one matrix in, arrays of bytes and an exact error sum out. This header is the only
// door; families live in folders of their own, all listed in registry.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/exact_sum.h"
#include "quant/model/tensor.h"

namespace sub1quant {

struct Implementation;  // quant/codec/implementations.h

// Rows of a matrix that is not in memory. Thread-safe.
class RowReader {
 public:
  virtual ~RowReader() = default;
  // Rows [first, first + count) to `out`, as MatrixView::data would have them.
  virtual absl::Status Read(int64_t first, int64_t count, void* out) = 0;
};

// A matrix [rows, cols] or a block of its rows, row-major, contiguous, in BF16, F16 or F32. Not owned.
struct MatrixView {
  const void* data = nullptr;  // or null: `reader` has the rows
  DType dtype = DType::kBF16;
  int64_t rows = 0;
  int64_t cols = 0;
  RowReader* reader = nullptr;
};

// Groups per row: ceil(cols / group_size).
inline int64_t GroupsPerRow(int64_t cols, int64_t group_size) { return (cols + group_size - 1) / group_size; }

// One array of an encoded matrix, named as in the published .pt entry (`scales`, `packed_int4`, `base_packed`, …).
struct EncodedArray {
  std::string name;
  DType dtype = DType::kU8;  // kU8 or kF16
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;  // little-endian
};

struct EncodedMatrix {
  std::string method;  // registry name: "groupwise_int4", "int2_error_budget_k4", …
  int64_t rows = 0, cols = 0;
  int group_size = 128;
  std::vector<EncodedArray> arrays;
  ExactSum error;  // sum over the real positions of (w - decoded)^2 as docs/formats.md §7 defines it
  std::optional<ExactSum> weighted_error = std::nullopt;  // the same with the factor h, where importance was given

  const EncodedArray* Find(const std::string& name) const;
  uint64_t stored_bytes() const;  // of the arrays
};

// What the search of a matrix kept for one method, so that Encode need not search again. For that matrix, method and
// group size only.
struct KeptChoices {
  std::vector<uint8_t> bytes;  // Codec::ChoiceBytes a group, groups in row order
  ExactSum error;              // as EncodedMatrix::error
};

struct EncodeOptions {
  int group_size = 128;
  int threads = 1;
  // int2_base only: keep the residual arrays that the published .pt carries and decoding ignores.
  bool keep_ignored_arrays = false;
  // nullptr: the fastest of this CPU. The bytes do not depend on it.
  const Implementation* implementation = nullptr;
  // Integer family only (docs/formats.md §9), the other formats do not weigh: h of each input channel, `cols` finite
  // numbers, none negative; empty: all 1. Decides which scale is kept; `EncodedMatrix::error` stays unweighted.
  std::vector<float> importance = {};
  const KeptChoices* kept = nullptr;  // not owned; not together with importance
};

// Stateless, thread-safe, lives as long as the process.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual const std::string& method() const = 0;
  // Bumped when the bytes change: part of action keys and manifests.
  virtual int version() const = 0;
  // Nominal bits of codes and 16-bit scales of a matrix (docs/formats.md §1); bpw = bits / (rows * cols).
  virtual int64_t NominalBits(int64_t rows, int64_t cols, int group_size) const = 0;
  // Bytes that a search can keep for a group, 0 where the method has nothing to search.
  virtual int ChoiceBytes() const = 0;
  // Bytes of the arrays that Encode stores (without ignored arrays).
  virtual uint64_t StoredBytes(int64_t rows, int64_t cols, int group_size) const = 0;

  // InvalidArgument naming row and column (or group) for NaN, Inf, scale overflow. The result does not depend on
  // `threads`.
  virtual absl::StatusOr<EncodedMatrix> Encode(const MatrixView& matrix, const EncodeOptions& options) const = 0;
  // What Encode returns before a group is encoded: all arrays, zeroed, in the order in which the kernels of a device
  // take them, error 0. InvalidArgument as Encode.
  virtual absl::StatusOr<EncodedMatrix> Prepare(int64_t rows, int64_t cols, const EncodeOptions& options) const = 0;
  // The arrays of an encoded matrix in that order, names, types and shapes checked; null for an ignored one that is not
  // there.
  virtual absl::StatusOr<std::vector<const uint8_t*>> CheckArrays(const EncodedMatrix& encoded) const = 0;
  // Rows [first_row, first_row + row_count) to float32 [row_count, cols]. Checks names, types and shapes of the arrays
  // and every index in them; never reads outside.
  virtual absl::Status Decode(const EncodedMatrix& encoded, int64_t first_row, int64_t row_count, float* out) const = 0;
};

// nullptr for an unknown method. Beside KnownMethods accepts every k in `int2_error_budget_k{K}`, 1 <= K <= 255.
const Codec* FindCodec(const std::string& method);
// The five published candidates in their order: int2_base, int2_binary_residual, int2_error_budget_k4,
// int2_error_budget_k8, groupwise_int4.
const std::vector<std::string>& PublishedMethods();
// The integer family (docs/formats.md §9): int2, int3, int4, int5, int6, int8.
const std::vector<std::string>& IntegerMethods();
// The methods to list in --help and error messages: the published five, then the integer family.
const std::vector<std::string>& KnownMethods();

// 32, 64, 128 or 256, else InvalidArgument.
absl::Status CheckGroupSize(int group_size);

}  // namespace sub1quant

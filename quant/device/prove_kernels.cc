#include "quant/device/prove_kernels.h"

#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/codec/hunting_weights.h"
#include "quant/codec/implementations.h"

namespace sub1quant {
namespace {

constexpr int kRows = 10;

std::string InputName(const WeightMatrix& matrix, int group_size) {
  return absl::StrCat(DTypeName(matrix.dtype), " [", matrix.rows, ", ", matrix.cols, "], group size ", group_size);
}

// What the CPU says, by the scalar code: vector code is an optimisation of its own.
class Prover {
 public:
  Prover(KernelDevice& device, const std::vector<std::string>& methods) : device_(device) {
    trust_.search = trust_.encode = trust_.decode = {methods.begin(), methods.end()};
  }

  // A device that fails is an error; a kernel that differs is a refusal.
  absl::Status Prove(const WeightMatrix& matrix, int group_size) {
    input_ = InputName(matrix, group_size);
    for (const std::string& method : KnownOf(trust_.search))
      SUB1QUANT_RETURN_IF_ERROR(ProveSearch(matrix, group_size, {method}));
    // All together: kernels share their passes over the weights.
    if (trust_.search.size() > 1) SUB1QUANT_RETURN_IF_ERROR(ProveSearch(matrix, group_size, KnownOf(trust_.search)));
    for (const std::string& method : KnownOf(trust_.encode))
      SUB1QUANT_RETURN_IF_ERROR(ProveEncode(matrix, group_size, method));
    for (const std::string& method : KnownOf(trust_.decode))
      SUB1QUANT_RETURN_IF_ERROR(ProveDecode(matrix, group_size, method));
    return absl::OkStatus();
  }

  // `matrix` has something that every method refuses, first in group `bad`.
  absl::Status ProveRefusal(const WeightMatrix& matrix, int group_size, int64_t bad) {
    input_ = absl::StrCat(InputName(matrix, group_size), " with a value to refuse");
    const absl::Status want = absl::OutOfRangeError(absl::StrCat("the device refuses group ", bad));
    for (const std::string& method : KnownOf(trust_.search))
      SUB1QUANT_RETURN_IF_ERROR(
          Expect(trust_.search, "search", method, device_.Search(matrix.view(), group_size, {method}).status(), want));
    for (const std::string& method : KnownOf(trust_.encode))
      SUB1QUANT_RETURN_IF_ERROR(Expect(trust_.encode, "encode", method,
                                       device_.Encode(matrix.view(), method, {.group_size = group_size}).status(),
                                       want));
    return absl::OkStatus();
  }

  KernelTrust Result() { return std::move(trust_); }

 private:
  static std::vector<std::string> KnownOf(const std::set<std::string>& methods) {
    return {methods.begin(), methods.end()};  // a copy: refusals shrink the set
  }

  void Refuse(std::set<std::string>& trusted, const std::string& operation, const std::string& method,
              const std::string& why) {
    trusted.erase(method);
    trust_.refused.push_back({operation, method, absl::StrCat(input_, ": ", why)});
  }

  absl::Status Expect(std::set<std::string>& trusted, const std::string& operation, const std::string& method,
                      const absl::Status& got, const absl::Status& want) {
    if (IsDeviceLost(got)) return got;
    if (got != want)
      Refuse(trusted, operation, method, absl::StrCat("says '", got.ToString(), "', must say '", want.ToString(), "'"));
    return absl::OkStatus();
  }

  absl::Status ProveSearch(const WeightMatrix& matrix, int group_size, const std::vector<std::string>& methods) {
    SUB1QUANT_ASSIGN_OR_RETURN(const auto want, SearchMatrix(matrix.view(), group_size, methods, 1, Reference()));
    const auto got = device_.Search(matrix.view(), group_size, methods);
    for (size_t i = 0; i < methods.size(); ++i) {
      if (!got.ok()) {
        SUB1QUANT_RETURN_IF_ERROR(Expect(trust_.search, "search", methods[i], got.status(), absl::OkStatus()));
      } else if ((*got)[i].error != want[i].error) {
        Refuse(trust_.search, "search", methods[i],
               absl::StrCat("error sum ", (*got)[i].error.ToHex(), ", must be ", want[i].error.ToHex()));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ProveEncode(const WeightMatrix& matrix, int group_size, const std::string& method) {
    EncodeOptions options{.group_size = group_size};
    const auto got = device_.Encode(matrix.view(), method, options);
    if (!got.ok()) return Expect(trust_.encode, "encode", method, got.status(), absl::OkStatus());
    options.implementation = &Reference();
    SUB1QUANT_ASSIGN_OR_RETURN(const EncodedMatrix want, FindCodec(method)->Encode(matrix.view(), options));
    for (size_t i = 0; i < want.arrays.size(); ++i) {
      if (got->arrays[i].bytes == want.arrays[i].bytes) continue;
      Refuse(trust_.encode, "encode", method, absl::StrCat("array '", want.arrays[i].name, "' differs"));
      return absl::OkStatus();
    }
    if (got->error != want.error) Refuse(trust_.encode, "encode", method, "the error sum differs");
    return absl::OkStatus();
  }

  absl::Status ProveDecode(const WeightMatrix& matrix, int group_size, const std::string& method) {
    SUB1QUANT_ASSIGN_OR_RETURN(const EncodedMatrix encoded,
                               FindCodec(method)->Encode(matrix.view(), {.group_size = group_size}));
    std::vector<float> want(static_cast<size_t>(matrix.size())), got(want.size());
    std::vector<uint16_t> rounded(want.size());
    SUB1QUANT_RETURN_IF_ERROR(FindCodec(method)->Decode(encoded, 0, matrix.rows, want.data()));
    for (const absl::Status& status :
         {device_.Decode(encoded, DType::kF32, got.data()), device_.Decode(encoded, DType::kBF16, rounded.data())})
      if (!status.ok()) return Expect(trust_.decode, "decode", method, status, absl::OkStatus());
    bool same = std::memcmp(want.data(), got.data(), sizeof(float) * want.size()) == 0;
    for (size_t i = 0; i < want.size() && same; ++i) same = rounded[i] == Bf16Bits(want[i]);
    if (!same) Refuse(trust_.decode, "decode", method, "values differ");
    return absl::OkStatus();
  }

  static const Implementation& Reference() { return *Implementations().back(); }

  KernelDevice& device_;
  KernelTrust trust_;
  std::string input_;
};

}  // namespace

std::vector<std::string> ProvenMethods() {
  std::vector<std::string> methods = PublishedMethods();
  methods.insert(methods.end(), IntegerMethods().begin(), IntegerMethods().end());
  return methods;
}

absl::StatusOr<KernelTrust> ProveKernels(KernelDevice& device, const std::vector<std::string>& methods) {
  Prover prover(device, methods);
  WeightSource source(20'260'101);
  for (const int group_size : {32, 64, 128, 256}) {
    for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
      // An odd number of rows and groups, padding in the last; rows aligned to pairs, then not.
      for (const int64_t cols : {2 * group_size + 6, 4 * group_size + 9})
        SUB1QUANT_RETURN_IF_ERROR(prover.Prove(source.Matrix(dtype, kRows + cols % 2, cols, group_size), group_size));
    }
    WeightMatrix bad = source.Matrix(DType::kF32, kRows, 3 * group_size, group_size);
    bad.Set(7 * bad.cols + 1, std::numeric_limits<float>::quiet_NaN());
    bad.Set(4 * bad.cols + 2 * group_size, std::numeric_limits<float>::infinity());
    SUB1QUANT_RETURN_IF_ERROR(prover.ProveRefusal(bad, group_size, 4 * 3 + 2));
  }
  return prover.Result();
}

}  // namespace sub1quant

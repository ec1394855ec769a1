#include "quant/device/device.h"

#include <dlfcn.h>

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "core/status.h"
#include "quant/codec/weight_tile.h"
#include "quant/device/kernel_arrays.h"
#include "quant/device/matrix_rows.h"

namespace sub1quant {
namespace {

absl::Status ToStatus(const ModuleResult& result) {
  switch (result.code) {
    case ModuleCode::kDone:
      return absl::OkStatus();
    case ModuleCode::kBadGroup:
      return absl::OutOfRangeError(absl::StrCat("the device refuses group ", result.group));
    case ModuleCode::kTooLarge:
      return absl::UnimplementedError("the matrix does not fit the device's buffers");
    case ModuleCode::kNoDevice:
      return absl::FailedPreconditionError(result.text);
    case ModuleCode::kLost:
      return absl::UnavailableError(absl::StrCat("device lost: ", result.text));
    case ModuleCode::kNoRows:
      return absl::AbortedError("the matrix could not be read for the device");
  }
  return absl::InternalError("the device module gave an unknown code");
}

absl::StatusOr<WeightType> ToWeightType(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return WeightType::kBF16;
    case DType::kF16:
      return WeightType::kF16;
    case DType::kF32:
      return WeightType::kF32;
    default:
      return absl::UnimplementedError(absl::StrCat("no kernel takes ", DTypeName(dtype)));
  }
}

absl::StatusOr<HostMatrix> ToHostMatrix(const MatrixView& matrix, int group_size, MatrixRows& rows) {
  SUB1QUANT_RETURN_IF_ERROR(CheckMatrix(matrix, group_size));
  HostMatrix host;
  SUB1QUANT_ASSIGN_OR_RETURN(host.type, ToWeightType(matrix.dtype));
  host.source = &rows;
  host.rows = matrix.rows;
  host.cols = matrix.cols;
  host.group_size = group_size;
  return host;
}

// Limbs of 32 bits, each summed up in 64 without carrying.
ExactSum ToExactSum(const uint64_t (&limbs)[kLimbs]) {
  unsigned __int128 units = 0;
  for (int i = 0; i < kLimbs; ++i) units += static_cast<unsigned __int128>(limbs[i]) << (32 * i);
  return ExactSum::FromParts(static_cast<int64_t>(units >> 64), static_cast<uint64_t>(units));
}

absl::StatusOr<KernelMethod> KernelOf(const std::string& method) {
  KernelMethod kernel;
  if (!ToKernelMethod(method, &kernel)) return absl::UnimplementedError(absl::StrCat("no kernel for '", method, "'"));
  return kernel;
}

// Puts `kernel` into the request; returns the place of its sum. -1: no room for one more.
int Request(const KernelMethod& kernel, SearchCall* call) {
  const auto place_in = [&](int32_t* list, int size) {
    for (int i = 0; i < size; ++i) {
      if (list[i] == 0) list[i] = kernel.parameter;
      if (list[i] == kernel.parameter) return i;
    }
    return -1;
  };
  switch (kernel.format) {
    case KernelFormat::kInt4:
      call->int4 = true;
      return kSumsOfPublished;
    case KernelFormat::kInt2Base:
    case KernelFormat::kInt2Binary:
      call->int2 = true;
      return kSumsOfPublished + (kernel.format == KernelFormat::kInt2Base ? 1 : 2);
    case KernelFormat::kInt2Corrected: {
      call->int2 = true;
      const int place = place_in(call->corrections.k, kMaxSearchedCorrections);
      return place < 0 ? -1 : kSumsOfPublished + 3 + place;
    }
    case KernelFormat::kInteger:
      return kSumsOfWidths + place_in(call->widths, kMaxKernelWidths);
  }
  return -1;
}

class LoadedDevice final : public KernelDevice {
 public:
  explicit LoadedDevice(ModuleDevice* device) : device_(device) {}

  DeviceFacts facts() const override { return device_->facts(); }

  absl::StatusOr<std::vector<CandidateRow>> Search(const MatrixView& matrix, int group_size,
                                                   const std::vector<std::string>& methods, int threads) override {
    SearchCall call;
    MatrixRows source(matrix, threads);
    SUB1QUANT_ASSIGN_OR_RETURN(call.matrix, ToHostMatrix(matrix, group_size, source));
    std::vector<CandidateRow> rows(methods.size());
    std::vector<int> places;
    for (size_t i = 0; i < methods.size(); ++i) {
      SUB1QUANT_ASSIGN_OR_RETURN(const KernelMethod kernel, KernelOf(methods[i]));
      places.push_back(Request(kernel, &call));
      if (places.back() < 0)
        return absl::UnimplementedError(absl::StrCat("a search on the device takes at most ", kMaxSearchedCorrections,
                                                     " formats with corrections"));
      rows[i].method = methods[i];
      rows[i].bits = FindCodec(methods[i])->NominalBits(matrix.rows, matrix.cols, group_size);
    }
    SUB1QUANT_RETURN_IF_ERROR(ToStatus(device_->Search(&call)));
    for (size_t i = 0; i < rows.size(); ++i) rows[i].error = ToExactSum(call.sums[places[i]]);
    return rows;
  }

  absl::StatusOr<EncodedMatrix> Encode(const MatrixView& matrix, const std::string& method,
                                       const EncodeOptions& options) override {
    EncodeCall call;
    SUB1QUANT_ASSIGN_OR_RETURN(call.method, KernelOf(method));
    if (!options.importance.empty()) return absl::UnimplementedError("no kernel weighs with importance");
    MatrixRows source(matrix, options.threads);
    SUB1QUANT_ASSIGN_OR_RETURN(call.matrix, ToHostMatrix(matrix, options.group_size, source));
    SUB1QUANT_ASSIGN_OR_RETURN(EncodedMatrix encoded, FindCodec(method)->Prepare(matrix.rows, matrix.cols, options));
    SUB1QUANT_CHECK(encoded.arrays.size() <= kMaxKernelArrays);
    for (size_t i = 0; i < encoded.arrays.size(); ++i) call.arrays[i] = encoded.arrays[i].bytes.data();
    SUB1QUANT_RETURN_IF_ERROR(ToStatus(device_->Encode(&call)));
    encoded.error = ToExactSum(call.sum);
    return encoded;
  }

  absl::Status Decode(const EncodedMatrix& encoded, DType type, void* out) override {
    DecodeCall call;
    SUB1QUANT_ASSIGN_OR_RETURN(call.method, KernelOf(encoded.method));
    SUB1QUANT_ASSIGN_OR_RETURN(call.out_type, ToWeightType(type));
    SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<const uint8_t*> arrays,
                               FindCodec(encoded.method)->CheckArrays(encoded));
    SUB1QUANT_CHECK(arrays.size() <= kMaxKernelArrays);
    std::copy(arrays.begin(), arrays.end(), call.arrays);
    call.rows = encoded.rows;
    call.cols = encoded.cols;
    call.group_size = encoded.group_size;
    call.out = out;
    return ToStatus(device_->Decode(call));
  }

  const ScoreLaunches& score() const override { return device_->score(); }

 private:
  struct Closer {
    void operator()(ModuleDevice* device) const { device->Close(); }
  };
  std::unique_ptr<ModuleDevice, Closer> device_;
};

}  // namespace

bool ToKernelMethod(const std::string& method, KernelMethod* kernel) {
  if (method == "groupwise_int4") return *kernel = {KernelFormat::kInt4, 0}, true;
  if (method == "int2_base") return *kernel = {KernelFormat::kInt2Base, 0}, true;
  if (method == "int2_binary_residual") return *kernel = {KernelFormat::kInt2Binary, 0}, true;
  for (const std::string& width : IntegerMethods())
    if (method == width) return *kernel = {KernelFormat::kInteger, method.back() - '0'}, true;
  const std::string prefix = "int2_error_budget_k";
  if (method.compare(0, prefix.size(), prefix) != 0 || FindCodec(method) == nullptr) return false;
  int k = 0;
  std::from_chars(method.data() + prefix.size(), method.data() + method.size(), k);
  if (k > kMaxKernelCorrections) return false;
  *kernel = {KernelFormat::kInt2Corrected, k};
  return true;
}

bool IsDeviceLost(const absl::Status& status) { return absl::IsUnavailable(status); }

bool IsRefusedGroup(const absl::Status& status) { return absl::IsOutOfRange(status); }

absl::StatusOr<DeviceLibrary> DeviceLibrary::Load(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return absl::NotFoundError(absl::StrCat("no device module: ", why == nullptr ? path.c_str() : why));
  }
  void* symbol = dlsym(library, kDeviceModuleSymbol);
  if (symbol == nullptr) return absl::FailedPreconditionError(absl::StrCat(path, " is not a device module"));
  const DeviceModule* module = reinterpret_cast<DeviceModuleEntry>(symbol)();
  if (module->abi != kDeviceModuleAbi)
    return absl::FailedPreconditionError(absl::StrCat(path, " has interface ", module->abi, ", this program needs ",
                                                      kDeviceModuleAbi, ": install both from one build"));
  return DeviceLibrary(module);
}

absl::StatusOr<int> DeviceLibrary::CountDevices() const {
  int32_t count = 0;
  SUB1QUANT_RETURN_IF_ERROR(ToStatus(module_->count_devices(&count)));
  return count;
}

absl::StatusOr<std::unique_ptr<KernelDevice>> DeviceLibrary::Open(int index, uint64_t slot_bytes) const {
  ModuleDevice* device = nullptr;
  SUB1QUANT_RETURN_IF_ERROR(ToStatus(module_->open_device(index, slot_bytes, &device)));
  return std::make_unique<LoadedDevice>(device);
}

}  // namespace sub1quant

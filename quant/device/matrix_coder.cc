#include "quant/device/matrix_coder.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/status.h"

namespace sub1quant {
namespace {

class CpuCoder final : public MatrixCoder {
 public:
  absl::StatusOr<std::vector<CandidateRow>> Search(const MatrixView& matrix, int group_size,
                                                   const std::vector<std::string>& methods, int threads,
                                                   std::vector<KeptChoices>* kept) override {
    return SearchMatrix(matrix, group_size, methods, threads, BestImplementation(), kept);
  }
  absl::StatusOr<EncodedMatrix> Encode(const MatrixView& matrix, const std::string& method,
                                       const EncodeOptions& options) override {
    const Codec* codec = FindCodec(method);
    if (codec == nullptr) return absl::InvalidArgumentError(absl::StrCat("unknown format '", method, "'"));
    return codec->Encode(matrix, options);
  }
};

class DeviceCoder final : public MatrixCoder {
 public:
  DeviceCoder(std::unique_ptr<KernelDevice> device, KernelTrust trust, DeviceEvents events)
      : device_(std::move(device)), trust_(std::move(trust)), events_(std::move(events)) {}

  absl::StatusOr<std::vector<CandidateRow>> Search(const MatrixView& matrix, int group_size,
                                                   const std::vector<std::string>& methods, int threads,
                                                   std::vector<KeptChoices>* kept) override {
    std::vector<std::string> kernels, others;
    std::vector<bool> on_device;
    absl::StatusOr<std::vector<CandidateRow>> rows = absl::UnimplementedError("no method has a trusted kernel");
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (const std::string& method : methods) {
        on_device.push_back(trust_.search.count(method) != 0);
        (on_device.back() ? kernels : others).push_back(method);
      }
      if (!kernels.empty()) rows = device_->Search(matrix, group_size, kernels, threads);
    }
    if (!rows.ok()) {
      if (IsDeviceLost(rows.status())) return Lost(rows.status());
      auto all = cpu_.Search(matrix, group_size, methods, threads, kept);
      if (all.ok() && IsRefusedGroup(rows.status()))
        for (const std::string& method : kernels) Distrust(&KernelTrust::search, "search", method, rows.status());
      return all;
    }
    if (kept != nullptr) kept->assign(methods.size(), KeptChoices());
    if (others.empty()) return rows;
    std::vector<KeptChoices> others_kept;
    SUB1QUANT_ASSIGN_OR_RETURN(
        const std::vector<CandidateRow> rest,
        cpu_.Search(matrix, group_size, others, threads, kept == nullptr ? nullptr : &others_kept));
    std::vector<CandidateRow> all;
    size_t from_device = 0, from_cpu = 0;
    for (size_t i = 0; i < methods.size(); ++i) {
      if (on_device[i]) {
        all.push_back((*rows)[from_device++]);
        continue;
      }
      if (kept != nullptr) (*kept)[i] = std::move(others_kept[from_cpu]);
      all.push_back(rest[from_cpu++]);
    }
    return all;
  }

  absl::StatusOr<EncodedMatrix> Encode(const MatrixView& matrix, const std::string& method,
                                       const EncodeOptions& options) override {
    absl::StatusOr<EncodedMatrix> encoded = absl::UnimplementedError("no trusted kernel");
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (trust_.encode.count(method) != 0) encoded = device_->Encode(matrix, method, options);
    }
    if (encoded.ok()) return encoded;
    if (IsDeviceLost(encoded.status())) return Lost(encoded.status());
    auto again = cpu_.Encode(matrix, method, options);
    if (again.ok() && IsRefusedGroup(encoded.status()))
      Distrust(&KernelTrust::encode, "encode", method, encoded.status());
    return again;
  }

 private:
  absl::Status Lost(const absl::Status& status) {
    events_.lost(std::string(status.message()));
    return status;
  }

  void Distrust(std::set<std::string> KernelTrust::*trusted, const std::string& operation, const std::string& method,
                const absl::Status& refusal) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      (trust_.*trusted).erase(method);
    }
    events_.refused({operation, method, absl::StrCat(std::string(refusal.message()), ", the CPU does not")});
  }

  CpuCoder cpu_;
  std::mutex mutex_;
  std::unique_ptr<KernelDevice> device_;
  KernelTrust trust_;
  DeviceEvents events_;
};

}  // namespace

std::unique_ptr<MatrixCoder> NewCpuCoder() { return std::make_unique<CpuCoder>(); }

std::unique_ptr<MatrixCoder> NewDeviceCoder(std::unique_ptr<KernelDevice> device, KernelTrust trust,
                                            DeviceEvents events) {
  return std::make_unique<DeviceCoder>(std::move(device), std::move(trust), std::move(events));
}

}  // namespace sub1quant

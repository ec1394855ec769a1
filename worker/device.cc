#include "worker/device.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/device/device.h"
#include "spdlog/spdlog.h"

namespace sub1quant {
namespace {

constexpr int kNoIndex = -1;

// The I of cuda:I, 0 of cuda; kNoIndex for another word.
int CudaIndex(const std::string& option) {
  if (option == "cuda") return 0;
  const std::string prefix = "cuda:";
  if (option.size() <= prefix.size() || option.compare(0, prefix.size(), prefix) != 0) return kNoIndex;
  int index = kNoIndex;
  const char* end = option.data() + option.size();
  const auto parsed = std::from_chars(option.data() + prefix.size(), end, index);
  return parsed.ec == std::errc() && parsed.ptr == end && index >= 0 ? index : kNoIndex;
}

Device Cpu() { return {"cpu", "cpu", NewCpuCoder(), nullptr}; }

absl::StatusOr<Device> OpenCuda(int index, const std::string& module_path, const DeviceEvents& events) {
  SUB1QUANT_ASSIGN_OR_RETURN(const DeviceLibrary library, DeviceLibrary::Load(module_path));
  SUB1QUANT_ASSIGN_OR_RETURN(const int count, library.CountDevices());
  if (index >= count) return absl::FailedPreconditionError(absl::StrCat("there are ", count, " devices"));
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<KernelDevice> device, library.Open(index));
  SUB1QUANT_ASSIGN_OR_RETURN(KernelTrust trust, ProveKernels(*device, ProvenMethods()));
  for (const KernelRefusal& refusal : trust.refused) events.refused(refusal);
  const std::string description = absl::StrCat("cuda:", index, " (", device->facts().name, ")");
  spdlog::info("{}: kernels that agree with the CPU: {} search, {} encode, {} decode; refused: {}", description,
               trust.search.size(), trust.encode.size(), trust.decode.size(), trust.refused.size());
  const ScoreLaunches& launches = device->score();
  return Device{absl::StrCat("cuda:", index), description, NewDeviceCoder(std::move(device), std::move(trust), events),
                &launches};
}

}  // namespace

std::string DeviceModulePath() {
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string program(path.data(), length > 0 ? static_cast<size_t>(length) : 0);
  return absl::StrCat(program.substr(0, program.find_last_of('/') + 1), "../lib/sub1quant/libsub1quant_cuda.so");
}

absl::StatusOr<Device> ChooseDevice(const std::string& option, const std::string& module_path,
                                    const DeviceEvents& events) {
  if (option == "cpu") return Cpu();
  if (option == "auto") {
    if (access(module_path.c_str(), F_OK) != 0) return Cpu();
    absl::StatusOr<Device> device = OpenCuda(0, module_path, events);
    if (device.ok()) return device;
    spdlog::warn("no CUDA device, the CPU is used: {}", std::string(device.status().message()));
    return Cpu();
  }
  const int index = CudaIndex(option);
  if (index == kNoIndex)
    return absl::InvalidArgumentError(
        absl::StrCat("--device '", option, "': accepted are auto, cpu, cuda and cuda:I (I a number)"));
  absl::StatusOr<Device> device = OpenCuda(index, module_path, events);
  if (device.ok()) return device;
  return absl::FailedPreconditionError(absl::StrCat("--device ", option, ": ", std::string(device.status().message()),
                                                    "; use cpu or auto, or preset cuda-release"));
}

void ExitForLostDevice(const std::string& why) {
  spdlog::critical("{}; exit {}: start this worker again", why, kExitDeviceLost);
  spdlog::shutdown();
  std::_Exit(kExitDeviceLost);
}

}  // namespace sub1quant

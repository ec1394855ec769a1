#include "worker/executors/score_device.h"

#include "quant/eval/torch/prove_launches.h"
#include "quant/eval/torch/scorer.h"
#include "spdlog/spdlog.h"

namespace sub1quant {

ScoreDevice ChooseScoreDevice(const Device& device, const DeviceEvents& events) {
  if (device.launches == nullptr) return ScoreDevice();
  const absl::StatusOr<uint64_t> free_bytes = OpenTorchDevice(device.torch_name);
  if (!free_bytes.ok()) {
    spdlog::warn("scoring takes the CPU, not {}: {}", device.description, std::string(free_bytes.status().message()));
    return ScoreDevice();
  }
  ScoreDevice chosen{device.torch_name, device.launches, *free_bytes / 16 * 15, events.lost};
  const auto refused = ProveScoreLaunches(*device.launches, device.torch_name);
  if (!refused.ok()) {
    events.lost(std::string(refused.status().message()));
    return ScoreDevice();
  }
  for (const ScoreKernelRefusal& refusal : *refused) events.refused({"score", refusal.kernel, refusal.why});
  if (!refused->empty()) chosen.launches = nullptr;
  spdlog::info("scoring on {} ({} MiB free), between its products {}", device.torch_name, *free_bytes >> 20,
               chosen.launches == nullptr ? "LibTorch's operators" : "kernels that agree with the CPU");
  return chosen;
}

}  // namespace sub1quant

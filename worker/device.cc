#include "worker/device.h"

#include "absl/strings/str_cat.h"

namespace sub1quant {
namespace {

bool IsCuda(const std::string& option) {
  if (option == "cuda") return true;
  const std::string prefix = "cuda:";
  return option.size() > prefix.size() && option.compare(0, prefix.size(), prefix) == 0 &&
         option.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
}

}  // namespace

absl::StatusOr<Device> ChooseDevice(const std::string& option) {
  if (option == "auto" || option == "cpu") return Device{"cpu", "cpu"};
  if (IsCuda(option)) {
    return absl::FailedPreconditionError(
        absl::StrCat("--device ", option, ": this build has no CUDA; use cpu or auto"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--device '", option, "': accepted are auto, cpu, cuda and cuda:I (I a number)"));
}

}  // namespace sub1quant

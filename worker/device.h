// --device: which device this worker computes on.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace sub1quant {

struct Device {
  std::string torch_name;   // "cpu"
  std::string description;  // for people: "cpu"
};

// auto, cpu, cuda or cuda:I. InvalidArgument for another word; FailedPrecondition if this build cannot do what it
// names.
absl::StatusOr<Device> ChooseDevice(const std::string& option);

}  // namespace sub1quant

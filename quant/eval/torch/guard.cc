#include "quant/eval/torch/guard.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "quant/eval/torch/scorer.h"

namespace sub1quant {
namespace {

constexpr char kDeviceLost[] = "sub1quant/device_lost";

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// The CPU allocator throws a plain c10::Error, cuBLAS has a word of its own; only the text tells that it is about
// memory. Freed, it can be had again: no device is lost.
bool SpeaksOfMemory(const std::string& text) {
  return text.find("can't allocate memory") != std::string::npos || text.find("out of memory") != std::string::npos ||
         text.find("CUBLAS_STATUS_ALLOC_FAILED") != std::string::npos;
}

// cuBLAS' and cuDNN's errors come as a plain c10::Error.
bool SpeaksOfDevice(const std::string& text) {
  return text.find("CUDA error") != std::string::npos || text.find("CUDNN_STATUS") != std::string::npos;
}

absl::Status Lost(const std::string& text) {
  absl::Status status = absl::UnavailableError(absl::StrCat("device lost: ", text));
  status.SetPayload(kDeviceLost, absl::Cord());
  return status;
}

}  // namespace

bool IsScoringDeviceLost(const absl::Status& status) { return status.GetPayload(kDeviceLost).has_value(); }

absl::Status CurrentExceptionToStatus() {
  try {
    throw;
  } catch (const c10::Error& error) {
    const std::string text = FirstLine(error.what_without_backtrace());
    const bool memory = SpeaksOfMemory(text) || dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr;
    if (memory) return absl::ResourceExhaustedError(absl::StrCat("LibTorch: ", text));
    if (SpeaksOfDevice(text) || dynamic_cast<const c10::AcceleratorError*>(&error) != nullptr) return Lost(text);
    return absl::InternalError(absl::StrCat("LibTorch: ", text));
  } catch (const DeviceFailure& failure) {
    return Lost(failure.what());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("LibTorch: ", FirstLine(error.what())));
  }
}

}  // namespace sub1quant

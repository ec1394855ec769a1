#include "quant/eval/torch/guard.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

#include "absl/strings/str_cat.h"

namespace sub1quant {
namespace {

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// The CPU allocator throws a plain c10::Error; only its text tells that it is about memory.
bool SpeaksOfMemory(const std::string& text) {
  return text.find("can't allocate memory") != std::string::npos || text.find("out of memory") != std::string::npos;
}

}  // namespace

absl::Status CurrentExceptionToStatus() {
  try {
    throw;
  } catch (const c10::Error& error) {
    const std::string text = FirstLine(error.what_without_backtrace());
    if (SpeaksOfMemory(text)) return absl::ResourceExhaustedError(absl::StrCat("LibTorch: ", text));
    return absl::InternalError(absl::StrCat("LibTorch: ", text));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("LibTorch: ", FirstLine(error.what())));
  }
}

}  // namespace sub1quant

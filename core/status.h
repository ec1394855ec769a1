// Status helpers. Every level adds one phrase and keeps the code, so that a user reads one line:
// "model.safetensors: header: duplicate key 'a.weight'".
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sub1quant {

// `where: message`, code and payloads kept. An OK status stays OK.
absl::Status Annotate(const absl::Status& status, const std::string& where);

// Status of a failed system call: ENOENT → NotFound, EACCES/EPERM/EROFS → PermissionDenied, ENOSPC/EDQUOT →
// ResourceExhausted, EEXIST → AlreadyExists, anything else Unavailable. Message: "`action`: strerror".
absl::Status ErrnoStatus(int error_number, const std::string& action);

}  // namespace sub1quant

#define SUB1QUANT_CONCAT_INNER(a, b) a##b
#define SUB1QUANT_CONCAT(a, b) SUB1QUANT_CONCAT_INNER(a, b)

#define SUB1QUANT_RETURN_IF_ERROR(expression)                                                             \
  do {                                                                                                    \
    if (absl::Status sub1quant_status_ = (expression); !sub1quant_status_.ok()) return sub1quant_status_; \
  } while (false)

#define SUB1QUANT_ASSIGN_OR_RETURN(lhs, expression) \
  SUB1QUANT_ASSIGN_OR_RETURN_(SUB1QUANT_CONCAT(sub1quant_result_, __LINE__), lhs, expression)
#define SUB1QUANT_ASSIGN_OR_RETURN_(result, lhs, expression) \
  auto result = (expression);                                \
  if (!result.ok()) return result.status();                  \
  lhs = std::move(result).value()

#include "client/outcome.h"

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client/render.h"

namespace sub1quant {
namespace {

constexpr char kExitPayload[] = "sub1quant/exit";
constexpr char kHintPayload[] = "sub1quant/hint";

std::string Payload(const absl::Status& status, const char* name) {
  const auto payload = status.GetPayload(name);
  return payload.has_value() ? std::string(*payload) : "";
}

ExitCode ExitCodeOfKind(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return ExitCode::kDone;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kCancelled:
      return ExitCode::kCancelled;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
      return ExitCode::kUsage;
    default:
      return ExitCode::kFailed;
  }
}

}  // namespace

absl::Status WithExit(absl::Status status, ExitCode code) {
  if (!status.ok()) status.SetPayload(kExitPayload, absl::Cord(std::to_string(static_cast<int>(code))));
  return status;
}

absl::Status WithHint(absl::Status status, const std::string& hint) {
  if (!status.ok()) status.SetPayload(kHintPayload, absl::Cord(hint));
  return status;
}

absl::Status FromServer(const absl::Status& status, const std::string& address) {
  const std::string message(status.message());
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return status;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return WithHint(
          WithExit(absl::UnavailableError(absl::StrCat("server ", address, ": cannot be reached: ", message)),
                   ExitCode::kUnreachable),
          "is sub1quant-server running there? --server or SUB1QUANT_SERVER names another one");
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kResourceExhausted:
      return WithExit(absl::Status(status.code(), absl::StrCat("server ", address, ": refused: ", message)),
                      ExitCode::kRefused);
    default:
      return status;
  }
}

absl::Status JobOutcome(const v1::Job& job, bool asked_here) {
  switch (job.state()) {
    case v1::JOB_STATE_SUCCEEDED:
      return absl::OkStatus();
    case v1::JOB_STATE_CANCELLED:
      return absl::CancelledError(absl::StrCat("job ", job.id(), " was cancelled"));
    case v1::JOB_STATE_FAILED: {
      const absl::Status error(static_cast<absl::StatusCode>(job.error_code()), job.error_message());
      const ExitCode kind = ExitCodeOfKind(error.code());
      // Only what the user can put right in the command has a code of its own.
      const bool of_user = asked_here && (kind == ExitCode::kUsage || kind == ExitCode::kNotFound);
      return WithExit(absl::UnknownError(absl::StrCat("job ", job.id(), " failed: ", job.error_message())),
                      of_user ? kind : ExitCode::kFailed);
    }
    default:
      return absl::UnknownError(absl::StrCat("job ", job.id(), " has not ended"));
  }
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kDone;
  const std::string given = Payload(status, kExitPayload);
  return given.empty() ? ExitCodeOfKind(status.code()) : static_cast<ExitCode>(std::stoi(given));
}

std::string ErrorText(const absl::Status& status) {
  std::string text = absl::StrCat("sub1quant: error: ", Printable(std::string(status.message())), "\n");
  const std::string hint = Payload(status, kHintPayload);
  if (!hint.empty()) absl::StrAppend(&text, "hint: ", Printable(hint), "\n");
  return text;
}

}  // namespace sub1quant

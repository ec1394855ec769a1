// How a command ends: the exit codes of docs/interface.md §2 and the lines a user reads. A status may carry the exit
// code and a hint; without them the code follows from the kind of error.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "sub1quant/v1/jobs.pb.h"

namespace sub1quant {

enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kUnreachable = 3,
  kNotFound = 4,
  kCancelled = 5,
  kRefused = 6,
};

absl::Status WithExit(absl::Status status, ExitCode code);
absl::Status WithHint(absl::Status status, const std::string& hint);

// The error of a call to the server at `address`: unreachable 3, refused 6, unknown job 4, wrong request 2.
absl::Status FromServer(const absl::Status& status, const std::string& address);

// What an ended job means for the exit code; OK for a job that succeeded. `asked_here`: this command gave the
// specification, so its faults are this command's (2, 4); else a failed job is 1 whatever the reason.
absl::Status JobOutcome(const v1::Job& job, bool asked_here = true);

ExitCode ExitCodeOf(const absl::Status& status);
// "sub1quant: error: …" and, if there is a hint, a second line "hint: …". Control characters become spaces: one line is
// one line.
std::string ErrorText(const absl::Status& status);

}  // namespace sub1quant

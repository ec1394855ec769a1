// Child processes: started in a group of their own (a Ctrl-C of the terminal reaches only this process), with clean
// signals.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sub1quant {

// Starts `program` (a path); stdin is /dev/null, stdout and stderr go to the end of `log`. Emptied first if `truncate`.
absl::StatusOr<pid_t> StartProcess(const std::string& program, const std::vector<std::string>& arguments,
                                   const std::string& log, bool truncate);

// Runs `program` to its end and returns what it printed on stdout (at most 64 KiB).
absl::StatusOr<std::string> OutputOf(const std::string& program, const std::vector<std::string>& arguments);

// "exit status 1", "signal 9 (Killed)".
std::string DescribeExit(int wait_status);

// A program of this project: beside `executable`, in ../libexec/sub1quant or ../libexec, or on `path` (as PATH).
// NotFound otherwise.
absl::StatusOr<std::string> FindProgram(const std::string& name, const std::string& executable,
                                        const std::string& path);

// The last line of a log that is not blank, or "".
std::string LastLine(const std::string& log);

}  // namespace sub1quant

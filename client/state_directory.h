// The state directory of `run`: store, blobs, logs and earlier results, held by one process at a time.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/context.h"

namespace sub1quant {

// $XDG_STATE_HOME/sub1quant, else ~/.local/state/sub1quant; "" if the environment knows neither.
std::string DefaultStateDirectory(const Environment& environment);

class StateDirectory {
 public:
  // Creates it (0700) and takes its lock. FailedPrecondition, exit code 6, naming the process that holds it.
  static absl::StatusOr<StateDirectory> Open(const std::string& path);
  StateDirectory(StateDirectory&& other) noexcept;
  StateDirectory& operator=(StateDirectory&&) = delete;
  ~StateDirectory();

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  StateDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::string path_;
  int lock_;
};

}  // namespace sub1quant

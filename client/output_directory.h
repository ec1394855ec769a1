// The directory of --out: refused when it holds something else, written so that every file is whole and
// artifact/manifest.json comes last.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sub1quant/v1/jobs.pb.h"

namespace sub1quant {

// A relative path of plain components: no "..", no absolute path, no control characters. Servers name outputs; they
// must not leave --out.
bool IsSafeOutputPath(const std::string& path);

class OutputDirectory {
 public:
  // Creates `path` (with parents) and proves that it can be written, before any work. `owner` names the job: partial
  // results of the same owner may be there. InvalidArgument for any other non-empty directory without `force`.
  static absl::StatusOr<OutputDirectory> Prepare(const std::string& path, const std::string& owner, bool force);

  const std::string& path() const { return path_; }

  // Puts every output in place by `fetch(output, absolute path)`, which writes the file whole or not at all. If `stop`
  // says so in between, or a fetch fails, what this call wrote is removed again.
  using Fetch = std::function<absl::Status(const v1::Output& output, const std::string& path)>;
  absl::Status Fill(std::vector<v1::Output> outputs, const Fetch& fetch, const std::function<bool()>& stop);

  // After a job that came to nothing: removes the directory if Prepare made it and it is still empty.
  void Abandon();

 private:
  OutputDirectory(std::string path, std::string owner) : path_(std::move(path)), owner_(std::move(owner)) {}
  absl::Status RemoveOldResults() const;

  std::string path_, owner_;
  bool created_ = false;
};

// sub1quant-out/LABEL with what cannot stand in a file name replaced.
std::string DefaultOutputPath(const std::string& label);

}  // namespace sub1quant

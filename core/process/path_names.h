// Directories of this machine under the names that others know them by: an error that leaves the machine must not tell
// where its models lie.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sub1quant {

// A value; const use is thread-safe.
class PathNames {
 public:
  // From now on `directory`, as it is written in messages, is shown as `name`. "/" and "" hide nothing and are ignored.
  void Add(std::string directory, const std::string& name);
  // `message` with every such directory replaced where a path begins with it: "/srv/models/a/config.json" is shown as
  // "models/a/config.json".
  std::string Shown(const std::string& message) const;

 private:
  std::vector<std::pair<std::string, std::string>> names_;  // the longest directory first
};

}  // namespace sub1quant

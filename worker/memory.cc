#include "worker/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

namespace sub1quant {
namespace {

constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

uint64_t MemAvailable(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  std::string key;
  uint64_t kib = 0;
  for (std::string line; std::getline(file, line);) {
    if (std::istringstream(line) >> key >> kib && key == "MemAvailable:") return kib << 10;
  }
  return kNone;
}

// The limit in `file`; "max", and what version 1 writes for none, are far beyond any memory.
uint64_t Limit(const std::string& file) {
  uint64_t bytes = 0;
  return std::ifstream(file) >> bytes ? bytes : kNone;
}

// The smallest limit of the group `path` of a mounted hierarchy and its parents. In a container the path is often that
// of the host: what does not exist has no say.
uint64_t GroupLimit(const std::string& mount, std::string path, const std::string& name) {
  uint64_t least = Limit(mount + "/" + name);
  for (; path.size() > 1; path.resize(path.rfind('/'))) least = std::min(least, Limit(mount + path + "/" + name));
  return least;
}

}  // namespace

uint64_t AvailableMemory(const std::string& root) {
  uint64_t least = MemAvailable(root);
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "4:memory:/path", "0::/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second + 1, 1, "/") != 0) continue;
    const std::string controller = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controller.empty()) least = std::min(least, GroupLimit(root + "/sys/fs/cgroup", path, "memory.max"));
    if (controller == "memory") {
      least = std::min(least, GroupLimit(root + "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"));
    }
  }
  return least == kNone ? 0 : least;
}

}  // namespace sub1quant

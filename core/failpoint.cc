#include "core/failpoint.h"

#ifdef SUB1QUANT_FAILPOINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>
#include <string>

namespace sub1quant {
namespace {

struct Rule {
  std::string action;
  int passage = 1;
};

std::map<std::string, Rule> ParseEnvironment() {
  std::map<std::string, Rule> rules;
  const char* text = std::getenv("SUB1QUANT_FAILPOINT");
  std::istringstream stream(text == nullptr ? "" : text);
  for (std::string item; std::getline(stream, item, ',');) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) continue;
    Rule rule{item.substr(equals + 1)};
    if (const size_t at = rule.action.find('@'); at != std::string::npos) {
      rule.passage = std::atoi(rule.action.c_str() + at + 1);
      rule.action.resize(at);
    }
    rules[item.substr(0, equals)] = rule;
  }
  return rules;
}

}  // namespace

absl::Status Failpoint(const char* name) {
  static std::mutex mutex;
  static std::map<std::string, Rule> rules = ParseEnvironment();
  std::unique_lock<std::mutex> lock(mutex);
  auto found = rules.find(name);
  if (found == rules.end() || --found->second.passage != 0) return absl::OkStatus();
  if (const char* mark = std::getenv("SUB1QUANT_FAILPOINT_MARK"); mark != nullptr) {
    const int file = open(mark, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return absl::OkStatus();
    close(file);
  }
  if (found->second.action == "kill") kill(getpid(), SIGKILL);
  if (found->second.action == "hang") {
    lock.unlock();
    while (true) pause();
  }
  return absl::UnavailableError(std::string("failpoint ") + name);
}

}  // namespace sub1quant

#endif

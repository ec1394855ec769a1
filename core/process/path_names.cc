#include "core/process/path_names.h"

#include <algorithm>
#include <cctype>

namespace sub1quant {
namespace {

// Part of a file's name, as far as a message shows it.
bool IsNamePart(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.'; }

bool BeginsPath(const std::string& message, size_t at) {
  return at == 0 || (!IsNamePart(message[at - 1]) && message[at - 1] != '/');
}

bool EndsName(const std::string& message, size_t at) {
  if (at >= message.size() || !IsNamePart(message[at])) return true;
  // A full stop that ends a sentence is no part of a name.
  return message[at] == '.' && (at + 1 == message.size() || message[at + 1] == ' ');
}

}  // namespace

void PathNames::Add(std::string directory, const std::string& name) {
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  if (directory.empty() || directory == "/") return;
  names_.emplace_back(std::move(directory), name);
  std::stable_sort(names_.begin(), names_.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
}

std::string PathNames::Shown(const std::string& message) const {
  std::string shown;
  for (size_t at = 0; at < message.size();) {
    const auto found = std::find_if(names_.begin(), names_.end(), [&](const auto& entry) {
      return message.compare(at, entry.first.size(), entry.first) == 0 && BeginsPath(message, at) &&
             EndsName(message, at + entry.first.size());
    });
    if (found == names_.end()) {
      shown += message[at++];
    } else {
      shown += found->second;
      at += found->first.size();
    }
  }
  return shown;
}

}  // namespace sub1quant

#include "server/worker_exits.h"

#include <algorithm>
#include <array>

namespace sub1quant {
namespace {

// A label has few values, whatever workers send.
std::string Known(const std::string& reason) {
  constexpr std::array<const char*, 4> kReasons = {"drained", "refused", "stalled", "crashed"};
  return std::find(kReasons.begin(), kReasons.end(), reason) != kReasons.end() ? reason : "other";
}

}  // namespace

WorkerExits::Session* WorkerExits::Find(const std::string& session) {
  const auto found = sessions_.find(session);
  if (found != sessions_.end()) return &found->second;
  return sessions_.size() < kMaxSessions ? &sessions_[session] : nullptr;
}

void WorkerExits::Heard(const std::string& session, SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (Session* entry = Find(session); entry != nullptr) entry->heard = now;
}

void WorkerExits::Exited(const std::string& session, const std::string& reason, SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Session* entry = Find(session);
  if (entry == nullptr || entry->exited) return;
  *entry = {now, true};
  count_(Known(reason));
}

void WorkerExits::LookForVanished(SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(sessions_, [&](const auto& item) {
    if (now - item.second.heard <= kSilence) return false;
    if (!item.second.exited) count_("vanished");
    return true;
  });
}

}  // namespace sub1quant

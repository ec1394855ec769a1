#include "worker/stall_watch.h"

#include <algorithm>
#include <utility>

namespace sub1quant {
namespace {

constexpr double kTimesExpected = 3;
// Longer than a look can take: a renewal in between has a deadline of 10 s.
constexpr std::chrono::seconds kGap{30};

}  // namespace

void StallWatch::Begin(Running task, SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (watched_.empty()) looked_ = now;
  const double progress = task.context->progress();
  const std::string id = task.lease_id;
  watched_.insert_or_assign(id, Watched{std::move(task), progress, now});
}

void StallWatch::End(const std::string& lease_id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  watched_.erase(lease_id);
}

std::optional<StallWatch::Running> StallWatch::Look(SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto gap = now - looked_ > kGap ? now - looked_ : SteadyTime::duration(0);
  looked_ = now;
  for (auto& [id, watched] : watched_) {
    watched.moved = std::min(watched.moved + gap, now);
    if (const double progress = watched.task.context->progress(); progress != watched.progress) {
      watched.progress = progress;
      watched.moved = now;
    }
    if (now - watched.moved >= Limit(watched)) return watched.task;
  }
  return std::nullopt;
}

std::chrono::milliseconds StallWatch::Limit(const Watched& watched) const {
  const std::chrono::milliseconds expected(static_cast<int64_t>(1000 * kTimesExpected * watched.task.expected_seconds));
  return std::max(patience_, expected);
}

}  // namespace sub1quant

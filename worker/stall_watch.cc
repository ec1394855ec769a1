#include "worker/stall_watch.h"

#include <algorithm>
#include <utility>

namespace sub1quant {
namespace {

using std::chrono::milliseconds;

constexpr double kTimesExpected = 3;
// Longer than a look can take: a renewal in between has a deadline of 10 s.
constexpr std::chrono::seconds kGap{30};

}  // namespace

void StallWatch::Begin(Running task, SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (watched_.empty()) looked_ = now;
  moved_ = now;
  const uint64_t beats = task.context->heartbeat().beats();
  const std::string id = task.lease_id;
  watched_.insert_or_assign(id, Watched{std::move(task), beats, now});
}

void StallWatch::End(const std::string& lease_id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  watched_.erase(lease_id);
}

std::optional<StallWatch::Running> StallWatch::Look(SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto gap = now - looked_ > kGap ? now - looked_ : SteadyTime::duration(0);
  looked_ = now;
  moved_ = std::min(moved_ + gap, now);
  milliseconds longest{0};
  for (auto& [id, watched] : watched_) {
    NoteSigns(watched, gap, now);
    longest = std::max(longest, Limit(watched));
  }
  std::optional<Running> waiting;
  for (const auto& [id, watched] : watched_) {
    const bool in_step = watched.task.context->heartbeat().in_step();
    if (in_step && now - watched.moved >= Limit(watched)) return watched.task;
    if (!in_step && now - moved_ >= longest) waiting = watched.task;
  }
  return waiting;
}

void StallWatch::NoteSigns(Watched& watched, SteadyTime::duration gap, SteadyTime now) {
  watched.moved = std::min(watched.moved + gap, now);
  const Heartbeat& heartbeat = watched.task.context->heartbeat();
  const uint64_t beats = heartbeat.beats();
  if (beats == watched.beats && !heartbeat.resting()) return;
  watched.beats = beats;
  watched.moved = moved_ = now;
}

milliseconds StallWatch::Limit(const Watched& watched) const {
  const milliseconds expected(static_cast<int64_t>(1000 * kTimesExpected * watched.task.expected_seconds));
  return std::max(patience_, expected);
}

}  // namespace sub1quant

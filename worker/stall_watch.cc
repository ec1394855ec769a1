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
  running_ = std::move(task);
  progress_ = running_->context->progress();
  moved_ = looked_ = now;
}

void StallWatch::End() {
  const std::lock_guard<std::mutex> lock(mutex_);
  running_.reset();
}

std::optional<StallWatch::Running> StallWatch::Look(SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!running_) return std::nullopt;
  if (now - looked_ > kGap) moved_ += now - looked_;
  looked_ = now;
  if (const double progress = running_->context->progress(); progress != progress_) {
    progress_ = progress;
    moved_ = now;
  }
  return now - moved_ < Limit() ? std::nullopt : running_;
}

std::chrono::milliseconds StallWatch::Limit() const {
  const std::chrono::milliseconds expected(static_cast<int64_t>(1000 * kTimesExpected * running_->expected_seconds));
  return std::max(patience_, expected);
}

}  // namespace sub1quant

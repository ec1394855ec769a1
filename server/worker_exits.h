// Why workers' processes end. A worker says so on its way out, or whoever saw it die does (ReleaseRequest.exit_reason);
// one that says nothing at all for a minute has vanished.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "core/clock.h"

namespace sub1quant {

// Thread-safe.
class WorkerExits {
 public:
  static constexpr std::chrono::seconds kSilence{60};

  // `count` is called with drained, refused, stalled, crashed, vanished or other: once for each session that ends.
  explicit WorkerExits(std::function<void(const std::string& reason)> count) : count_(std::move(count)) {}

  void Heard(const std::string& session, SteadyTime now);
  // The first reason of a session counts: its own word comes before its supervisor's.
  void Exited(const std::string& session, const std::string& reason, SteadyTime now);
  void LookForVanished(SteadyTime now);

 private:
  // Sessions are names that workers make up: beyond so many they are not followed.
  static constexpr size_t kMaxSessions = 10'000;
  struct Session {
    SteadyTime heard;
    bool exited = false;
  };
  Session* Find(const std::string& session);

  const std::function<void(const std::string&)> count_;
  std::mutex mutex_;
  std::map<std::string, Session> sessions_;  // heard of within kSilence
};

}  // namespace sub1quant

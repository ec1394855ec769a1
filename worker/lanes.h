// Runs tasks beside one another, each whole on one thread, so that reading, computing, writing and waiting for the disk
// of different tasks overlap.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace sub1quant {

// For `threads` that compute: as many lanes, up to eight, each with a share of the threads, and some that read ahead,
// hash, or wait for the disk.
int LaneCount(int threads);

// Begin and Wait from one thread.
class Lanes {
 public:
  // A body that was handed in. Outlives the Lanes.
  class Job {
   public:
    explicit Job(std::function<void()> body) : body_(std::move(body)) {}
    // True: it has not begun and never will.
    bool Withdraw();

   private:
    friend class Lanes;
    enum class State { kWaiting, kBegun, kWithdrawn, kDone };
    bool Claim();  // for running; false if it was withdrawn
    const std::function<void()> body_;
    std::atomic<State> state_{State::kWaiting};
  };

  // With one lane there is no thread: Wait runs the body.
  explicit Lanes(int width);
  // Closes, and waits for what has begun.
  ~Lanes();

  int width() const { return width_; }
  // Begun in this order. `body` does not throw.
  std::shared_ptr<Job> Begin(std::function<void()> body);
  // Until the job is done, or it is certain that it will not begin.
  void Wait(Job& job);
  // From any thread. What waits is not begun any more.
  void Close();

 private:
  void Serve();

  const int width_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> waiting_;  // guarded by mutex_
  bool closed_ = false;                       // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace sub1quant

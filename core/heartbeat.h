// Signs of life of a piece of work, from all threads that do it: whoever watches can tell slow work from work that
// stands still. Parallel loops, file and network transfers give them by themselves.
#pragma once

#include <atomic>
#include <cstdint>

namespace sub1quant {

// Thread-safe. Outlives the scopes below.
class Heartbeat {
 public:
  void Beat() { beats_.fetch_add(1, std::memory_order_relaxed); }
  // A number that differs from the one before if there was a sign of life in between.
  uint64_t beats() const { return beats_.load(std::memory_order_relaxed); }
  // Whether some thread is inside a step: it works, and waits for no other work.
  bool in_step() const { return steps_.load(std::memory_order_relaxed) > 0; }
  // Whether some thread waits for what may take any time, as the sync of a file, or has a limit of its own, as a call.
  bool resting() const { return rests_.load(std::memory_order_relaxed) > 0; }

  // That of the work which this thread does, or null.
  static Heartbeat* OfThread() { return of_thread_; }
  static void BeatOfThread() {
    if (of_thread_ != nullptr) of_thread_->Beat();
  }

  // What this thread does counts as a sign of life of `heartbeat` (null: of nobody) in this scope.
  class Adopt {
   public:
    explicit Adopt(Heartbeat* heartbeat) : before_(of_thread_) { of_thread_ = heartbeat; }
    ~Adopt() { of_thread_ = before_; }
    Adopt(const Adopt&) = delete;
    Adopt& operator=(const Adopt&) = delete;

   private:
    Heartbeat* before_;
  };

  // One step of this thread's work: a beat when it begins and when it ends.
  class Step {
   public:
    Step() : Step(&Heartbeat::steps_) {}
    ~Step() {
      if (heartbeat_ == nullptr) return;
      heartbeat_->Beat();
      (heartbeat_->*count_).fetch_sub(1, std::memory_order_relaxed);
    }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   protected:
    explicit Step(std::atomic<int> Heartbeat::*count) : heartbeat_(of_thread_), count_(count) {
      if (heartbeat_ == nullptr) return;
      (heartbeat_->*count_).fetch_add(1, std::memory_order_relaxed);
      heartbeat_->Beat();
    }

   private:
    Heartbeat* heartbeat_;
    std::atomic<int> Heartbeat::*count_;
  };
  class Rest : public Step {
   public:
    Rest() : Step(&Heartbeat::rests_) {}
  };

 private:
  static inline thread_local Heartbeat* of_thread_ = nullptr;
  std::atomic<uint64_t> beats_{0};
  std::atomic<int> steps_{0}, rests_{0};
};

}  // namespace sub1quant

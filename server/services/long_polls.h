// Bounds the calls that wait: each holds a thread of the server. Beyond the bound a caller is told to come back.
#pragma once

#include <atomic>

namespace sub1quant {

class LongPolls {
 public:
  explicit LongPolls(int limit) : limit_(limit) {}

  // Holds one place while it lives; false if there was none.
  class Place {
   public:
    explicit Place(LongPolls& polls) : polls_(polls), held_(polls.waiting_.fetch_add(1) < polls.limit_) {}
    ~Place() { --polls_.waiting_; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    explicit operator bool() const { return held_; }

   private:
    LongPolls& polls_;
    const bool held_;
  };

 private:
  const int limit_;
  std::atomic<int> waiting_{0};
};

}  // namespace sub1quant

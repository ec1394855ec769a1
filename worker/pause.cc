#include "worker/pause.h"

#include <condition_variable>
#include <mutex>

namespace sub1quant {
namespace {

class SystemPause final : public Pause {
 public:
  void WaitUntil(SteadyTime until) override {
    std::unique_lock<std::mutex> lock(mutex_);
    condition_.wait_until(lock, until, [this] { return woken_; });
    woken_ = false;
  }
  void Wake() override {
    std::lock_guard<std::mutex> lock(mutex_);
    woken_ = true;
    condition_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool woken_ = false;  // guarded by mutex_
};

}  // namespace

std::unique_ptr<Pause> NewSystemPause() { return std::make_unique<SystemPause>(); }

}  // namespace sub1quant

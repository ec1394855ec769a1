// Ctrl-C, SIGTERM and SIGHUP: the first asks, the second leaves at once.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace sub1quant {

// Takes the signals over for its lifetime; one at a time in a process. An ignored SIGHUP (nohup) stays so.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool requested() const { return requested_; }
  // Called on the signal thread, and must be quick; at once if it has already happened. An empty function takes the old
  // one off.
  void OnFirst(std::function<void()> action);
  // On the second signal, before the process ends with exit code 5.
  void OnSecond(std::function<void()> action);

 private:
  void Wait();
  void Handle();

  std::atomic<bool> requested_{false};
  std::mutex mutex_;
  std::function<void()> first_, second_;
  int pipe_[2];  // a byte for each signal; closed for writing at the end
  std::thread thread_;
};

}  // namespace sub1quant

#include "client/interrupt.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "client/outcome.h"
#include "core/check.h"

namespace sub1quant {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
std::atomic<int> handler_pipe{-1};

// Async-signal-safe: one byte into the pipe, nothing else. Which thread it runs on does not matter.
extern "C" void HandleSignal(int) {
  const int saved = errno;
  const char byte = 1;
  if (write(handler_pipe, &byte, 1) < 0) {
    // A full pipe already holds more than two signals.
  }
  errno = saved;
}

void Install(void (*handler)(int)) {
  for (int signal : kSignals) {
    struct sigaction old {
    }, fresh{};
    sigaction(signal, nullptr, &old);
    // nohup means it. A script's background commands have SIGINT ignored too, yet whoever sends it there wants to be
    // heard.
    if (signal == SIGHUP && old.sa_handler == SIG_IGN) continue;
    fresh.sa_handler = handler;
    fresh.sa_flags = SA_RESTART;
    sigaction(signal, &fresh, nullptr);
  }
}

}  // namespace

Interrupt::Interrupt() {
  SUB1QUANT_CHECK(pipe2(pipe_, O_CLOEXEC) == 0);
  fcntl(pipe_[1], F_SETFL, O_NONBLOCK);
  const int before = handler_pipe.exchange(pipe_[1]);
  SUB1QUANT_CHECK(before == -1);
  thread_ = std::thread([this] { Wait(); });
  Install(HandleSignal);
}

Interrupt::~Interrupt() {
  Install(SIG_DFL);
  handler_pipe = -1;
  close(pipe_[1]);
  thread_.join();
  close(pipe_[0]);
}

void Interrupt::OnFirst(std::function<void()> action) {
  const std::lock_guard<std::mutex> lock(mutex_);
  first_ = std::move(action);
  if (requested_ && first_) first_();
}

void Interrupt::OnSecond(std::function<void()> action) {
  const std::lock_guard<std::mutex> lock(mutex_);
  second_ = std::move(action);
}

void Interrupt::Wait() {
  char byte = 0;
  while (true) {
    const ssize_t got = read(pipe_[0], &byte, 1);
    if (got == 1) {
      Handle();
    } else if (got == 0 || errno != EINTR) {
      return;
    }
  }
}

void Interrupt::Handle() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!requested_.exchange(true)) {
    if (first_) first_();
    return;
  }
  if (second_) second_();
  _exit(static_cast<int>(ExitCode::kCancelled));
}

}  // namespace sub1quant

#include "core/process/signals.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "core/check.h"

namespace sub1quant {
namespace {

sigset_t Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

}  // namespace

ShutdownSignals::ShutdownSignals() {
  const sigset_t set = Signals();
  SUB1QUANT_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  signal(SIGPIPE, SIG_IGN);
}

bool ShutdownSignals::Wait(std::chrono::milliseconds timeout) {
  const sigset_t set = Signals();
  const timespec limit{timeout.count() / 1000, (timeout.count() % 1000) * 1'000'000};
  const int received = sigtimedwait(&set, nullptr, &limit);
  return received == SIGTERM || received == SIGINT;
}

void ShutdownSignals::Interrupt() { kill(getpid(), SIGUSR1); }

}  // namespace sub1quant

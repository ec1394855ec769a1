// SIGTERM and SIGINT as events for main, whatever thread runs.
#pragma once

#include <chrono>

namespace sub1quant {

class ShutdownSignals {
 public:
  // Blocks the signals for this thread and those it starts: construct before any thread.
  ShutdownSignals();
  // True when a signal came; false after `timeout` or Interrupt.
  bool Wait(std::chrono::milliseconds timeout);
  // Ends a Wait, this one or the next; from any thread.
  void Interrupt();
};

}  // namespace sub1quant

// gRPC's own log lines: to ours, not to stderr in a form of their own.
#pragma once

#include <string>

namespace sub1quant {

// From now on gRPC's errors go to the default logger, as errors; what it tells below that is dropped. Call once, early.
void RouteGrpcLog();

// While it lives, what gRPC would log from this thread is kept back: for a call whose failure the caller reports in its
// own words. Not nested.
class GrpcLogCapture {
 public:
  GrpcLogCapture();
  ~GrpcLogCapture();
  GrpcLogCapture(const GrpcLogCapture&) = delete;
  GrpcLogCapture& operator=(const GrpcLogCapture&) = delete;
  // The messages, one a line.
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace sub1quant

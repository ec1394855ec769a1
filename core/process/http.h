// A small HTTP server for what operators and probes read (civetweb, which prometheus-cpp brings).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace sub1quant {

struct HttpAnswer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;  // waits for answers under way
  virtual int port() const = 0;
};

// Answers GET and HEAD of any path with `answer(path)`, called from several threads; other methods with 405. ADDRESS is
// a port (then loopback only) or host:port; port 0 picks one. InvalidArgument or Unavailable naming the address.
absl::StatusOr<std::unique_ptr<HttpServer>> StartHttpServer(const std::string& address,
                                                            std::function<HttpAnswer(const std::string& path)> answer);

}  // namespace sub1quant

#include "core/process/http.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "civetweb.h"

namespace sub1quant {
namespace {

using Answerer = std::function<HttpAnswer(const std::string&)>;

int Handle(mg_connection* connection, void* data) {
  const mg_request_info* request = mg_get_request_info(connection);
  const bool head = std::strcmp(request->request_method, "HEAD") == 0;
  HttpAnswer answer{405, "text/plain; charset=utf-8", "GET or HEAD\n"};
  if (head || std::strcmp(request->request_method, "GET") == 0) {
    answer = (*static_cast<const Answerer*>(data))(request->local_uri);
  }
  mg_printf(connection, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
            answer.status, mg_get_response_code_text(connection, answer.status), answer.content_type.c_str(),
            answer.body.size());
  if (!head) mg_write(connection, answer.body.data(), answer.body.size());
  return answer.status;
}

class CivetServer final : public HttpServer {
 public:
  explicit CivetServer(Answerer answer) : answer_(std::move(answer)) {}
  ~CivetServer() override {
    if (context_ != nullptr) mg_stop(context_);
  }

  bool Start(const std::string& address) {
    const char* options[] = {"listening_ports",    address.c_str(), "num_threads", "2",
                             "request_timeout_ms", "5000",          nullptr};
    mg_callbacks callbacks{};
    context_ = mg_start(&callbacks, nullptr, options);
    if (context_ == nullptr) return false;
    mg_set_request_handler(context_, "/", Handle, &answer_);
    return port() > 0;
  }

  int port() const override {
    mg_server_port port{};
    return mg_get_server_ports(context_, 1, &port) == 1 ? port.port : 0;
  }

 private:
  Answerer answer_;
  mg_context* context_ = nullptr;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> StartHttpServer(const std::string& address, Answerer answer) {
  const bool port_alone = !address.empty() && address.find_first_not_of("0123456789") == std::string::npos;
  const size_t colon = address.rfind(':');
  // Commas and letters after the port would be civetweb's own syntax.
  if (!port_alone && (colon == std::string::npos || colon == 0 || colon + 1 == address.size() ||
                      address.find(',') != std::string::npos ||
                      address.find_first_not_of("0123456789", colon + 1) != std::string::npos)) {
    return absl::InvalidArgumentError(
        absl::StrCat("address '", address, "': accepted are a port (loopback only) and host:port"));
  }
  auto server = std::make_unique<CivetServer>(std::move(answer));
  if (!server->Start(port_alone ? absl::StrCat("127.0.0.1:", address) : address)) {
    return absl::UnavailableError(absl::StrCat("address '", address, "': cannot listen there"));
  }
  return server;
}

}  // namespace sub1quant

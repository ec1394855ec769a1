#include "proto/channel/grpc_log.h"

#include <grpc/support/log.h>

#include "core/check.h"
#include "spdlog/spdlog.h"

namespace sub1quant {
namespace {

thread_local std::string* captured = nullptr;

void Log(gpr_log_func_args* line) {
  if (captured != nullptr) {
    captured->append(line->message).append("\n");
  } else {
    spdlog::error("gRPC: {}", line->message);
  }
}

}  // namespace

void RouteGrpcLog() {
  gpr_set_log_function(Log);
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
}

GrpcLogCapture::GrpcLogCapture() {
  SUB1QUANT_CHECK(captured == nullptr);
  captured = &text_;
}

GrpcLogCapture::~GrpcLogCapture() { captured = nullptr; }

}  // namespace sub1quant

#include "core/process/log.h"

#include <memory>

#include "core/json.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace sub1quant {
namespace {

// The message as a JSON string, quotes included: %* of the pattern below.
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string text(message.payload.data(), message.payload.size());
    const std::string quoted = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
    out.append(quoted.data(), quoted.data() + quoted.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonMessage>(); }
};

}  // namespace

void SetUpLogging(const std::string& format, const std::string& role, const std::string& name) {
  auto logger = std::make_shared<spdlog::logger>(role, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  if (format == "json") {
    const std::string quoted = Json(name).dump(-1, ' ', false, Json::error_handler_t::replace);
    std::string escaped;  // '%' begins a flag of the pattern
    for (const char c : quoted) escaped += c == '%' ? std::string("%%") : std::string(1, c);
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<JsonMessage>('*').set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",")" + role +
                                                      R"(":)" + escaped + R"(,"message":%*})");
    logger->set_formatter(std::move(formatter));
  } else {
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l " + role + ": %v");
  }
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace sub1quant

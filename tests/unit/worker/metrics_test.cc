#include "worker/metrics.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Get(int port, const std::string& path) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    if (write(socket_fd, request.data(), request.size()) > 0) {
      char buffer[4096];
      for (ssize_t n; (n = read(socket_fd, buffer, sizeof buffer)) > 0;) answer.append(buffer, static_cast<size_t>(n));
    }
  }
  close(socket_fd);
  return answer;
}

TEST(Metrics, NamesAndLabels) {
  const auto server = StartMetricsServer("0");
  ASSERT_TRUE(server.ok()) << server.status();
  WorkerMetrics& metrics = (*server)->metrics();
  metrics.TaskEnded("score_base", "done", 2);
  metrics.TensorDone("pack", 100, 200, 50);
  metrics.Scored("base", 1024, 2);
  metrics.Renewed("ok");
  metrics.KernelRefused("encode", "groupwise_int4");
  metrics.StoreFull(true);
  metrics.ServerReachable(true);
  const std::string text = Get((*server)->port(), "/metrics");
  EXPECT_THAT(text, StartsWith("HTTP/1.1 200"));
  for (const char* line : {
           "sub1quant_build_info{",
           "sub1quant_worker_tasks_total{result=\"done\",stage=\"score_base\"} 1",
           "sub1quant_task_run_seconds_sum{stage=\"score_base\"} 2",
           "sub1quant_tensor_parameters_total{op=\"pack\"} 100",
           "sub1quant_tensor_bytes_total{direction=\"read\",op=\"pack\"} 200",
           "sub1quant_tensor_bytes_total{direction=\"written\",op=\"pack\"} 50",
           "sub1quant_eval_tokens_total{variant=\"base\"} 1024",
           "sub1quant_eval_chunks_total{result=\"ok\",variant=\"base\"} 2",
           "sub1quant_lease_renewals_total{result=\"ok\"} 1",
           "sub1quant_device_kernel_refused_total{method=\"groupwise_int4\",operation=\"encode\"} 1",
           "sub1quant_worker_progress_timestamp_seconds ",
           "sub1quant_worker_server_reachable 1",
           "sub1quant_worker_store_full 1",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(Metrics, HealthyWhileAliveReadyWhileTheServerAnswers) {
  const auto server = StartMetricsServer("127.0.0.1:0");
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = (*server)->port();
  EXPECT_THAT(Get(port, "/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get(port, "/readyz"), StartsWith("HTTP/1.1 503"));
  (*server)->metrics().ServerReachable(true);
  EXPECT_THAT(Get(port, "/readyz"), StartsWith("HTTP/1.1 200"));
  (*server)->metrics().StoreFull(true);
  EXPECT_THAT(Get(port, "/readyz"), StartsWith("HTTP/1.1 503"));
  (*server)->metrics().StoreFull(false);
  EXPECT_THAT(Get(port, "/readyz"), StartsWith("HTTP/1.1 200"));
  (*server)->metrics().ServerReachable(false);
  EXPECT_THAT(Get(port, "/readyz"), StartsWith("HTTP/1.1 503"));
}

TEST(Metrics, OtherPathsAreNotFound) {
  const auto server = StartMetricsServer("0");
  ASSERT_TRUE(server.ok()) << server.status();
  for (const char* path : {"/", "/metrics/x", "/../etc/passwd"}) {
    EXPECT_THAT(Get((*server)->port(), path), StartsWith("HTTP/1.1 404")) << path;
  }
}

TEST(Metrics, RefusesAddressesByName) {
  for (const char* bad : {"", "localhost", ":9471", "localhost:", "127.0.0.1:80s", "127.0.0.1:1,2"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(StartMetricsServer(bad).status())) << bad;
  }
  const auto first = StartMetricsServer("0");
  const absl::Status taken = StartMetricsServer(std::to_string((*first)->port())).status();
  EXPECT_TRUE(absl::IsUnavailable(taken)) << taken;
}

}  // namespace
}  // namespace sub1quant

// The command line of sub1quant-worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace CLI {
class App;
}

namespace sub1quant {

struct WorkerOptions {
  std::string server;
  std::string device = "auto";
  int threads = 0;      // 0: all
  uint64_t memory = 0;  // 0: what is available
  std::string name;     // "": host name and process id
  std::string session;
  std::vector<std::string> model_roots;
  std::string blobs, cache, digests;
  uint64_t cache_size = 0;  // bytes; 0: as large as it gets
  std::string metrics;
  int drain_seconds = 25, stall_seconds = 60;
  bool trust_model_roots = false, parent_death = false, fail_when_full = false;
  std::string log_format = "text";
};

// `options` outlives the app.
std::unique_ptr<CLI::App> MakeWorkerApp(WorkerOptions& options);

// What the parser cannot say: addresses, directories, the session's form. InvalidArgument naming the option.
absl::Status CheckOptions(const WorkerOptions& options);

}  // namespace sub1quant

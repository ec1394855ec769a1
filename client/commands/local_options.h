// Options of the commands that start a private server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "client/context.h"
#include "client/local_job.h"
#include "core/json.h"

namespace sub1quant {

class LocalOptions {
 public:
  void Add(CLI::App& command);
  absl::Status Fill(const Context& context, LocalJob& job) const;

 private:
  std::string state_, device_ = "auto";
  std::optional<int> workers_, threads_;  // absent: as the machine has
  uint64_t memory_ = 0;                   // bytes; 0: as the machine has
};

// {"job", "out"} and the report's own keys, or, with several targets, "reports": {folder: report}.
Json LocalResultToJson(const LocalResult& result);

}  // namespace sub1quant

#include "client/commands/local_options.h"

#include <algorithm>
#include <cctype>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/outcome.h"
#include "client/state_directory.h"
#include "core/status.h"

namespace sub1quant {
namespace {

constexpr int kMaxWorkers = 256, kMaxThreads = 4096;

bool IsDevice(const std::string& text) {
  if (text == "auto" || text == "cpu" || text == "cuda") return true;
  return absl::StartsWith(text, "cuda:") && text.size() > 5 && text.size() <= 8 &&
         std::all_of(text.begin() + 5, text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

absl::Status CheckCount(const char* option, const std::optional<int>& count, int limit) {
  if (!count || (*count >= 1 && *count <= limit)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(option, " ", *count, ": 1 to ", limit, " is expected"));
}

}  // namespace

void LocalOptions::Add(CLI::App& command) {
  command
      .add_option("--state", state_,
                  "store, blobs and search results [$XDG_STATE_HOME/sub1quant, else ~/.local/state/sub1quant]")
      ->type_name("DIR");
  command.add_option("--workers", workers_, "worker processes [one per GPU, else one]")->type_name("N");
  command.add_option("--device", device_, "auto, cpu, cuda or cuda:I")->type_name("NAME")->capture_default_str();
  command.add_option("--threads", threads_, "CPU threads of each worker [those of the machine, divided]")
      ->type_name("N");
  command
      .add_option("--memory", memory_,
                  "what scoring may take in each worker, as 3GiB; a larger model is read layer by layer [what is free]")
      ->type_name("BYTES")
      ->check(CLI::PositiveNumber)
      ->transform(CLI::AsSizeValue(false));
}

absl::Status LocalOptions::Fill(const Context& context, LocalJob& job) const {
  job.state = state_.empty() ? DefaultStateDirectory(context.environment) : state_;
  if (job.state.empty())
    return WithHint(absl::InvalidArgumentError("--state: required where neither XDG_STATE_HOME nor HOME is set"),
                    "--state names a directory");
  if (!IsDevice(device_))
    return absl::InvalidArgumentError(absl::StrCat("--device ", device_, ": auto, cpu, cuda or cuda:I is expected"));
  SUB1QUANT_RETURN_IF_ERROR(CheckCount("--workers", workers_, kMaxWorkers));
  SUB1QUANT_RETURN_IF_ERROR(CheckCount("--threads", threads_, kMaxThreads));
  job.device = device_;
  job.workers = workers_.value_or(0);
  job.threads = threads_.value_or(0);
  job.memory = memory_;
  return absl::OkStatus();
}

Json LocalResultToJson(const LocalResult& result) {
  Json json{{"job", result.job}, {"out", result.out.empty() ? Json(nullptr) : Json(result.out)}};
  if (result.reports.size() == 1) {
    json.update(result.reports.front().second);
    return json;
  }
  json["reports"] = Json::object();
  for (const auto& [path, report] : result.reports) json["reports"][path.substr(0, path.rfind('/'))] = report;
  return json;
}

}  // namespace sub1quant

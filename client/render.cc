#include "client/render.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "proto/convert/convert.h"

namespace sub1quant {
namespace {

// Characters of UTF-8 text, which is near enough to columns for names of ours.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string ErrorOf(const v1::Job& job) {
  return job.error_message().empty() ? "" : absl::StrCat("error    ", Printable(job.error_message()), "\n");
}

Json StageToJson(const v1::StageProgress& stage) {
  return Json{{"name", stage.name()},   {"target", stage.target()}, {"state", stage.state()},    {"done", stage.done()},
              {"total", stage.total()}, {"reused", stage.reused()}, {"seconds", stage.seconds()}};
}

}  // namespace

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  static constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < std::size(kUnits)) value /= 1000, ++unit;
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string FormatCount(int64_t count) {
  std::string text = std::to_string(count);
  for (int at = static_cast<int>(text.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    text.insert(static_cast<size_t>(at), ",");
  return text;
}

std::string FormatDuration(double seconds) {
  if (!(seconds >= 0)) return "?";
  if (seconds < 59.95) return absl::StrFormat("%.1f s", seconds);
  const int64_t whole = static_cast<int64_t>(std::min(std::round(seconds), 1e9));
  if (whole < 3600) return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
  return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string FormatTime(double epoch_seconds) {
  if (!(epoch_seconds > 0) || epoch_seconds > 1e12) return "";
  const std::time_t time = static_cast<std::time_t>(epoch_seconds);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &utc);
  return text;
}

std::string Printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

std::string RenderTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], Width(row[c]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      line += Printable(row[c]);
      line.append(widths[c] - Width(row[c]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string StateName(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_ACCEPTED:
      return "accepted";
    case v1::JOB_STATE_RUNNING:
      return "running";
    case v1::JOB_STATE_SUCCEEDED:
      return "succeeded";
    case v1::JOB_STATE_FAILED:
      return "failed";
    case v1::JOB_STATE_CANCELLED:
      return "cancelled";
    default:
      return "unknown";
  }
}

std::string RenderJob(const v1::Job& job) {
  std::string text =
      absl::StrCat("job      ", Printable(job.id()), "\nlabel    ", Printable(job.specification().label()),
                   "\nstate    ", StateName(job.state()), job.cancelling() ? " (cancelling)" : "", "\ncreated  ",
                   FormatTime(job.created_at()), "\n");
  if (job.finished_at() > 0)
    absl::StrAppend(&text, "ended    ", FormatTime(job.finished_at()), " after ",
                    FormatDuration(job.finished_at() - job.created_at()), "\n");
  absl::StrAppend(&text, ErrorOf(job));
  for (const std::string& warning : job.warnings()) absl::StrAppend(&text, "warning  ", Printable(warning), "\n");
  std::vector<std::vector<std::string>> rows = {{"STAGE", "TARGET", "STATE", "DONE", "REUSED", "TIME"}};
  for (const v1::StageProgress& stage : job.stages())
    rows.push_back({stage.name(), std::to_string(stage.target()), stage.state(),
                    absl::StrCat(stage.done(), "/", stage.total()), std::to_string(stage.reused()),
                    FormatDuration(stage.seconds())});
  return rows.size() > 1 ? absl::StrCat(text, "\n", RenderTable(rows)) : text;
}

std::string RenderJobs(const std::vector<v1::Job>& jobs) {
  std::vector<std::vector<std::string>> rows = {{"JOB", "STATE", "CREATED", "MODEL", "LABEL"}};
  for (const v1::Job& job : jobs)
    rows.push_back({job.id(), StateName(job.state()), FormatTime(job.created_at()), job.specification().model_name(),
                    job.specification().label()});
  return RenderTable(rows);
}

std::string RenderWorkers(const std::vector<v1::WorkerStatus>& workers) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "STATE", "DEVICE", "TASKS", "SEEN", "VERSION", "NOW"}};
  for (const v1::WorkerStatus& worker : workers)
    rows.push_back({worker.name(), worker.state(), worker.device(), std::to_string(worker.tasks_done()),
                    FormatDuration(worker.last_seen_seconds_ago()) + " ago", worker.version(),
                    absl::StrJoin(worker.stages(), ", ")});
  return RenderTable(rows);
}

Json JobToJson(const v1::Job& job) {
  Json json{{"job", job.id()}, {"state", StateName(job.state())}, {"cancelling", job.cancelling()}};
  json["created_at"] = job.created_at();
  json["finished_at"] = job.finished_at() > 0 ? Json(job.finished_at()) : Json(nullptr);
  json["error"] =
      job.error_message().empty() ? Json(nullptr) : Json{{"code", job.error_code()}, {"message", job.error_message()}};
  const absl::StatusOr<JobSpecification> specification = FromProto(job.specification());
  json["specification"] = specification.ok() ? ToJson(*specification) : Json(nullptr);
  json["stages"] = Json::array();
  for (const v1::StageProgress& stage : job.stages()) json["stages"].push_back(StageToJson(stage));
  json["warnings"] = Json::array();
  for (const std::string& warning : job.warnings()) json["warnings"].push_back(warning);
  json["outputs"] = Json::array();
  for (const v1::Output& output : job.outputs())
    json["outputs"].push_back(Json{{"path", output.path()}, {"sha256", output.sha256()}, {"size", output.size()}});
  return json;
}

Json WorkerToJson(const v1::WorkerStatus& worker) {
  Json json{{"name", worker.name()},
            {"state", worker.state()},
            {"device", worker.device()},
            {"tasks_done", worker.tasks_done()},
            {"last_seen_seconds_ago", worker.last_seen_seconds_ago()},
            {"version", worker.version()}};
  json["stages"] = Json::array();
  for (const std::string& stage : worker.stages()) json["stages"].push_back(stage);
  return json;
}

}  // namespace sub1quant

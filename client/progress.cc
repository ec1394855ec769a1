#include "client/progress.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/render.h"

namespace sub1quant {
namespace {

double SecondsBetween(SteadyTime from, SteadyTime to) { return std::chrono::duration<double>(to - from).count(); }

std::string NameOf(const v1::Job& job, const v1::StageProgress& stage) {
  const bool several = job.specification().target_bpw_size() > 1;
  const bool per_target = stage.target() > 0 || stage.name() == "allocate" || stage.name() == "pack" ||
                          stage.name() == "seal" || stage.name() == "score_quantized" || stage.name() == "export";
  if (!several || !per_target || stage.target() >= job.specification().target_bpw_size() || stage.target() < 0)
    return Printable(stage.name());
  return absl::StrFormat("%s %g bpw", Printable(stage.name()), job.specification().target_bpw(stage.target()));
}

double CostDone(const v1::Job& job) {
  double sum = 0;
  for (const v1::StageProgress& stage : job.stages()) sum += stage.cost_done();
  return sum;
}

std::string Bar(double fraction, int cells) {
  const int filled = std::clamp(static_cast<int>(fraction * cells), 0, cells);
  return absl::StrCat("[", std::string(static_cast<size_t>(filled), '#'),
                      std::string(static_cast<size_t>(cells - filled), '.'), "]");
}

// At most `columns` characters; never cuts inside one.
std::string Clip(const std::string& text, int columns) {
  int seen = 0;
  for (size_t at = 0; at < text.size(); ++at)
    if ((text[at] & 0xc0) != 0x80 && seen++ == columns) return text.substr(0, at);
  return text;
}

}  // namespace

Progress::Progress(const Clock& clock, std::ostream& error, ProgressOptions options)
    : clock_(clock), error_(error), options_(options) {}

Progress::~Progress() { Finish(); }

std::string Progress::StageText(const v1::StageProgress& stage, SteadyTime now) const {
  if (stage.total() == 0) return "";  // one step of the server
  std::string text = absl::StrCat(" ", stage.done(), "/", stage.total());
  const auto seen = stages_.find({stage.name(), stage.target()});
  if (seen == stages_.end()) return text;
  const double seconds = SecondsBetween(seen->second.first, now);
  const int64_t done = stage.done() - seen->second.done;
  if (seconds >= 1 && done > 0)
    absl::StrAppend(&text, absl::StrFormat(", %.3g/s", static_cast<double>(done) / seconds));
  return text;
}

std::string Progress::TimeLeft(const v1::Job& job, SteadyTime now) const {
  // Costs are comparable inside a stage; stages that run beside each other end with the slowest. What waits comes on
  // top, at the pace of the whole.
  double left = 0, waiting = 0, base = 0;
  for (const v1::StageProgress& stage : job.stages()) {
    const double cost = std::max(0.0, stage.cost_total() - stage.cost_done());
    if (stage.name() == "score_base") base = stage.cost_total();
    // Not planned yet: the same windows as for the base model.
    if (stage.state() == "waiting") waiting += stage.name() == "score_quantized" ? std::max(cost, base) : cost;
    const auto seen = stages_.find({stage.name(), stage.target()});
    if (stage.state() != "running" || seen == stages_.end()) continue;
    const double seconds = SecondsBetween(seen->second.first, now), fresh = stage.cost_done() - seen->second.cost_done;
    if (cost > 0 && (seconds < 1 || !(fresh > 0))) return "";
    if (cost > 0) left = std::max(left, cost * seconds / fresh);
  }
  const double fresh = CostDone(job) - first_cost_done_;
  if (waiting > 0 && fresh > 0) left += waiting * SecondsBetween(first_, now) / fresh;
  return left > 0 ? absl::StrCat(", ", FormatDuration(left), " left") : "";
}

std::string Progress::Line(const v1::Job& job, SteadyTime now) const {
  std::vector<std::string> parts;
  double total = 0, done = 0;
  for (const v1::StageProgress& stage : job.stages()) {
    total += std::max(stage.cost_total(), stage.cost_done());
    done += stage.cost_done();
    if (stage.state() == "running") parts.push_back(NameOf(job, stage) + StageText(stage, now));
  }
  if (parts.empty()) parts.emplace_back(job.cancelling() ? "cancelling" : "waiting");
  const std::string text = absl::StrCat(absl::StrJoin(parts, " · "), TimeLeft(job, now));
  if (!options_.terminal) return text;
  return Clip(absl::StrCat(Bar(total > 0 ? done / total : 0, 20), " ", text), options_.columns - 1);
}

void Progress::Update(const v1::Job& job) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (options_.quiet) return;
  const SteadyTime now = clock_.Now();
  const bool first = !started_;
  if (first) started_ = true, first_ = now, first_cost_done_ = CostDone(job);
  for (const v1::StageProgress& stage : job.stages()) {
    if (stage.state() == "waiting") continue;
    Seen& seen =
        stages_.try_emplace({stage.name(), stage.target()}, Seen{now, stage.done(), stage.cost_done()}).first->second;
    if (stage.state() != "done" || seen.reported) continue;
    seen.reported = true;
    if (options_.terminal) continue;
    const std::string reused = stage.reused() > 0 ? absl::StrCat(", ", stage.reused(), " from earlier results") : "";
    const std::string tasks =
        stage.total() == 0 ? "" : absl::StrCat(", ", stage.total(), stage.total() == 1 ? " task" : " tasks");
    WriteLine(absl::StrCat(NameOf(job, stage), ": done", tasks, " in ", FormatDuration(stage.seconds()), reused));
  }
  const auto interval = options_.terminal ? options_.bar_interval : options_.plain_interval;
  if (!first && now - last_drawn_ < interval) return;
  last_drawn_ = now;
  const std::string line = Line(job, now);
  if (!options_.terminal) return WriteLine(line);
  Erase();
  bar_ = line;
  error_ << bar_ << std::flush;
}

void Progress::Event(const v1::JobEvent& event) {
  if (event.kind() != "warning" && event.kind() != "task_failed" && event.kind() != "lease_expired") return;
  Note(absl::StrCat(event.kind() == "warning" ? "warning" : event.stage(), ": ", event.message()));
}

void Progress::Note(const std::string& line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!options_.quiet) WriteLine(Printable(line));
}

void Progress::Finish() {
  const std::lock_guard<std::mutex> lock(mutex_);
  Erase();
  bar_.clear();
  error_.flush();
}

void Progress::WriteLine(const std::string& line) {
  Erase();
  error_ << line << "\n" << bar_ << std::flush;
}

void Progress::Erase() {
  if (!bar_.empty()) error_ << "\r\x1b[K";
}

}  // namespace sub1quant

// What a waiting user sees on stderr: one redrawn line on a terminal, plain lines now and then elsewhere, nothing with
// --quiet.
#pragma once

#include <map>
#include <mutex>
#include <ostream>
#include <string>
#include <utility>

#include "core/clock.h"
#include "sub1quant/v1/jobs.pb.h"

namespace sub1quant {

struct ProgressOptions {
  bool terminal = false;
  bool quiet = false;
  int columns = 80;
  std::chrono::milliseconds bar_interval{100};
  std::chrono::milliseconds plain_interval{5000};
};

// Thread-safe. Clock and stream are not owned.
class Progress {
 public:
  Progress(const Clock& clock, std::ostream& error, ProgressOptions options);
  ~Progress();  // Finish

  // The stages as they are now.
  void Update(const v1::Job& job);
  // Events that people want to read at once: warnings, failures, lost workers. Others are ignored.
  void Event(const v1::JobEvent& event);
  // A line of its own; the bar stays below it.
  void Note(const std::string& line);
  // Takes the bar off the screen.
  void Finish();

 private:
  struct Seen {
    SteadyTime first;
    int64_t done = 0;  // when first seen running
    double cost_done = 0;
    bool reported = false;  // as done
  };

  std::string StageText(const v1::StageProgress& stage, SteadyTime now) const;
  std::string TimeLeft(const v1::Job& job, SteadyTime now) const;
  std::string Line(const v1::Job& job, SteadyTime now) const;
  void WriteLine(const std::string& line);
  void Erase();

  const Clock& clock_;
  std::ostream& error_;
  const ProgressOptions options_;
  std::mutex mutex_;
  std::map<std::pair<std::string, int>, Seen> stages_;
  bool started_ = false;
  SteadyTime first_, last_drawn_;
  double first_cost_done_ = 0;
  std::string bar_;  // on the screen
};

}  // namespace sub1quant

// Progress with a clock that the test moves.
#include "client/progress.h"

#include <gtest/gtest.h>

#include <sstream>

namespace sub1quant {
namespace {

using std::chrono::milliseconds;

class FixedClock : public Clock {
 public:
  SteadyTime Now() const override { return now; }
  WallTime WallNow() const override { return {}; }
  SteadyTime now = SteadyTime(std::chrono::hours(1));
};

v1::Job Searching(int64_t done, int64_t total, const std::string& state = "running") {
  v1::Job job;
  job.mutable_specification()->add_target_bpw(4);
  v1::StageProgress* stage = job.add_stages();
  stage->set_name("search");
  stage->set_state(state);
  stage->set_done(done);
  stage->set_total(total);
  stage->set_cost_done(static_cast<double>(done));
  stage->set_cost_total(static_cast<double>(total));
  stage->set_seconds(8);
  return job;
}

TEST(Progress, PlainLinesSayStageCountRateAndTimeLeft) {
  FixedClock clock;
  std::ostringstream out;
  Progress progress(clock, out, {});
  progress.Update(Searching(10, 60));
  EXPECT_EQ(out.str(), "search 10/60\n");
  clock.now += milliseconds(10000);
  progress.Update(Searching(30, 60));
  // 20 of them in 10 s, so the other 30 in 15 s.
  EXPECT_EQ(out.str(), "search 10/60\nsearch 30/60, 2/s, 15.0 s left\n");
}

TEST(Progress, PlainLinesAreRare) {
  FixedClock clock;
  std::ostringstream out;
  Progress progress(clock, out, {});
  progress.Update(Searching(0, 60));
  const std::string first = out.str();
  clock.now += milliseconds(4999);
  progress.Update(Searching(1, 60));
  EXPECT_EQ(out.str(), first);
  clock.now += milliseconds(1);
  progress.Update(Searching(1, 60));
  EXPECT_NE(out.str(), first);
}

TEST(Progress, AStageEndsOnce) {
  FixedClock clock;
  std::ostringstream out;
  Progress progress(clock, out, {});
  progress.Update(Searching(0, 60));
  progress.Update(Searching(60, 60, "done"));
  progress.Update(Searching(60, 60, "done"));
  EXPECT_EQ(out.str(), "search 0/60\nsearch: done, 60 tasks in 8.0 s\n");
}

TEST(Progress, TheBarIsRedrawnAndTakenAway) {
  FixedClock clock;
  std::ostringstream out;
  ProgressOptions options;
  options.terminal = true;
  options.columns = 40;
  Progress progress(clock, out, options);
  progress.Update(Searching(30, 60));
  EXPECT_EQ(out.str(), "[##########..........] search 30/60");
  progress.Note("a line");
  EXPECT_EQ(out.str(), "[##########..........] search 30/60\r\x1b[Ka line\n[##########..........] search 30/60");
  out.str("");
  progress.Finish();
  progress.Finish();
  EXPECT_EQ(out.str(), "\r\x1b[K");
}

TEST(Progress, TheBarNeverExceedsTheTerminal) {
  FixedClock clock;
  std::ostringstream out;
  ProgressOptions options;
  options.terminal = true;
  options.columns = 30;
  Progress progress(clock, out, options);
  v1::Job job = Searching(30, 60);
  *job.add_stages() = job.stages(0);
  progress.Update(job);
  EXPECT_EQ(out.str().size(), 29u);
}

TEST(Progress, QuietIsQuietAndHostileTextIsHarmless) {
  FixedClock clock;
  std::ostringstream quiet_out, out;
  ProgressOptions options;
  options.quiet = true;
  Progress quiet(clock, quiet_out, options);
  quiet.Update(Searching(1, 2));
  quiet.Note("x");
  quiet.Finish();
  EXPECT_EQ(quiet_out.str(), "");
  Progress progress(clock, out, {});
  v1::JobEvent event;
  event.set_kind("warning");
  event.set_message("a\x1b[2Jb\nc");
  progress.Event(event);
  EXPECT_EQ(out.str(), "warning: a [2Jb c\n");
}

}  // namespace
}  // namespace sub1quant

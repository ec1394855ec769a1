#include "worker/lanes.h"

#include <latch>

#include "gtest/gtest.h"

namespace sub1quant {
namespace {

TEST(Lanes, WithOneNothingRunsBeforeItIsWaitedFor) {
  Lanes lanes(1);
  bool ran = false;
  const auto job = lanes.Begin([&] { ran = true; });
  EXPECT_FALSE(ran);
  lanes.Wait(*job);
  EXPECT_TRUE(ran);
  lanes.Wait(*job);  // once
  EXPECT_FALSE(job->Withdraw());
}

TEST(Lanes, AsManyAsLanesRunBesideOneAnother) {
  Lanes lanes(3);
  std::latch all(3);  // each waits for the others
  std::vector<std::shared_ptr<Lanes::Job>> jobs;
  for (int i = 0; i < 3; ++i) jobs.push_back(lanes.Begin([&] { all.arrive_and_wait(); }));
  for (const auto& job : jobs) lanes.Wait(*job);
}

TEST(Lanes, WhatHasNotBegunCanBeWithdrawnAndThenNeverRuns) {
  Lanes lanes(2);
  std::latch begun(2), end(1);
  std::vector<std::shared_ptr<Lanes::Job>> busy;
  for (int i = 0; i < 2; ++i)
    busy.push_back(lanes.Begin([&] {
      begun.count_down();
      end.wait();
    }));
  bool ran = false;
  const auto waiting = lanes.Begin([&] { ran = true; });
  begun.wait();
  EXPECT_FALSE(busy[0]->Withdraw());
  EXPECT_TRUE(waiting->Withdraw());
  EXPECT_TRUE(waiting->Withdraw());
  lanes.Wait(*waiting);
  end.count_down();
  for (const auto& job : busy) lanes.Wait(*job);
  lanes.Wait(*lanes.Begin([] {}));
  EXPECT_FALSE(ran);
}

TEST(Lanes, ClosedTheyFinishWhatHasBegunAndNothingElse) {
  Lanes lanes(2);
  std::latch begun(2), end(1);
  std::vector<std::shared_ptr<Lanes::Job>> busy;
  for (int i = 0; i < 2; ++i)
    busy.push_back(lanes.Begin([&] {
      begun.count_down();
      end.wait();
    }));
  begun.wait();
  const auto waiting = lanes.Begin([] { FAIL(); });
  lanes.Close();
  lanes.Wait(*waiting);  // returns, though nobody withdrew it
  end.count_down();
  for (const auto& job : busy) {
    lanes.Wait(*job);
    EXPECT_FALSE(job->Withdraw());
  }
  EXPECT_TRUE(waiting->Withdraw());
}

}  // namespace
}  // namespace sub1quant

#include "worker/leases.h"

#include "gtest/gtest.h"

namespace sub1quant {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SteadyTime kStart{seconds(100)};

TEST(LeaseTable, CountsFromBeforeTheRequest) {
  LeaseTable table;
  EXPECT_FALSE(table.NextRenewal().has_value());
  table.Add("a", kStart, seconds(30));
  table.Add("b", kStart + seconds(1), seconds(6));
  EXPECT_EQ(*table.NextRenewal(), kStart + seconds(3));
  EXPECT_EQ(table.ShortestTtl(), seconds(6));
}

TEST(LeaseTable, ARenewalExtendsWhatWasAskedForAndOnlyThat) {
  LeaseTable table;
  table.Add("a", kStart, seconds(30));
  const std::vector<Coordinator::Held> asked = table.Holding();
  table.Add("b", kStart, seconds(30));  // granted while the renewal was on its way
  Coordinator::Renewal renewal;
  renewal.ttl = seconds(60);
  EXPECT_EQ(table.Renewed(asked, kStart + seconds(10), renewal), 0);
  EXPECT_EQ(table.Expire(kStart + seconds(60)), 1);
  EXPECT_FALSE(table.Alive("b"));
  EXPECT_TRUE(table.Alive("a"));
  EXPECT_EQ(table.Expire(kStart + seconds(130) - milliseconds(1)), 0);
  EXPECT_EQ(table.Expire(kStart + seconds(130)), 1);
}

TEST(LeaseTable, ALeaseCompletedDuringItsRenewalDoesNotComeBack) {
  LeaseTable table;
  table.Add("a", kStart, seconds(30));
  const std::vector<Coordinator::Held> asked = table.Holding();
  table.Remove("a");
  Coordinator::Renewal renewal;
  renewal.ttl = seconds(30);
  renewal.lost = {"a"};
  EXPECT_EQ(table.Renewed(asked, kStart, renewal), 0);
  EXPECT_FALSE(table.Alive("a"));
}

TEST(LeaseTable, AFailedRenewalIsTriedAgainSoonButNotAtOnce) {
  LeaseTable table;
  table.Add("a", kStart, seconds(30));
  table.RenewFailed(kStart + seconds(10));
  EXPECT_EQ(*table.NextRenewal(), kStart + seconds(12));
}

TEST(LeaseTable, CancelAllReachesEveryTask) {
  LeaseTable table;
  const auto a = table.Add("a", kStart, seconds(30)), b = table.Add("b", kStart, seconds(30));
  table.CancelAll();
  EXPECT_TRUE(a->cancelled());
  EXPECT_TRUE(b->cancelled());
  EXPECT_TRUE(table.Holding().empty());
}

}  // namespace
}  // namespace sub1quant

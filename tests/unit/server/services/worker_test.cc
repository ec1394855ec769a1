#include <limits>
#include <thread>

#include "tests/unit/server/services/fixture.h"

namespace sub1quant {
namespace {

using absl::StatusCode;

// gRPC numbers, as FailRequest carries them.
constexpr int kInvalidArgument = 3, kUnavailable = 14;

class WorkerServiceTest : public ServiceTest {
 protected:
  // Whether the lease is still held and its task still to be done.
  void ExpectStillHeld(const std::string& session, const v1::Lease& lease) {
    const auto renewed = Renew(session, lease);
    ASSERT_TRUE(renewed.ok()) << renewed.status();
    EXPECT_THAT(renewed->lost(), ::testing::IsEmpty());
  }
  template <typename Result>
  Result RightAnswer(const v1::Lease& lease) {
    return std::get<Result>(Answer(lease));
  }
  // Does all tasks of an operation, so that the next stage begins.
  void Finish(const std::string& operation) {
    while (true) {
      const auto response = Acquire(AcquireRequest("s1", {operation}));
      ASSERT_TRUE(response.ok()) << response.status();
      if (response->leases().empty()) break;
      ASSERT_EQ(Complete("s1", response->leases(0), Answer(response->leases(0))), absl::OkStatus());
    }
    Conduct();
  }
};

TEST_F(WorkerServiceTest, AJobRunsToItsEndOverTheWire) {
  const std::string job = StartSmallJob();
  WorkToTheEnd();
  const v1::Job ended = GetJob(job).value();
  EXPECT_EQ(ended.state(), v1::JOB_STATE_SUCCEEDED) << ended.error_message();
  for (const v1::StageProgress& stage : ended.stages()) {
    EXPECT_EQ(stage.state(), "done") << stage.name();
    EXPECT_EQ(stage.done(), stage.total()) << stage.name();
  }
}

TEST_F(WorkerServiceTest, ALeaseSaysWhatAndForHowLong) {
  StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "search");
  EXPECT_TRUE(lease.task().has_search());
  EXPECT_EQ(lease.ttl_seconds(), 30);
  EXPECT_EQ(lease.attempt(), 1);
  EXPECT_NE(lease.description(), "");
  EXPECT_GE(lease.lease_id().size(), 16u) << "a secret";
  EXPECT_THAT(Acquire(AcquireRequest("s1", {"export"}))->leases(), ::testing::IsEmpty());
}

TEST_F(WorkerServiceTest, TheSameRequestGetsTheSameLeases) {
  StartSmallJob();
  v1::AcquireRequest request = AcquireRequest("s1", {"search"});
  request.set_request_id("lost reply");
  const auto first = Acquire(request).value();
  ASSERT_EQ(first.leases_size(), 1);
  EXPECT_EQ(Acquire(request)->leases(0).lease_id(), first.leases(0).lease_id());
  request.set_request_id("another");
  EXPECT_NE(Acquire(request)->leases(0).lease_id(), first.leases(0).lease_id());
}

TEST_F(WorkerServiceTest, AWorkerWithoutASessionIsRefused) {
  for (const std::string& session : {std::string(), std::string(65, 's')}) {
    EXPECT_THAT(Acquire(AcquireRequest(session, {"search"})).status(),
                Refused(StatusCode::kInvalidArgument, "session"));
    EXPECT_THAT(Renew(session, {}).status(), Refused(StatusCode::kInvalidArgument, "session"));
    EXPECT_THAT(Complete(session, {}, ExportResult{Sha256Hex(""), 0}),
                Refused(StatusCode::kInvalidArgument, "session"));
    EXPECT_THAT(Fail(session, {}, kUnavailable, ""), Refused(StatusCode::kInvalidArgument, "session"));
  }
}

// The manual clock stands still: only work can end the wait.
TEST_F(WorkerServiceTest, AcquireWaitsForWork) {
  v1::AcquireRequest request = AcquireRequest("s1", {"search"});
  request.set_wait_seconds(20);
  absl::StatusOr<v1::AcquireResponse> response;
  std::thread waiting([&] { response = Acquire(request); });
  StartSmallJob();
  waiting.join();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->leases_size(), 1);
}

TEST_F(WorkerServiceTest, AStoppingServerEndsWaitsWithNothing) {
  v1::AcquireRequest request = AcquireRequest("s1", {"search"});
  request.set_wait_seconds(20);
  worker_service_->Stop();
  EXPECT_THAT(Acquire(request)->leases(), ::testing::IsEmpty());
}

TEST_F(WorkerServiceTest, AWaitThatIsNoTimeIsNone) {
  for (const double wait : {-1.0, -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    v1::AcquireRequest request = AcquireRequest("s1", {"search"});
    request.set_wait_seconds(wait);
    const auto response = Acquire(request);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_THAT(response->leases(), ::testing::IsEmpty());
  }
}

TEST_F(WorkerServiceTest, ASearchIsCheckedAgainstItsTask) {
  StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "search");
  const auto right = RightAnswer<SearchResult>(lease);
  ASSERT_EQ(right.rows.size(), 2u);
  SearchResult fewer = right, swapped = right, more = right, none = right;
  fewer.rows.pop_back();
  std::swap(swapped.rows[0], swapped.rows[1]);
  more.rows.push_back(right.rows[0]);
  none.rows.clear();
  EXPECT_THAT(Complete("s1", lease, fewer), Refused(StatusCode::kInvalidArgument, "number of candidates"));
  EXPECT_THAT(Complete("s1", lease, more), Refused(StatusCode::kInvalidArgument, "number of candidates"));
  EXPECT_THAT(Complete("s1", lease, none), Refused(StatusCode::kInvalidArgument, "number of candidates"));
  EXPECT_THAT(Complete("s1", lease, swapped), Refused(StatusCode::kInvalidArgument, "order of candidates"));
  EXPECT_THAT(Complete("s1", lease, ExportResult{PutBlob(*blobs_, "x").value(), 1}),
              Refused(StatusCode::kInvalidArgument, "kind"));
  EXPECT_THAT(Complete("s1", lease, ScoreResult()), Refused(StatusCode::kInvalidArgument, "kind"));
  SearchResult no_digest = right;
  no_digest.tensor_sha256 = "abc";
  EXPECT_EQ(Complete("s1", lease, no_digest).code(), StatusCode::kInvalidArgument);
  v1::CompleteRequest empty;
  *empty.mutable_worker() = Identity("s1");
  empty.set_lease_id(lease.lease_id());
  EXPECT_EQ(CallUnary(*workers_, &v1::WorkerService::Stub::Complete, empty, kTimeout).status().code(),
            StatusCode::kInvalidArgument);
  ExpectStillHeld("s1", lease);
  EXPECT_EQ(Complete("s1", lease, right), absl::OkStatus());
}

TEST_F(WorkerServiceTest, ScoresAreCheckedAgainstTheirWindows) {
  StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "score");
  const auto right = RightAnswer<ScoreResult>(lease);
  ASSERT_GE(right.windows.size(), 2u);
  ScoreResult fewer = right, shifted = right, twice = right;
  fewer.windows.pop_back();
  for (WindowScore& window : shifted.windows) ++window.index;
  twice.windows.back() = twice.windows.front();
  EXPECT_THAT(Complete("s1", lease, fewer), Refused(StatusCode::kInvalidArgument, "number of windows"));
  EXPECT_THAT(Complete("s1", lease, shifted), Refused(StatusCode::kInvalidArgument, "order of windows"));
  EXPECT_THAT(Complete("s1", lease, twice), Refused(StatusCode::kInvalidArgument, "order of windows"));
  ExpectStillHeld("s1", lease);
  EXPECT_EQ(Complete("s1", lease, right), absl::OkStatus());
}

TEST_F(WorkerServiceTest, PackedBlobsMustBeThere) {
  StartSmallJob();
  Finish("search");
  const v1::Lease lease = AcquireOne("s1", "pack");
  const auto right = RightAnswer<PackResult>(lease);
  PackResult missing = right, size = right, method = right;
  missing.blob_sha256 = Sha256Hex("never stored");
  ++size.blob_bytes;
  method.row.method = right.row.method == "int2_base" ? "groupwise_int4" : "int2_base";
  EXPECT_THAT(Complete("s1", lease, missing), Refused(StatusCode::kNotFound, missing.blob_sha256));
  EXPECT_THAT(Complete("s1", lease, size), Refused(StatusCode::kInvalidArgument, "blob of"));
  EXPECT_THAT(Complete("s1", lease, method), Refused(StatusCode::kInvalidArgument, "method"));
  ExpectStillHeld("s1", lease);
  EXPECT_EQ(Complete("s1", lease, right), absl::OkStatus());
}

TEST_F(WorkerServiceTest, AnExportedFileMustBeThere) {
  StartSmallJob();
  Finish("search");
  Finish("pack");
  const v1::Lease lease = AcquireOne("s1", "export");
  EXPECT_EQ(Complete("s1", lease, ExportResult{Sha256Hex("never stored"), 12}).code(), StatusCode::kNotFound);
  EXPECT_EQ(Complete("s1", lease, Answer(lease)), absl::OkStatus());
}

TEST_F(WorkerServiceTest, OnlyTheHolderCompletes) {
  StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "search");
  const auto right = RightAnswer<SearchResult>(lease);
  EXPECT_THAT(Complete("s2", lease, right), Refused(StatusCode::kFailedPrecondition, "lease lost"));
  EXPECT_THAT(Fail("s2", lease, kInvalidArgument, "not mine"), Refused(StatusCode::kFailedPrecondition, "lease lost"));
  EXPECT_THAT(Renew("s2", lease)->lost(), ::testing::ElementsAre(lease.lease_id()));
  ExpectStillHeld("s1", lease);
  EXPECT_EQ(Complete("s1", lease, right), absl::OkStatus());
}

TEST_F(WorkerServiceTest, TheFirstCompletionWinsAndMayBeRepeated) {
  StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "search");
  const auto right = RightAnswer<SearchResult>(lease);
  ASSERT_EQ(Complete("s1", lease, right), absl::OkStatus());
  EXPECT_EQ(Complete("s1", lease, right), absl::OkStatus());
  SearchResult other = right;
  other.tensor_sha256 = Sha256Hex("other");
  EXPECT_THAT(Complete("s1", lease, other), Refused(StatusCode::kFailedPrecondition, "lease lost"));
  v1::Lease unknown;
  unknown.set_lease_id("unknown");
  EXPECT_THAT(Complete("s1", unknown, right), Refused(StatusCode::kFailedPrecondition, "lease lost"));
}

TEST_F(WorkerServiceTest, ACancelledJobTakesItsLeases) {
  const std::string job = StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "search");
  ASSERT_EQ(CancelJob(job), absl::OkStatus());
  Conduct();
  EXPECT_THAT(Renew("s1", lease)->lost(), ::testing::ElementsAre(lease.lease_id()));
  EXPECT_THAT(Complete("s1", lease, Answer(lease)), Refused(StatusCode::kFailedPrecondition, "lease lost"));
}

TEST_F(WorkerServiceTest, AFinalFailureFailsTheJob) {
  const std::string job = StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "search");
  ASSERT_EQ(Fail("s1", lease, kInvalidArgument, "NaN at row 3"), absl::OkStatus());
  Conduct();
  const v1::Job failed = GetJob(job).value();
  EXPECT_EQ(failed.state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(failed.error_message(), ::testing::HasSubstr("NaN at row 3"));
}

TEST_F(WorkerServiceTest, AnotherFailureIsTriedThreeTimes) {
  const std::string job = StartSmallJob();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(GetJob(job)->state(), v1::JOB_STATE_RUNNING);
    const v1::Lease lease = AcquireOne("s1", "score");
    EXPECT_EQ(lease.attempt(), attempt);
    ASSERT_EQ(Fail("s1", lease, kUnavailable, "out of memory"), absl::OkStatus());
    Conduct();
  }
  EXPECT_EQ(GetJob(job)->state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(GetJob(job)->error_message(), ::testing::HasSubstr("failed 3 times, last: out of memory"));
}

// The worker cannot know whether its first word was heard. Three words about one attempt are one charged attempt.
TEST_F(WorkerServiceTest, AFailureMayBeRepeated) {
  const std::string job = StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "search");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Fail("s1", lease, kUnavailable, "kernel"), absl::OkStatus());
  EXPECT_THAT(Fail("s2", lease, kUnavailable, "kernel"), Refused(StatusCode::kFailedPrecondition, "lease lost"));
  EXPECT_THAT(Complete("s1", lease, Answer(lease)), Refused(StatusCode::kFailedPrecondition, "lease lost"));
  Conduct();
  EXPECT_EQ(GetJob(job)->state(), v1::JOB_STATE_RUNNING);
}

// A worker on the server's machine reads the server's own directories.
TEST_F(WorkerServiceTest, AFailureDoesNotTellWhereTheModelLies) {
  context_->paths.Add(SUB1QUANT_TESTDATA, "models");
  const std::string job = StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "search");
  ASSERT_EQ(Fail("s1", lease, kInvalidArgument, SUB1QUANT_TESTDATA "/gemma4-tiny/model.safetensors: NaN"),
            absl::OkStatus());
  Conduct();
  EXPECT_THAT(GetJob(job)->error_message(), ::testing::HasSubstr(": models/gemma4-tiny/model.safetensors: NaN"));
  v1::ListModelFilesRequest request;
  request.mutable_model()->set_root("models");
  request.mutable_model()->set_path("none");
  EXPECT_THAT(CallUnary(*bytes_, &v1::BlobService::Stub::ListModelFiles, request, kTimeout).status(),
              Refused(StatusCode::kNotFound, "models/none: "));
  EXPECT_THAT(Submit([&] {
                JobSpecification bad = SmallJob();
                bad.model_path = "none";
                return bad;
              }())
                  .status(),
              Refused(StatusCode::kNotFound, "models/none: "));
}

TEST_F(WorkerServiceTest, ALeaseSaysWhatIsExpectedOfIt) {
  StartSmallJob();
  EXPECT_GT(AcquireOne("s1", "search").expected_seconds(), 0);
}

TEST_F(WorkerServiceTest, AFailureThatIsOkIsRefused) {
  StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "search");
  EXPECT_THAT(Fail("s1", lease, 0, "fine"), Refused(StatusCode::kInvalidArgument, "not OK"));
  ExpectStillHeld("s1", lease);
}

// A message that was cut inside a character could not be sent to any client again.
TEST_F(WorkerServiceTest, ALongFailureIsCutBetweenCharacters) {
  for (size_t shift = 0; shift < 4; ++shift) {
    const std::string job = StartSmallJob();
    const v1::Lease lease = AcquireOne("s1", "search");
    std::string message(shift, 'x');
    while (message.size() < 5000) message += "\U0001F4A5";
    ASSERT_EQ(Fail("s1", lease, kInvalidArgument, message), absl::OkStatus());
    Conduct();
    const auto failed = GetJob(job);
    ASSERT_TRUE(failed.ok()) << failed.status();
    EXPECT_EQ(failed->state(), v1::JOB_STATE_FAILED);
    EXPECT_THAT(failed->error_message(), ::testing::HasSubstr(message.substr(0, shift + 3000)));
  }
}

TEST_F(WorkerServiceTest, OddCodesAreFailuresLikeOthers) {
  StartSmallJob();
  for (const int code : {99, -1, std::numeric_limits<int>::min()}) {
    const v1::Lease lease = AcquireOne("s1", "search");
    EXPECT_EQ(Fail("s1", lease, code, "odd"), absl::OkStatus()) << code;
  }
}

TEST_F(WorkerServiceTest, OnlyTheHolderReleasesAndNothingIsCharged) {
  const std::string job = StartSmallJob();
  std::string description;
  for (int i = 0; i < 5; ++i) {  // more often than a task may fail
    const v1::Lease lease = AcquireOne("s1", "search");
    if (i == 0) description = lease.description();
    EXPECT_EQ(lease.description(), description);
    v1::ReleaseRequest request;
    *request.mutable_worker() = Identity("s2");
    request.add_lease_ids(lease.lease_id());
    EXPECT_EQ(CallUnary(*workers_, &v1::WorkerService::Stub::Release, request, kTimeout)->released(), 0);
    *request.mutable_worker() = Identity("s1");
    request.clear_lease_ids();  // all of the session
    EXPECT_EQ(CallUnary(*workers_, &v1::WorkerService::Stub::Release, request, kTimeout)->released(), 1);
    EXPECT_THAT(Renew("s1", lease)->lost(), ::testing::ElementsAre(lease.lease_id()));
    Conduct();
  }
  EXPECT_EQ(GetJob(job)->state(), v1::JOB_STATE_RUNNING);
}

TEST_F(WorkerServiceTest, ADrainedWorkerIsToldAndGetsNothing) {
  StartSmallJob();
  const v1::Lease lease = AcquireOne("s1", "search");
  const auto listed = CallUnary(*jobs_, &v1::JobService::Stub::ListWorkers, v1::ListWorkersRequest(), kTimeout).value();
  ASSERT_EQ(listed.workers_size(), 1);
  EXPECT_EQ(listed.workers(0).name(), "worker-s1");
  EXPECT_EQ(listed.workers(0).state(), "busy");
  v1::DrainWorkerRequest drain;
  drain.set_name("worker-s1");
  ASSERT_TRUE(CallUnary(*jobs_, &v1::JobService::Stub::DrainWorker, drain, kTimeout).ok());
  const auto response = Acquire(AcquireRequest("s1", {"search"})).value();
  EXPECT_TRUE(response.drain());
  EXPECT_THAT(response.leases(), ::testing::IsEmpty());
  EXPECT_TRUE(Renew("s1", lease)->drain());
  EXPECT_EQ(Complete("s1", lease, Answer(lease)), absl::OkStatus()) << "its current task it may end";
  drain.set_name("nobody");
  EXPECT_EQ(CallUnary(*jobs_, &v1::JobService::Stub::DrainWorker, drain, kTimeout).status().code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace sub1quant

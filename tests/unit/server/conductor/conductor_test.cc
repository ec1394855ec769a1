// A job from submission to report, with a worker that makes its answers up: the store is real, the clock is not.
#include "server/conductor.h"

#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/convert/convert.h"
#include "server/flow/stages.h"
#include "server/store/sqlite_store.h"
#include "tests/support/fake_answers.h"
#include "tests/support/full_blobs.h"
#include "tests/support/manual_clock.h"

namespace sub1quant {
namespace {

class ConductorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "conductor-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    directory_blobs_ = OpenBlobDirectory(directory_ + "/blobs").value();
    blobs_ = std::make_unique<testing::FullBlobs>(*directory_blobs_);
    StartServer();
    job_ = testing::TinyJob(*blobs_, 200);
  }
  void TearDown() override {
    conductor_.reset();
    metrics_.reset();
    context_.reset();
    store_.reset();
    std::system(("rm -rf '" + directory_ + "'").c_str());
  }

  // Also what a restart does: the old one is gone without a word, all that remains is in the directory.
  void StartServer() {
    conductor_.reset();
    metrics_.reset();
    context_.reset();
    store_.reset();
    store_ = OpenSqliteStore(clock_, *ids_, {directory_, std::chrono::seconds(30)}).value();
    context_.reset(new ServiceContext{
        clock_, *ids_, *store_, *blobs_, {{"models", {SUB1QUANT_TESTDATA, false}}}, std::chrono::seconds(30)});
    metrics_ = std::make_unique<ServerMetrics>(clock_, *store_);
    conductor_ = std::make_unique<Conductor>(*context_, *metrics_);
  }

  void Submit() {
    JobRecord record;
    record.id = record.idempotency_key = "job";
    record.specification = ToJson(job_).dump();
    ASSERT_TRUE(store_->CreateJob(record, StagesOf(job_)).ok());
  }

  // Does one task, if there is one. Returns how many were done.
  int WorkOnce() {
    AcquireQuery query{worker_, {"search", "pack", "score", "export"}, 1, "", ""};
    auto leases = store_->Acquire(query, clock_.Now());
    EXPECT_TRUE(leases.ok()) << leases.status();
    for (const GrantedLease& lease : *leases) {
      v1::Task proto;
      EXPECT_TRUE(proto.ParseFromString(lease.payload));
      const TaskResult result = testing::FakeAnswers(*blobs_).Answer(FromProto(proto).value());
      EXPECT_TRUE(store_->Complete(worker_, lease.lease_id, ToProto(result).SerializeAsString(), 1).ok());
      ++tasks_done_;
    }
    return static_cast<int>(leases->size());
  }

  // Until the job has ended; `after_task` may restart the server.
  void RunToEnd(const std::function<void()>& after_task = [] {}) {
    for (int i = 0; i < 10000; ++i) {
      const bool moved = conductor_->Step();
      if (Ended(store_->GetJob("job")->state)) return;
      const int worked = WorkOnce();
      ASSERT_TRUE(moved || worked > 0) << "nothing moves";
      after_task();
    }
    FAIL() << "no end";
  }

  std::map<std::string, std::string> Outputs() {
    std::map<std::string, std::string> outputs;
    const std::vector<OutputRecord> records = store_->Outputs("job").value();
    for (const OutputRecord& output : records) outputs[output.path] = output.sha256;
    return outputs;
  }

  std::string directory_;
  testing::ManualClock clock_;
  std::unique_ptr<IdGenerator> ids_ = NewRandomIdGenerator();
  std::unique_ptr<BlobStore> directory_blobs_;
  std::unique_ptr<testing::FullBlobs> blobs_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<ServiceContext> context_;
  std::unique_ptr<ServerMetrics> metrics_;
  std::unique_ptr<Conductor> conductor_;
  JobSpecification job_;
  WorkerId worker_{"w", "session", "cpu", "0"};
  int tasks_done_ = 0;
};

TEST_F(ConductorTest, AJobEndsWithItsReport) {
  Submit();
  RunToEnd();
  const JobRecord job = store_->GetJob("job").value();
  ASSERT_EQ(job.state, JobState::kSucceeded) << job.error_message;
  const auto outputs = Outputs();
  for (const char* path : {"report.json", "report.html", "scan.json", "eval_base.json", "eval_quantized.json",
                           "artifact/manifest.json", "checkpoint.pt"})
    EXPECT_TRUE(outputs.count(path)) << path;
  const Json report = ParseJson(blobs_->Get(outputs.at("report.json")).value()).value();
  EXPECT_LE(report.at("allocation").at("average_bpw").get<double>(), 4.0);
  EXPECT_NEAR(report.at("perplexity").at("base").at("bos_per_window").get<double>(), std::exp(2.0), 1e-9);
}

TEST_F(ConductorTest, SeveralTargetsShareOneSearch) {
  job_.target_bpw = {3.5, 4};
  job_.evaluate = false;
  job_.corpus_sha256 = "";
  Submit();
  RunToEnd();
  ASSERT_EQ(store_->GetJob("job")->state, JobState::kSucceeded) << store_->GetJob("job")->error_message;
  const std::vector<StageRecord> stages = store_->Stages("job").value();
  for (const StageRecord& stage : stages) EXPECT_EQ(stage.state, "done") << stage.key.name;
  EXPECT_TRUE(Outputs().count("target-3.5/report.json"));
  EXPECT_TRUE(Outputs().count("target-4/artifact/manifest.json"));
}

// The server ends after every single step, and the manifest is what it is without that.
TEST_F(ConductorTest, RestartsLoseNothing) {
  Submit();
  RunToEnd([&] { StartServer(); });
  ASSERT_EQ(store_->GetJob("job")->state, JobState::kSucceeded) << store_->GetJob("job")->error_message;
  const std::string manifest = Outputs().at("artifact/manifest.json");
  const int tasks = tasks_done_;

  // The same job again: every task is answered from its earlier result.
  ASSERT_TRUE(store_->DeleteJob("job").ok());
  tasks_done_ = 0;
  Submit();
  RunToEnd();
  EXPECT_EQ(Outputs().at("artifact/manifest.json"), manifest);
  EXPECT_EQ(tasks_done_, 0) << "of " << tasks;
}

TEST_F(ConductorTest, EvaluateAloneScoresTheModel) {
  job_.quantize = false;
  Submit();
  RunToEnd();
  ASSERT_EQ(store_->GetJob("job")->state, JobState::kSucceeded) << store_->GetJob("job")->error_message;
  EXPECT_TRUE(Outputs().count("eval_base.json"));
  EXPECT_FALSE(Outputs().count("checkpoint.pt"));
}

TEST_F(ConductorTest, ABadModelFailsTheJobWithItsName) {
  job_.model_path = "no-such-model";
  Submit();
  RunToEnd();
  const JobRecord job = store_->GetJob("job").value();
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_THAT(job.error_message, ::testing::HasSubstr("no-such-model"));
}

// The error travels to clients: it says what the job said, and not where the server keeps its models.
TEST_F(ConductorTest, ABadModelIsNamedAsTheJobNamesIt) {
  context_->paths.Add(SUB1QUANT_TESTDATA, "models");
  job_.model_path = "wikitext-2";  // there, and no model
  Submit();
  RunToEnd();
  const JobRecord job = store_->GetJob("job").value();
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_THAT(job.error_message, ::testing::Not(::testing::HasSubstr(SUB1QUANT_TESTDATA)));
  job_.model_path = "no-such-model";
  ASSERT_TRUE(store_->DeleteJob("job").ok());
  Submit();
  RunToEnd();
  EXPECT_THAT(store_->GetJob("job")->error_message, ::testing::StartsWith("models/no-such-model: "));
}

// Inspecting a long text for a disk that stays full must not keep a core busy: it is tried again now and then.
TEST_F(ConductorTest, AFullDiskHoldsTheJobUpAndNoMore) {
  Submit();
  blobs_->full = true;
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(conductor_->Step());
    clock_.Advance(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(store_->GetJob("job")->state, JobState::kRunning);
  EXPECT_EQ(store_->Stages("job").value().front().state, "running");
  blobs_->full = false;
  EXPECT_TRUE(conductor_->Step());
  RunToEnd();
  EXPECT_EQ(store_->GetJob("job")->state, JobState::kSucceeded) << store_->GetJob("job")->error_message;
}

TEST_F(ConductorTest, AJobThatAFullDiskHoldsUpCanBeCancelledAtOnce) {
  Submit();
  blobs_->full = true;
  conductor_->Step();
  ASSERT_TRUE(store_->RequestCancel("job").ok());
  conductor_->Step();
  EXPECT_EQ(store_->GetJob("job")->state, JobState::kCancelled);
}

TEST_F(ConductorTest, CancelEndsTheJobAndItsLeases) {
  Submit();
  while (conductor_->Step()) {
  }
  auto leases = store_->Acquire({worker_, {"search"}, 1, "", ""}, clock_.Now());
  ASSERT_TRUE(leases.ok());
  ASSERT_EQ(leases->size(), 1u);
  ASSERT_TRUE(store_->RequestCancel("job").ok());
  conductor_->Step();
  EXPECT_EQ(store_->GetJob("job")->state, JobState::kCancelled);
  EXPECT_THAT(store_->Renew(worker_, {leases->front().lease_id}, clock_.Now())->lost, ::testing::SizeIs(1));
}

TEST_F(ConductorTest, ATaskThatCannotWorkFailsTheJob) {
  Submit();
  while (conductor_->Step()) {
  }
  auto leases = store_->Acquire({worker_, {"search"}, 1, "", ""}, clock_.Now());
  ASSERT_TRUE(leases.ok());
  ASSERT_TRUE(store_->Fail(worker_, leases->front().lease_id, absl::InvalidArgumentError("NaN at row 3"), true).ok());
  conductor_->Step();
  const JobRecord job = store_->GetJob("job").value();
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_THAT(job.error_message, ::testing::HasSubstr("NaN at row 3"));
}

}  // namespace
}  // namespace sub1quant

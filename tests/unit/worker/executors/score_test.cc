#include "worker/executors/score.h"

#include <cmath>
#include <fstream>

#include "core/digest.h"
#include "core/json.h"
#include "core/status.h"
#include "gmock/gmock.h"
#include "quant/eval/torch/guard.h"
#include "tests/unit/worker/executors/fixture.h"

namespace sub1quant::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Says which windows it was asked for and counts those alive.
class FakeScorer final : public Scorer {
 public:
  FakeScorer(int& alive, bool in_memory, std::function<absl::Status()> while_scoring)
      : alive_(alive), in_memory_(in_memory), while_scoring_(std::move(while_scoring)) {
    ++alive_;
  }
  ~FakeScorer() override { --alive_; }
  absl::StatusOr<std::vector<WindowScore>> Score(const std::vector<int32_t>&, const std::vector<Window>& windows,
                                                 int64_t first, const std::function<bool(double)>& progress) override {
    SUB1QUANT_RETURN_IF_ERROR(while_scoring_());
    std::vector<WindowScore> scores;
    for (const Window& window : windows) {
      if (!progress(static_cast<double>(scores.size() + 1) / static_cast<double>(windows.size())))
        return absl::CancelledError("stopped");
      WindowScore score;
      score.index = first + static_cast<int64_t>(scores.size());
      score.scored = window.begin;
      score.weight = window.end;
      scores.push_back(score);
    }
    return scores;
  }
  const ApplyStats& apply_stats() const override { return stats_; }
  const std::string& dtype() const override { return name_; }
  const std::string& device() const override { return name_; }
  bool in_memory() const override { return in_memory_; }
  absl::StatusOr<Trace> TraceSequence(const std::vector<int32_t>&) override { return absl::UnimplementedError(""); }

 private:
  int& alive_;
  bool in_memory_;
  std::function<absl::Status()> while_scoring_;
  ApplyStats stats_{3, 2, 1, 0};
  std::string name_ = "fake";
};

class ScoreTest : public ExecutorTest {
 protected:
  ScoreTask Task(int64_t first, int64_t count) {
    ScoreTask task;
    task.model_identity = ModelIdentity();
    task.tokens_sha256 = PutBlob(*blobs_, TokensToBytes(std::vector<int32_t>(1100, 5))).value();
    task.first = first;
    task.count = count;
    return task;
  }
  ScoreExecutor Fake() { return Fake(resources()); }
  ScoreExecutor Fake(const Resources& with, const ScoreDevice& device = {}) {
    return ScoreExecutor(with, device,
                         [this](ModelSource&, const WeightOverlay& overlay, const ScorerOptions& options) {
                           memory_bytes_ = options.memory_bytes;
                           torch_name_ = options.device;
                           EXPECT_EQ(alive_, 0) << "one model in memory at a time";
                           loads_.push_back(overlay.manifest == nullptr ? "base" : overlay.manifest->model_name);
                           return absl::StatusOr<std::unique_ptr<Scorer>>(
                               std::make_unique<FakeScorer>(alive_, in_memory_, while_scoring_));
                         });
  }
  // Written from the words of server/flow: digest of config, then name, header digest and identity of each weight file.
  std::string ModelIdentity() {
    Sha256 digest;
    digest.UpdateField(Sha256Hex(ReadFile(directory_ + "/model/config.json").value()));
    digest.UpdateField("model.safetensors");
    digest.UpdateField(inventory_.files.at(0).header_sha256);
    digest.UpdateField(ReadableFile::Open(directory_ + "/model/model.safetensors").value()->identity().ToString());
    return digest.HexDigest();
  }
  int alive_ = 0;
  bool in_memory_ = true;
  std::function<absl::Status()> while_scoring_ = [] { return absl::OkStatus(); };
  uint64_t memory_bytes_ = 0;
  std::string torch_name_;
  std::vector<std::string> loads_;
  TaskContext context_;
};

TEST_F(ScoreTest, ScoresTheWindowsOfTheTask) {
  ScoreExecutor executor = Fake();
  const auto result = executor.Execute(Task(1, 2), context_);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->windows.size(), 2u);
  EXPECT_EQ(result->windows[0].index, 1);
  EXPECT_EQ(result->windows[0].scored, 512);   // begin
  EXPECT_EQ(result->windows[1].weight, 1100);  // end: the short last window
  EXPECT_EQ(result->replaced, 3);
  EXPECT_EQ(result->skipped, 2);
  EXPECT_EQ(context_.progress(), 1.0);
}

TEST_F(ScoreTest, WindowsOutsideTheTextAreRefused) {
  ScoreExecutor executor = Fake();
  for (const auto& [first, count] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 4}, {3, 1}, {-1, 1}, {0, 0}, {0, -1}, {INT64_MAX, 2}, {INT64_MAX - 1, 1}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(executor.Execute(Task(first, count), context_).status())) << first << count;
  }
  EXPECT_TRUE(loads_.empty());
}

// 1025 tokens: the last window has one token and no target, which is no business of a task that ends before it.
TEST_F(ScoreTest, AnUnscorableLastWindowBelongsToNobodyElse) {
  ScoreExecutor executor = Fake();
  ScoreTask task = Task(0, 2);
  task.tokens_sha256 = PutBlob(*blobs_, TokensToBytes(std::vector<int32_t>(1025, 5))).value();
  EXPECT_TRUE(executor.Execute(task, context_).ok());
  task.count = 3;
  EXPECT_TRUE(absl::IsInvalidArgument(executor.Execute(task, context_).status()));
}

TEST_F(ScoreTest, KeepsTheModelUntilAnotherIsAskedFor) {
  Manifest manifest;
  manifest.model_name = "packed";
  const std::string sha256 = PutBlob(*blobs_, ManifestToJson(manifest)).value();
  ScoreExecutor executor = Fake();
  EXPECT_EQ(executor.LoadedModel(), "");
  ScoreTask task = Task(0, 1);
  ASSERT_TRUE(executor.Execute(task, context_).ok());
  task.bos_per_window = true;
  task.first = 1;
  ASSERT_TRUE(executor.Execute(task, context_).ok());
  EXPECT_THAT(loads_, ElementsAre("base"));
  EXPECT_EQ(executor.LoadedModel(), ModelIdentity() + "/");
  task.manifest_sha256 = sha256;
  const auto packed = executor.Execute(task, context_);
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_EQ(executor.LoadedModel(), ModelIdentity() + "/" + sha256);
  task.dtype = "bfloat16";
  ASSERT_TRUE(executor.Execute(task, context_).ok());
  EXPECT_THAT(loads_, ElementsAre("base", "packed", "packed"));
  EXPECT_EQ(alive_, 1);
}

TEST_F(ScoreTest, AnotherModelIsRefused) {
  ScoreExecutor executor = Fake();
  const ScoreTask task = Task(0, 1);
  for (const char* name : {"config.json", "model.safetensors"}) {
    const std::string path = directory_ + "/model/" + name;
    const std::string before = ReadFile(path).value();
    ASSERT_TRUE(WriteFileAtomically(path, before + (name[0] == 'c' ? " " : "")).ok());
    const absl::Status status = executor.Execute(task, context_).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("model changed"));
    ASSERT_TRUE(WriteFileAtomically(path, before).ok());
  }
  EXPECT_TRUE(loads_.empty());
}

// A scorer that does not hold the weights reads them while it scores.
TEST_F(ScoreTest, AModelThatChangesWhileItIsReadIsRefused) {
  ScoreExecutor executor = Fake();
  const ScoreTask task = Task(0, 1);
  const std::string path = directory_ + "/model/model.safetensors";
  while_scoring_ = [&] { return WriteFileAtomically(path, ReadFile(path).value()); };
  in_memory_ = false;
  EXPECT_TRUE(absl::IsFailedPrecondition(executor.Execute(task, context_).status()));
}

TEST_F(ScoreTest, TheMemoryLimitReachesTheScorer) {
  Resources limited = resources();
  limited.memory_bytes = 12345;
  ScoreExecutor executor = Fake(limited);
  ASSERT_TRUE(executor.Execute(Task(0, 1), context_).ok());
  EXPECT_EQ(memory_bytes_, 12345u);
}

TEST_F(ScoreTest, OnADeviceTheMemoryIsTheDevices) {
  ScoreExecutor on_device = Fake(resources(), {"cuda:1", nullptr, 777, nullptr});
  ASSERT_TRUE(on_device.Execute(Task(0, 1), context_).ok());
  EXPECT_EQ(memory_bytes_, 777u);
  EXPECT_EQ(torch_name_, "cuda:1");
}

// A device that is lost ends the process; the server that is away does not.
TEST_F(ScoreTest, ALostDeviceIsToldAtOnce) {
  std::vector<std::string> lost;
  const auto note = [&](const std::string& why) { lost.push_back(why); };
  absl::Status outcome = absl::UnavailableError("the server is away");
  while_scoring_ = [&] { return outcome; };
  ScoreExecutor executor = Fake(resources(), {"cuda:0", nullptr, 0, note});
  EXPECT_FALSE(executor.Execute(Task(0, 1), context_).ok());
  EXPECT_TRUE(lost.empty());
  outcome = GuardTorch([]() -> absl::Status { throw DeviceFailure("norm", "cudaErrorX"); });
  EXPECT_FALSE(executor.Execute(Task(0, 1), context_).ok());
  EXPECT_THAT(lost, ElementsAre(HasSubstr("device lost: kernel 'norm' did not start: cudaErrorX")));
}

TEST_F(ScoreTest, WithoutADeviceScoringTakesTheCpu) {
  EXPECT_EQ(ChooseScoreDevice({"cpu", "cpu", nullptr, nullptr}, {}).torch_name, "cpu");
}

TEST_F(ScoreTest, StopsWhenCancelled) {
  ScoreExecutor executor = Fake();
  context_.Cancel();
  EXPECT_TRUE(absl::IsCancelled(executor.Execute(Task(0, 1), context_).status()));
}

// The real forward pass against losses that transformers computed (tests/testdata/gemma4-tiny-golden).
TEST_F(ScoreTest, RealLossesOfTheFirstWindows) {
  InitializeTorch();
  const auto tokenizer = Tokenizer::Parse(ReadFile(directory_ + "/model/tokenizer.json").value());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto tokens = TokenizeCorpus(**tokenizer, ReadFile(SUB1QUANT_TESTDATA "/wikitext-2/wiki.test.raw").value());
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  const Json golden = Json::parse(std::ifstream(SUB1QUANT_TESTDATA "/gemma4-tiny-golden/perplexity.json"));
  ScoreExecutor executor(resources(), ScoreDevice());
  for (const bool bos_per_window : {false, true}) {
    ScoreTask task = Task(0, 2);
    task.tokens_sha256 = PutBlob(*blobs_, TokensToBytes(*tokens)).value();
    task.bos_per_window = bos_per_window;
    const auto result = executor.Execute(task, context_);
    ASSERT_TRUE(result.ok()) << result.status();
    const Json& losses = golden["runs"]["float32"][bos_per_window ? "bos_window" : "published"]["losses"];
    for (size_t i = 0; i < 2; ++i) {
      const WindowScore& window = result->windows.at(i);
      EXPECT_NEAR(window.nll.ToDouble() / static_cast<double>(window.scored), losses[i].get<double>(), 2e-5) << i;
    }
    EXPECT_EQ(result->dtype, "float32");
  }
}

}  // namespace
}  // namespace sub1quant::testing

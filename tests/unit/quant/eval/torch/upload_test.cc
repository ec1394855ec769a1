// Uploads on a stream of their own: the run of a device, with CPU tensors, in front of a device of streams that keeps
// books (stream_checker.h). No use of memory without an order, the same losses, and each planted bug noticed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "core/json.h"
#include "quant/eval/torch/device_run.h"
#include "tests/unit/quant/eval/torch/model_files.h"
#include "tests/unit/quant/eval/torch/stream_checker.h"

namespace sub1quant {
namespace {

using ::testing::IsEmpty;
using testing::kCheckedDevice;
using ::testing::Not;
using testing::StreamBug;
using testing::StreamChecker;

// Files that are copied, and not mapped or opened: the checker sees what is read, and on which stream.
class CopiedFiles final : public ModelSource {
 public:
  explicit CopiedFiles(const std::string& directory) : files_(OpenModelDirectory(directory).value()) {}
  absl::StatusOr<std::vector<File>> List() override { return files_->List(); }
  absl::Status Read(const std::string& file, uint64_t offset, void* buffer, size_t size) override {
    const absl::Status status = files_->Read(file, offset, buffer, size);
    StreamChecker::HostWrote(buffer, size);
    return status;
  }
  std::string LocalPath(const std::string&) override { return ""; }

 private:
  const std::unique_ptr<ModelSource> files_;
};

// The tiny model in float32, so that files are read straight into the slots; more entries in the vocabulary than two
// tiles of the LM head have.
const std::string& WideModelDirectory() {
  static auto* const directory = [] {
    auto* const made = new TemporaryDirectory;
    TestModel model = ReadTestModel(TinyModelDirectory());
    constexpr int64_t kVocabulary = 9000;
    Json config = ParseJson(model.config_json).value();
    Json& text = config.contains("text_config") ? config["text_config"] : config;
    text["vocab_size"] = kVocabulary;
    model.config_json = config.dump();
    for (auto& [key, tensor] : model.tensors) {
      std::string wide;
      for (size_t i = 0; i + 1 < tensor.bytes.size(); i += 2) wide += std::string(2, '\0') + tensor.bytes.substr(i, 2);
      tensor.dtype = DType::kF32;
      tensor.bytes = std::move(wide);
      if (!absl::StrContains(key, "embed_tokens.weight")) continue;
      const size_t bytes = tensor.bytes.size() / static_cast<size_t>(tensor.shape[0]) * kVocabulary;
      while (tensor.bytes.size() < bytes) tensor.bytes += tensor.bytes.substr(0, bytes - tensor.bytes.size());
      tensor.shape[0] = kVocabulary;
    }
    WriteTestModel(model, made->path());
    return made;
  }();
  return directory->path();
}

struct Arm {
  at::ScalarType dtype = at::kFloat;
  bool wide = true;      // the model above, else the tiny one as it is
  bool streamed = true;  // weights are read anew for each group
};

class Uploads : public ::testing::Test {
 protected:
  // A model that is loaded, and one that can run.
  struct Loaded {
    explicit Loaded(const Arm& arm) : files(arm.wide ? WideModelDirectory() : TinyModelDirectory()) {
      InitializeTorch();
      config = ParseGemma4Config(ReadModelFile(files, "config.json", 1 << 20).value()).value();
      weights =
          Gemma4Weights::Load(files, config, {}, {at::kCPU, arm.dtype, arm.dtype}, arm.streamed ? 1 : 0, 2).value();
    }
    CopiedFiles files;
    Gemma4Config config;
    std::unique_ptr<Gemma4Weights> weights;
    std::unique_ptr<Operations> operations = NewTorchOperations();
  };

  // Eighteen windows in batches of one: three groups.
  static std::vector<WindowWork> Windows() {
    const std::vector<int32_t> tokens = TinyTokens();
    std::vector<WindowWork> windows(18);
    for (size_t i = 0; i < windows.size(); ++i) {
      windows[i].index = static_cast<int64_t>(i);
      windows[i].ids.assign(tokens.begin() + static_cast<int64_t>(50 * i),
                            tokens.begin() + static_cast<int64_t>(50 * i + 40));
      windows[i].embedded = windows[i].ids;
      windows[i].targets = 39;
    }
    return windows;
  }

  static absl::StatusOr<std::vector<float>> Losses(
      const Loaded& model, UploadSlots& slots, const WindowRun::Done& done = [](int64_t) { return absl::OkStatus(); }) {
    std::vector<WindowWork> windows = Windows();
    const DeviceRun run(model.config, *model.weights, *model.operations, /*threads=*/2, /*batch_rows=*/128, slots,
                        done);
    const absl::Status status = run.Run(windows);
    if (!status.ok()) return status;
    std::vector<float> losses;
    for (const WindowWork& window : windows) losses.insert(losses.end(), window.losses.begin(), window.losses.end());
    return losses;
  }

  static std::vector<float> LossesWithoutStreams(const Loaded& model) {
    UploadSlots slots(std::nullopt);
    return Losses(model, slots).value();
  }
};

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::string Listed(const StreamChecker& checker) { return absl::StrJoin(checker.races(), "\n"); }

TEST_F(Uploads, AreInOrderAndChangeNoBit) {
  for (const Arm& arm : {Arm{at::kFloat, true, true}, Arm{at::kFloat, false, true}, Arm{at::kBFloat16, false, true},
                         Arm{at::kFloat, true, false}}) {
    const Loaded model(arm);
    const std::vector<float> want = LossesWithoutStreams(model);
    for (const float loss : want) ASSERT_TRUE(std::isfinite(loss));
    const StreamChecker checker({});
    UploadSlots slots(NewCopyStream(kCheckedDevice));
    // Twice: the second run finds slots that were used.
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(SameBits(Losses(model, slots).value(), want));
    EXPECT_THAT(checker.races(), IsEmpty()) << Listed(checker);
  }
}

TEST_F(Uploads, EachMistakeIsARace) {
  const Loaded model(Arm{});
  for (const StreamBug bug :
       {StreamBug::kFilledWaitForgotten, StreamBug::kUsedWaitForgotten, StreamBug::kFilledRecordedEarly,
        StreamBug::kUsedRecordedEarly, StreamBug::kFilledOnWrongStream, StreamBug::kUsedOnWrongStream}) {
    const StreamChecker checker({.bug = bug});
    UploadSlots slots(NewCopyStream(kCheckedDevice));
    EXPECT_TRUE(Losses(model, slots).ok());
    EXPECT_THAT(checker.races(), Not(IsEmpty())) << NameOf(bug);
  }
}

// Copies that arrive as late as the order allows give the same losses; with a mistake in the order, others or none.
TEST_F(Uploads, CopiesMayArriveLate) {
  const Loaded model(Arm{});
  const std::vector<float> want = LossesWithoutStreams(model);
  for (const StreamBug bug : {StreamBug::kNone, StreamBug::kFilledWaitForgotten, StreamBug::kFilledRecordedEarly,
                              StreamBug::kFilledOnWrongStream}) {
    const StreamChecker checker({.bug = bug, .copy_late = true});
    UploadSlots slots(NewCopyStream(kCheckedDevice));
    EXPECT_EQ(SameBits(Losses(model, slots).value(), want), bug == StreamBug::kNone) << NameOf(bug);
  }
}

// Nearly all is copied while kernels run that the copies do not wait for, and by every thread in the stream of copies.
// In the stream that computes are only the rows of the embedding table.
TEST_F(Uploads, GoBesideTheKernels) {
  for (const bool streamed : {true, false}) {
    const Loaded model(Arm{.streamed = streamed});
    const uint64_t embeddings =
        streamed ? 18 * 128 * sizeof(float) * static_cast<uint64_t>(model.config.hidden_size) : 0;
    for (const StreamBug bug : {StreamBug::kNone, StreamBug::kGuardForgotten}) {
      const StreamChecker checker({.bug = bug});
      UploadSlots slots(NewCopyStream(kCheckedDevice));
      EXPECT_TRUE(Losses(model, slots).ok());
      const StreamChecker::Written written = checker.written();
      EXPECT_EQ(written.by_compute == embeddings, bug == StreamBug::kNone) << NameOf(bug) << ' ' << written.by_compute;
      if (bug != StreamBug::kNone) continue;
      // All but what the first group begins with.
      EXPECT_GT(static_cast<double>(written.beside_kernels),
                (streamed ? 0.95 : 0.5) * static_cast<double>(written.by_copies));
    }
  }
}

// A run that was stopped leaves kernels and copies behind; what was its memory must not be filled before they are done.
TEST_F(Uploads, AStoppedRunLeavesItsMemoryInOrder) {
  const Loaded model(Arm{});
  for (const StreamBug bug : {StreamBug::kNone, StreamBug::kUseNotNamed}) {
    const StreamChecker checker({.bug = bug});
    const std::optional<c10::Stream> copies = NewCopyStream(kCheckedDevice);
    for (int stop_after = 1; stop_after < 40; stop_after += 6) {
      UploadSlots slots(copies);
      int steps = 0;
      const absl::Status status = Losses(model, slots, [&](int64_t) {
                                    return ++steps < stop_after ? absl::OkStatus() : absl::CancelledError("stopped");
                                  }).status();
      EXPECT_TRUE(absl::IsCancelled(status)) << status;
    }
    EXPECT_EQ(checker.races().empty(), bug == StreamBug::kNone) << NameOf(bug) << ": " << Listed(checker);
  }
}

// So pinned memory, in which copies wait, is not filled by a host that runs ahead of its device.
TEST(UploadSlot, IsReadForOnceTheCopiesBeforeAreDone) {
  InitializeTorch();
  const StreamChecker checker({.copy_late = true});
  UploadSlot slot(NewCopyStream(kCheckedDevice));
  std::vector<float> found;
  for (const float value : {1.0f, 2.0f, 3.0f}) {
    const auto begin = [&](MatrixBuffer& buffer) {
      buffer.Reset(1, at::kFloat);
      auto* const data = static_cast<float*>(buffer.memory().data_ptr());
      return FetchSteps{[&found, data, value] {
        found.push_back(*data);
        *data = value;
        StreamChecker::HostWrote(data, sizeof(float));
        return absl::OkStatus();
      }};
    };
    EXPECT_TRUE(slot.Fill(1, begin).ok());
  }
  EXPECT_EQ(found[1], 1);
  EXPECT_EQ(found[2], 2);
}

TEST(NewCopyStream, TheCpuHasNone) {
  const uint64_t calls = testing::StreamCalls();
  const std::optional<c10::Stream> copies = NewCopyStream(at::kCPU);
  EXPECT_FALSE(copies.has_value());
  UploadSlot slot(copies);
  int filled = 0;
  EXPECT_TRUE(
      slot.Fill(1, [&](MatrixBuffer&) { return FetchSteps(3, [&] { return ++filled, absl::OkStatus(); }); }).ok());
  EXPECT_EQ(filled, 3);
  EXPECT_TRUE(slot.Use([&] { return ++filled, absl::OkStatus(); }).ok());
  EXPECT_EQ(filled, 4);
  EXPECT_EQ(testing::StreamCalls(), calls);
}

}  // namespace
}  // namespace sub1quant

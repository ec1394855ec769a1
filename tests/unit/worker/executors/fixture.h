// Executors over a copy of the tiny model and a blob directory, in a directory of the test's own.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/file.h"
#include "gtest/gtest.h"
#include "quant/model/quantizable.h"
#include "quant/model/safetensors.h"
#include "worker/executors/resources.h"

namespace sub1quant::testing {

class DirectoryModels final : public ModelAccess {
 public:
  explicit DirectoryModels(std::string directory) : directory_(std::move(directory)) {}
  absl::StatusOr<std::shared_ptr<ModelSource>> Open(const ModelReference&) override {
    ++opened;
    auto source = OpenModelDirectory(directory_);
    if (!source.ok()) return source.status();
    return std::make_shared<Watched>(*std::move(source), on_read);
  }
  int opened = 0;
  std::function<void()> on_read;  // before each read of a source that is opened from now on

 private:
  class Watched final : public ModelSource {
   public:
    Watched(std::unique_ptr<ModelSource> source, std::function<void()> on_read)
        : source_(std::move(source)), on_read_(std::move(on_read)) {}
    absl::StatusOr<std::vector<File>> List() override { return source_->List(); }
    absl::Status Read(const std::string& file, uint64_t offset, void* buffer, size_t size) override {
      if (on_read_) on_read_();
      return source_->Read(file, offset, buffer, size);
    }
    std::string LocalPath(const std::string& file) override { return source_->LocalPath(file); }

   private:
    const std::unique_ptr<ModelSource> source_;
    const std::function<void()> on_read_;
  };

  std::string directory_;
};

class ExecutorTest : public ::testing::Test {
 protected:
  static std::string MakeDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sub1quant-executors-XXXXXX").string();
    SUB1QUANT_CHECK(mkdtemp(pattern.data()) != nullptr);
    std::filesystem::copy(SUB1QUANT_TESTDATA "/gemma4-tiny", pattern + "/model");
    return pattern;
  }

  ExecutorTest() : directory_(MakeDirectory()), models_(directory_ + "/model") {
    blobs_ = OpenBlobDirectory(directory_ + "/blobs").value();
    source_ = OpenModelDirectory(directory_ + "/model").value();
    inventory_ = ReadInventory(*source_).value();
  }
  ~ExecutorTest() override { std::filesystem::remove_all(directory_); }

  Resources resources() { return {*clock_, models_, *blobs_, *metrics_, *coder_, cpu_, hashes_, tensors_, choices_}; }
  const TensorRecord& Tensor(const std::string& key) { return *inventory_.Find(key); }
  std::string Identity(const std::string& file = "model.safetensors") {
    for (const ModelFile& present : inventory_.files) {
      if (present.name == file) return present.identity;
    }
    return "";
  }
  // Straight from the file, by no reader of the worker.
  std::string BytesOf(const TensorRecord& tensor) {
    return ReadFile(directory_ + "/model/" + tensor.file).value().substr(tensor.offset, tensor.bytes);
  }

  const std::string directory_;
  std::unique_ptr<Clock> clock_ = NewSystemClock();
  std::unique_ptr<WorkerMetrics> metrics_ = NewNullMetrics();
  std::unique_ptr<MatrixCoder> coder_ = NewCpuCoder();
  DirectoryModels models_;
  ComputeThreads cpu_{2};
  TensorDigests digests_;
  DigestPool hashes_{cpu_};
  TensorLoader tensors_{hashes_, digests_};
  ChoiceCache choices_{uint64_t{1} << 20};
  std::unique_ptr<BlobStore> blobs_;
  std::shared_ptr<ModelSource> source_;
  TensorInventory inventory_;
};

// 256 x 256, and one whose rows are no multiple of the group.
inline constexpr char kSquare[] = "model.language_model.layers.0.mlp.down_proj.weight";
inline constexpr char kNarrow[] = "model.language_model.layers.0.per_layer_projection.weight";

}  // namespace sub1quant::testing

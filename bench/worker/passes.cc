#include "bench/worker/passes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <utility>

#include "core/check.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/sha256_streams.h"
#include "core/status.h"
#include "quant/model/quantizable.h"
#include "worker/executors/pack.h"
#include "worker/executors/search.h"
#include "worker/lanes.h"

namespace sub1quant {
namespace {

constexpr int kGroupSize = 128;
constexpr size_t kPiece = size_t{4} << 20;

class OneModel final : public ModelAccess {
 public:
  explicit OneModel(std::shared_ptr<ModelSource> source) : source_(std::move(source)) {}
  absl::StatusOr<std::shared_ptr<ModelSource>> Open(const ModelReference&) override { return source_; }

 private:
  const std::shared_ptr<ModelSource> source_;
};

}  // namespace

Passes::Passes(const std::string& model, std::string scratch, int threads)
    : path_(model),
      scratch_(std::move(scratch)),
      threads_(threads),
      model_(OpenModelDirectory(model).value()),
      access_(std::make_unique<OneModel>(model_)),
      cpu_(threads) {
  const TensorInventory inventory = ReadInventory(*model_).value();
  for (const size_t index : SelectQuantizable(inventory).indices) tensors_.push_back(inventory.tensors[index]);
  SUB1QUANT_CHECK(!tensors_.empty());
  for (const ModelFile& file : inventory.files) identities_[file.name] = file.identity;
  std::stable_sort(tensors_.begin(), tensors_.end(),
                   [](const TensorRecord& a, const TensorRecord& b) { return a.bytes > b.bytes; });
  for (const TensorRecord& tensor : tensors_) weights_ += static_cast<double>(tensor.elements());
}

Spent Passes::InLanes(const std::function<absl::Status(const TensorRecord&)>& body) {
  return Measure([&] {
    Lanes lanes(LaneCount(threads_));
    std::vector<std::shared_ptr<Lanes::Job>> jobs;
    for (const TensorRecord& tensor : tensors_)
      jobs.push_back(lanes.Begin([&] { SUB1QUANT_CHECK(body(tensor).ok()); }));
    for (const auto& job : jobs) lanes.Wait(*job);
  });
}

Spent Passes::Search(TensorDigests& digests) {
  SearchExecutor executor(MakeResources(digests));
  return InLanes([&](const TensorRecord& tensor) {
    TaskContext context;
    return executor.Execute({{}, tensor, identities_[tensor.file], kGroupSize, PublishedMethods()}, context).status();
  });
}

Spent Passes::Pack(TensorDigests& digests, std::vector<uint64_t>* sizes) {
  ClearScratch();
  blobs_ = OpenBlobDirectory(scratch_).value();
  PackExecutor executor(MakeResources(digests));
  std::mutex mutex;
  sizes->clear();
  return InLanes([&](const TensorRecord& tensor) -> absl::Status {
    TaskContext context;
    SUB1QUANT_ASSIGN_OR_RETURN(
        const PackResult packed,
        executor.Execute({{}, tensor, identities_[tensor.file], kGroupSize, "groupwise_int4"}, context));
    const std::lock_guard<std::mutex> lock(mutex);
    sizes->push_back(packed.blob_bytes);
    return absl::OkStatus();
  });
}

Spent Passes::Read() {
  return Measure([&] {
    std::atomic<size_t> next{0};
    SUB1QUANT_CHECK(ParallelFor(threads_, threads_, [&](int64_t) -> absl::Status {
                      std::vector<char> buffer(kPiece);
                      for (size_t i = next++; i < tensors_.size(); i = next++) {
                        const TensorRecord& tensor = tensors_[i];
                        model_->WillRead(tensor.file, tensor.offset, tensor.bytes);
                        for (uint64_t done = 0; done < tensor.bytes; done += kPiece) {
                          const uint64_t piece = std::min<uint64_t>(kPiece, tensor.bytes - done);
                          SUB1QUANT_RETURN_IF_ERROR(
                              model_->Read(tensor.file, tensor.offset + done, buffer.data(), piece));
                        }
                      }
                      return absl::OkStatus();
                    }).ok());
  });
}

Spent Passes::Write(const std::vector<uint64_t>& sizes) {
  ClearScratch();
  SUB1QUANT_CHECK(MakeDirectories(scratch_).ok());
  const uint64_t largest = *std::max_element(sizes.begin(), sizes.end());
  // Nothing that a disk could fold: random, and another part of it for each file.
  std::vector<uint64_t> random(largest / 8 + sizes.size() + 1);
  std::mt19937_64 generator(1);
  for (uint64_t& word : random) word = generator();
  const auto write = [&](int64_t i) -> absl::Status {
    SUB1QUANT_ASSIGN_OR_RETURN(const std::unique_ptr<AtomicFile> file,
                               AtomicFile::Create(scratch_ + "/" + std::to_string(i)));
    SUB1QUANT_RETURN_IF_ERROR(file->Append(random.data() + i, sizes[static_cast<size_t>(i)]));
    return file->Commit();
  };
  return Measure(
      [&] { SUB1QUANT_CHECK(ParallelFor(LaneCount(threads_), static_cast<int64_t>(sizes.size()), write).ok()); });
}

Spent Passes::Hash(const std::vector<uint64_t>& sizes) const {
  const uint64_t bytes = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
  const auto steps = static_cast<int64_t>(bytes / kSha256Streams / kPiece);
  const auto hash = [&](int64_t thread) {
    std::vector<uint8_t> data(kSha256Streams * kPiece, 1);
    Sha256Stream states[kSha256Streams];
    Sha256Stream* streams[kSha256Streams];
    const uint8_t* pieces[kSha256Streams];
    for (int i = 0; i < kSha256Streams; ++i) {
      streams[i] = &states[i];
      pieces[i] = data.data() + static_cast<size_t>(i) * kPiece;
    }
    for (int64_t step = thread; step < steps; step += threads_)
      AddSha256Blocks(streams, pieces, kSha256Streams, kPiece / kSha256BlockBytes);
    return absl::OkStatus();
  };
  return Measure([&] { SUB1QUANT_CHECK(ParallelFor(threads_, threads_, hash).ok()); });
}

Spent Passes::InMemory(const std::function<absl::Status(const MatrixView&)>& body) {
  std::map<std::vector<int64_t>, std::vector<char>> shapes;
  for (const TensorRecord& tensor : tensors_) {
    std::vector<char>& bytes = shapes[tensor.shape];
    if (!bytes.empty()) continue;
    bytes.resize(tensor.bytes);
    SUB1QUANT_CHECK(model_->Read(tensor.file, tensor.offset, bytes.data(), bytes.size()).ok());
  }
  return Measure([&] {
    SUB1QUANT_CHECK(ParallelFor(threads_, static_cast<int64_t>(tensors_.size()), [&](int64_t i) {
                      const TensorRecord& tensor = tensors_[static_cast<size_t>(i)];
                      return body({shapes.at(tensor.shape).data(), tensor.dtype, tensor.rows(), tensor.cols()});
                    }).ok());
  });
}

Spent Passes::SearchInMemory() {
  return InMemory(
      [](const MatrixView& view) { return SearchMatrix(view, kGroupSize, PublishedMethods(), 1).status(); });
}

Spent Passes::EncodeInMemory() {
  EncodeOptions options;
  options.group_size = kGroupSize;
  return InMemory([&](const MatrixView& view) { return FindCodec("groupwise_int4")->Encode(view, options).status(); });
}

void Passes::DropPageCache() {
  std::set<std::string> files;
  for (const TensorRecord& tensor : tensors_) files.insert(tensor.file);
  for (const std::string& file : files) {
    const auto opened = ReadableFile::Open(path_ + "/" + file).value();
    SUB1QUANT_CHECK(posix_fadvise(opened->descriptor(), 0, 0, POSIX_FADV_DONTNEED) == 0);
  }
}

void Passes::ClearScratch() {
  blobs_.reset();
  std::filesystem::remove_all(scratch_);
  sync();  // the removal's own work on the disk is nobody's
}

Resources Passes::MakeResources(TensorDigests& digests) {
  tensor_loader_ = std::make_unique<TensorLoader>(hashes_, digests);
  if (blobs_ == nullptr) blobs_ = OpenBlobDirectory(scratch_).value();
  return {*clock_, *access_, *blobs_, *metrics_, *coder_, cpu_, hashes_, *tensor_loader_, choices_};
}

}  // namespace sub1quant

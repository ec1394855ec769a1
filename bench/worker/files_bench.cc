// Search and pack from file to file, with the worker's own executors and no server: ratios within one run, arms
// interleaved, medians.
//
//   B4       search (five published formats) from a cached file, digests known, against the slower of reading the same
//            ranges and searching the same bytes in memory
//   B4-first the same with every tensor hashed: what the first search of a model costs
//   B4-cold  search from a file that is not in the page cache, against reading its ranges alone
//   B8       pack (groupwise_int4) into a blob directory, digests of the tensors known as after a search, against
//            writing blobs of the same sizes there
//   B8-first the same with every tensor hashed
//
// and, on demand, our arms of what bench/peers.py compares:
//
//   B17-ours weights per processor second (user and system) of that pack; `first`: with every tensor hashed
//   B3-ours  seconds of the search of the largest matrix, in memory
//
//   files_bench --model DIR --scratch DIR [--threads N] [--repeats N] [NAME…]
//
// Output: one JSON object a line, as every benchmark.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "core/check.h"
#include "core/file.h"
#include "core/json.h"
#include "core/parallel.h"
#include "quant/model/quantizable.h"
#include "quant/model/safetensors.h"
#include "worker/executors/pack.h"
#include "worker/executors/search.h"
#include "worker/lanes.h"

namespace sub1quant {
namespace {

constexpr size_t kPiece = size_t{4} << 20;

double Seconds(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double ProcessorSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

class OneModel final : public ModelAccess {
 public:
  explicit OneModel(const std::string& directory) : source_(OpenModelDirectory(directory).value()) {}
  absl::StatusOr<std::shared_ptr<ModelSource>> Open(const ModelReference&) override { return source_; }
  ModelSource& source() { return *source_; }

 private:
  std::shared_ptr<ModelSource> source_;
};

void PrintLine(const Json& json) {
  std::printf("%s\n", json.dump().c_str());
  std::fflush(stdout);
}

class FilesBench {
 public:
  FilesBench(const std::string& model, std::string scratch, int threads, int repeats)
      : path_(model), scratch_(std::move(scratch)), threads_(threads), repeats_(repeats), model_(model), cpu_(threads) {
    const TensorInventory inventory = ReadInventory(model_.source()).value();
    for (const size_t index : SelectQuantizable(inventory).indices) tensors_.push_back(inventory.tensors[index]);
    SUB1QUANT_CHECK(!tensors_.empty());
    for (const ModelFile& file : inventory.files) identities_[file.name] = file.identity;
    // As the server leases them.
    std::stable_sort(tensors_.begin(), tensors_.end(),
                     [](const TensorRecord& a, const TensorRecord& b) { return a.bytes > b.bytes; });
    for (const TensorRecord& tensor : tensors_) weights_ += static_cast<double>(tensor.elements());
  }

  void SearchCached() {
    TensorDigests known;
    SearchAll(known);  // also fills the page cache
    std::vector<double> warm, first, reading, computing;
    for (int i = 0; i < repeats_; ++i) {
      warm.push_back(SearchAll(known));
      reading.push_back(ReadAll());
      computing.push_back(ComputeAll());
      TensorDigests none;
      first.push_back(SearchAll(none));
    }
    const double floor = std::max(Median(reading), Median(computing));
    std::fprintf(stderr, "B4: %.2f Gweights, read alone %.3f s, search in memory %.3f s, most memory %.0f MiB\n",
                 weights_ / 1e9, Median(reading), Median(computing), PeakMiB());
    Print("B4", Median(warm), floor, "s", Median(warm) / floor, 1.2, "lower");
    Print("B4-first", Median(first), floor, "s", Median(first) / floor, 1.2, "lower");
  }

  void SearchCold() {
    TensorDigests known;
    SearchAll(known);
    std::vector<double> cold, reading;
    for (int i = 0; i < repeats_; ++i) {
      DropCache();
      cold.push_back(SearchAll(known));
      DropCache();
      reading.push_back(ReadAll());
    }
    Print("B4-cold", Median(cold), Median(reading), "s", Median(cold) / Median(reading), 1.15, "lower");
  }

  void Pack() {
    TensorDigests known;
    std::vector<uint64_t> sizes;
    PackAll(known, &sizes);
    std::vector<double> packing, first, writing;
    for (int i = 0; i < repeats_; ++i) {
      packing.push_back(PackAll(known, &sizes));
      writing.push_back(WriteAll(sizes));
      TensorDigests none;
      first.push_back(PackAll(none, &sizes));
    }
    const double floor = Median(writing);
    Print("B8", Median(packing), floor, "s", Median(packing) / floor, 1.25, "lower");
    Print("B8-first", Median(first), floor, "s", Median(first) / floor, 1.25, "lower");
  }

  void PackForPeers() {
    TensorDigests known;
    std::vector<uint64_t> sizes;
    PackAll(known, &sizes);
    const auto rate = [&](TensorDigests& digests) {
      ClearScratch();  // not counted
      const double before = ProcessorSeconds();
      PackAll(digests, &sizes);
      return weights_ / 1e9 / (ProcessorSeconds() - before);
    };
    std::vector<double> rates, first;
    for (int i = 0; i < repeats_; ++i) {
      rates.push_back(rate(known));
      TensorDigests none;
      first.push_back(rate(none));
    }
    PrintLine({{"name", "B17-ours"},
               {"ours", Median(rates)},
               {"first", Median(first)},
               {"unit", "Gweights per processor second"}});
  }

  void SearchForPeers() {
    const TensorRecord& tensor = tensors_.front();
    std::vector<char> bytes(tensor.bytes);
    SUB1QUANT_CHECK(model_.source().Read(tensor.file, tensor.offset, bytes.data(), bytes.size()).ok());
    const MatrixView view{bytes.data(), tensor.dtype, tensor.rows(), tensor.cols()};
    std::vector<double> seconds;
    for (int i = 0; i < repeats_; ++i)
      seconds.push_back(Seconds([&] { SUB1QUANT_CHECK(SearchMatrix(view, 128, PublishedMethods(), threads_).ok()); }));
    PrintLine({{"name", "B3-ours"}, {"ours", Median(seconds)}, {"rows", view.rows}, {"cols", view.cols}});
  }

 private:
  void Print(const std::string& name, double ours, double other, const std::string& unit, double ratio, double goal,
             const std::string& better) const {
    PrintLine({{"name", name},
               {"ratio", ratio},
               {"goal", goal},
               {"better", better},
               {"ours", ours},
               {"other", other},
               {"unit", unit},
               {"repeats", repeats_}});
  }

  // All tensors, each in a lane, as the worker's loop does it.
  double Run(const std::function<void(const TensorRecord&)>& body) {
    return Seconds([&] {
      Lanes lanes(threads_ + 3);
      std::vector<std::shared_ptr<Lanes::Job>> jobs;
      for (const TensorRecord& tensor : tensors_) jobs.push_back(lanes.Begin([&] { body(tensor); }));
      for (const auto& job : jobs) lanes.Wait(*job);
    });
  }

  double SearchAll(TensorDigests& digests) {
    SearchExecutor executor(MakeResources(digests));
    return Run([&](const TensorRecord& tensor) {
      TaskContext context;
      SUB1QUANT_CHECK(executor.Execute({{}, tensor, identities_[tensor.file], 128, PublishedMethods()}, context).ok());
    });
  }

  double PackAll(TensorDigests& digests, std::vector<uint64_t>* sizes) {
    ClearScratch();
    blobs_ = OpenBlobDirectory(scratch_).value();
    PackExecutor executor(MakeResources(digests));
    std::mutex mutex;
    sizes->clear();
    return Run([&](const TensorRecord& tensor) {
      TaskContext context;
      const auto packed = executor.Execute({{}, tensor, identities_[tensor.file], 128, "groupwise_int4"}, context);
      SUB1QUANT_CHECK(packed.ok());
      const std::lock_guard<std::mutex> lock(mutex);
      sizes->push_back(packed->blob_bytes);
    });
  }

  // Plain files, written and synced by as many threads as pack has lanes, no digest.
  double WriteAll(const std::vector<uint64_t>& sizes) {
    ClearScratch();
    SUB1QUANT_CHECK(MakeDirectories(scratch_).ok());
    const uint64_t largest = *std::max_element(sizes.begin(), sizes.end());
    // Nothing that a disk could fold: random, and another part of it for each file.
    std::vector<uint64_t> random(largest / 8 + sizes.size() + 1);
    std::mt19937_64 generator(1);
    for (uint64_t& word : random) word = generator();
    return Seconds([&] {
      SUB1QUANT_CHECK(ParallelFor(threads_ + 3, static_cast<int64_t>(sizes.size()), [&](int64_t i) -> absl::Status {
                        auto file = AtomicFile::Create(scratch_ + "/" + std::to_string(i));
                        if (!file.ok()) return file.status();
                        if (const absl::Status status =
                                (*file)->Append(random.data() + i, sizes[static_cast<size_t>(i)]);
                            !status.ok())
                          return status;
                        return (*file)->Commit();
                      }).ok());
    });
  }

  // Every range, in large reads into memory that is used again.
  double ReadAll() {
    return Seconds([&] {
      std::atomic<size_t> next{0};
      SUB1QUANT_CHECK(ParallelFor(threads_, threads_, [&](int64_t) -> absl::Status {
                        std::vector<char> buffer(kPiece);
                        for (size_t i = next++; i < tensors_.size(); i = next++) {
                          const TensorRecord& tensor = tensors_[i];
                          model_.source().WillRead(tensor.file, tensor.offset, tensor.bytes);
                          for (uint64_t done = 0; done < tensor.bytes; done += kPiece) {
                            const absl::Status status =
                                model_.source().Read(tensor.file, tensor.offset + done, buffer.data(),
                                                     std::min<uint64_t>(kPiece, tensor.bytes - done));
                            if (!status.ok()) return status;
                          }
                        }
                        return absl::OkStatus();
                      }).ok());
    });
  }

  // One matrix of each shape in memory, searched by each thread as often as its shape occurs, without any file.
  double ComputeAll() {
    std::map<std::vector<int64_t>, std::vector<char>> shapes;
    for (const TensorRecord& tensor : tensors_) {
      std::vector<char>& bytes = shapes[tensor.shape];
      if (!bytes.empty()) continue;
      bytes.resize(tensor.bytes);
      SUB1QUANT_CHECK(model_.source().Read(tensor.file, tensor.offset, bytes.data(), bytes.size()).ok());
    }
    return Seconds([&] {
      SUB1QUANT_CHECK(ParallelFor(threads_, static_cast<int64_t>(tensors_.size()), [&](int64_t i) {
                        const TensorRecord& tensor = tensors_[static_cast<size_t>(i)];
                        const MatrixView view{shapes[tensor.shape].data(), tensor.dtype, tensor.rows(), tensor.cols()};
                        return SearchMatrix(view, 128, PublishedMethods(), 1).status();
                      }).ok());
    });
  }

  void DropCache() {
    std::set<std::string> files;
    for (const TensorRecord& tensor : tensors_) files.insert(tensor.file);
    for (const std::string& file : files) {
      const auto opened = ReadableFile::Open(path_ + "/" + file).value();
      SUB1QUANT_CHECK(posix_fadvise(opened->descriptor(), 0, 0, POSIX_FADV_DONTNEED) == 0);
    }
  }

  void ClearScratch() {
    blobs_.reset();
    std::filesystem::remove_all(scratch_);
    sync();  // the removal's own work on the disk is nobody's
  }

  Resources MakeResources(TensorDigests& digests) {
    tensor_loader_ = std::make_unique<TensorLoader>(hashes_, digests);
    if (blobs_ == nullptr) blobs_ = OpenBlobDirectory(scratch_).value();
    return {*clock_, model_, *blobs_, *metrics_, *coder_, cpu_, hashes_, *tensor_loader_, choices_};
  }

  static double PeakMiB() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
  }

  const std::string path_, scratch_;
  const int threads_, repeats_;
  const std::unique_ptr<Clock> clock_ = NewSystemClock();
  const std::unique_ptr<WorkerMetrics> metrics_ = NewNullMetrics();
  const std::unique_ptr<MatrixCoder> coder_ = NewCpuCoder();
  OneModel model_;
  ComputeThreads cpu_;
  DigestPool hashes_{cpu_};
  ChoiceCache choices_{uint64_t{256} << 20};
  std::unique_ptr<TensorLoader> tensor_loader_;
  std::unique_ptr<BlobStore> blobs_;
  std::vector<TensorRecord> tensors_;
  std::map<std::string, std::string> identities_;
  double weights_ = 0;
};

}  // namespace
}  // namespace sub1quant

int main(int argc, char** argv) {
  std::string model, scratch;
  int threads = sub1quant::AvailableThreads(), repeats = 5;
  std::vector<std::string> names;
  CLI::App app("Search and pack from file to file, as ratios within one run.");
  app.add_option("--model", model, "model directory")->required();
  app.add_option("--scratch", scratch, "directory for blobs; what is in it goes")->required();
  app.add_option("--threads", threads)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--repeats", repeats)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("NAME", names, "B4, B4-cold, B8 (all three without a name), B17-ours, B3-ours");
  CLI11_PARSE(app, argc, argv);
  if (names.empty()) names = {"B4", "B4-cold", "B8"};
  sub1quant::FilesBench bench(model, scratch, threads, repeats);
  for (const std::string& name : names) {
    if (name == "B4") bench.SearchCached();
    if (name == "B4-cold") bench.SearchCold();
    if (name == "B8") bench.Pack();
    if (name == "B17-ours") bench.PackForPeers();
    if (name == "B3-ours") bench.SearchForPeers();
  }
  return 0;
}

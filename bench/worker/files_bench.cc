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
// Output: one JSON object a line, as every benchmark; what is behind a ratio, on stderr.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/measure.h"
#include "bench/worker/passes.h"
#include "core/check.h"
#include "core/json.h"
#include "core/parallel.h"
#include "quant/search/search.h"

namespace sub1quant {
namespace {

void PrintLine(const Json& json) {
  std::printf("%s\n", json.dump().c_str());
  std::fflush(stdout);
}

class FilesBench {
 public:
  FilesBench(const std::string& model, const std::string& scratch, int threads, int repeats)
      : threads_(threads), repeats_(repeats), passes_(model, scratch, threads) {}

  void Search() {
    TensorDigests known;
    passes_.Search(known);  // also fills the page cache
    std::vector<double> warm, first, reading, computing;
    for (int i = 0; i < repeats_; ++i) {
      warm.push_back(passes_.Search(known).seconds);
      reading.push_back(passes_.Read().seconds);
      computing.push_back(passes_.SearchInMemory().seconds);
      TensorDigests none;
      first.push_back(passes_.Search(none).seconds);
    }
    std::fprintf(stderr, "B4: %.2f Gweights, read alone %.3f s, search in memory %.3f s, most memory %.2f GiB\n",
                 passes_.weights() / 1e9, Median(reading), Median(computing), PeakGibibytes());
    const double floor = std::max(Median(reading), Median(computing));
    Print("B4", Median(warm), floor, 1.2);
    Print("B4-first", Median(first), floor, 1.2);
  }

  void SearchCold() {
    TensorDigests known;
    passes_.Search(known);
    std::vector<double> cold, reading;
    for (int i = 0; i < repeats_; ++i) {
      passes_.DropPageCache();
      cold.push_back(passes_.Search(known).seconds);
      passes_.DropPageCache();
      reading.push_back(passes_.Read().seconds);
    }
    Print("B4-cold", Median(cold), Median(reading), 1.15);
  }

  // Beside the ratio, the processor seconds of what pack cannot leave out: where their sum on all threads is longer
  // than the disk's time, no order of the work would reach the goal.
  void Pack() {
    TensorDigests known;
    std::vector<uint64_t> sizes;
    passes_.Pack(known, &sizes);
    std::vector<double> packing, first, writing, pack, read, encode, hash, write;
    for (int i = 0; i < repeats_; ++i) {
      const Spent packed = passes_.Pack(known, &sizes), written = passes_.Write(sizes);
      packing.push_back(packed.seconds);
      writing.push_back(written.seconds);
      pack.push_back(packed.processor_seconds);
      write.push_back(written.processor_seconds);
      read.push_back(passes_.Read().processor_seconds);
      encode.push_back(passes_.EncodeInMemory().processor_seconds);
      hash.push_back(passes_.Hash(sizes).processor_seconds);
      TensorDigests none;
      first.push_back(passes_.Pack(none, &sizes).seconds);
    }
    std::fprintf(stderr, "B8: processor seconds %.2f; alone: read %.2f, encode %.2f, hash %.2f, write and sync %.2f\n",
                 Median(pack), Median(read), Median(encode), Median(hash), Median(write));
    Print("B8", Median(packing), Median(writing), 1.25);
    Print("B8-first", Median(first), Median(writing), 1.25);
  }

  void PackForPeers() {
    TensorDigests known;
    std::vector<uint64_t> sizes;
    passes_.Pack(known, &sizes);
    const auto rate = [&](TensorDigests& digests) {
      return passes_.weights() / 1e9 / passes_.Pack(digests, &sizes).processor_seconds;
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
    const TensorRecord& tensor = passes_.largest();
    std::vector<char> bytes(tensor.bytes);
    SUB1QUANT_CHECK(passes_.source().Read(tensor.file, tensor.offset, bytes.data(), bytes.size()).ok());
    const MatrixView view{bytes.data(), tensor.dtype, tensor.rows(), tensor.cols()};
    const auto search = [&] { SUB1QUANT_CHECK(SearchMatrix(view, 128, PublishedMethods(), threads_).ok()); };
    std::vector<double> seconds;
    for (int i = 0; i < repeats_; ++i) seconds.push_back(Measure(search).seconds);
    PrintLine({{"name", "B3-ours"}, {"ours", Median(seconds)}, {"rows", view.rows}, {"cols", view.cols}});
  }

 private:
  void Print(const std::string& name, double ours, double other, double goal) const {
    PrintLine({{"name", name},
               {"ratio", ours / other},
               {"goal", goal},
               {"better", "lower"},
               {"ours", ours},
               {"other", other},
               {"unit", "s"},
               {"repeats", repeats_}});
  }

  const int threads_, repeats_;
  Passes passes_;
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
    if (name == "B4") bench.Search();
    if (name == "B4-cold") bench.SearchCold();
    if (name == "B8") bench.Pack();
    if (name == "B17-ours") bench.PackForPeers();
    if (name == "B3-ours") bench.SearchForPeers();
  }
  return 0;
}

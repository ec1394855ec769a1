// Passes over all matrices of a model, as files_bench measures them: the worker's own executors in the worker's own
// lanes, and beside them what no program could leave out.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "quant/model/safetensors.h"
#include "worker/executors/resources.h"
#include "worker/executors/tensor_loader.h"

namespace sub1quant {

// Groups of 128; the search takes the published formats, pack groupwise_int4. What fails ends the program.
class Passes {
 public:
  // `scratch`: a directory for blobs; what is in it goes.
  Passes(const std::string& model, std::string scratch, int threads);

  double weights() const { return weights_; }
  const TensorRecord& largest() const { return tensors_.front(); }
  ModelSource& source() const { return *model_; }

  // From the model's files. `digests`: of the tensors, known from an earlier pass; those that are not are found out.
  Spent Search(TensorDigests& digests);
  // Into a new blob directory; `sizes` are the blobs' bytes.
  Spent Pack(TensorDigests& digests, std::vector<uint64_t>* sizes);

  // Every range of the files, in large reads into memory that is used again.
  Spent Read();
  // Plain files of random bytes, written and synced by as many threads as pack has lanes.
  Spent Write(const std::vector<uint64_t>& sizes);
  // SHA-256 of as many bytes, as many streams a thread as it takes at most.
  Spent Hash(const std::vector<uint64_t>& sizes) const;
  // One matrix of each shape in memory, worked on by each thread as often as its shape occurs, without any file.
  Spent SearchInMemory();
  Spent EncodeInMemory();

  // The next pass reads from the disk.
  void DropPageCache();

 private:
  Spent InLanes(const std::function<absl::Status(const TensorRecord&)>& body);
  Spent InMemory(const std::function<absl::Status(const MatrixView&)>& body);
  void ClearScratch();
  Resources MakeResources(TensorDigests& digests);

  const std::string path_, scratch_;
  const int threads_;
  const std::shared_ptr<ModelSource> model_;
  const std::unique_ptr<ModelAccess> access_;
  const std::unique_ptr<Clock> clock_ = NewSystemClock();
  const std::unique_ptr<WorkerMetrics> metrics_ = NewNullMetrics();
  const std::unique_ptr<MatrixCoder> coder_ = NewCpuCoder();
  ComputeThreads cpu_;
  DigestPool hashes_{cpu_};
  ChoiceCache choices_{uint64_t{256} << 20};
  std::unique_ptr<TensorLoader> tensor_loader_;
  std::unique_ptr<BlobStore> blobs_;
  std::vector<TensorRecord> tensors_;  // the largest first, as the server leases them
  std::map<std::string, std::string> identities_;
  double weights_ = 0;
};

}  // namespace sub1quant

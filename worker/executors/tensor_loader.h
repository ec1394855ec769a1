// The bytes of one matrix and their digest, from the very version of the file that the coordinator saw.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/buffer_pool.h"
#include "core/digest_pool.h"
#include "core/thread_budget.h"
#include "quant/codec/codec.h"
#include "quant/model/model_source.h"
#include "worker/executor.h"
#include "worker/executors/tensor_digests.h"

namespace sub1quant {

// The file as it is now; FailedPrecondition "model changed" unless it is there with this identity (any, if empty).
absl::StatusOr<ModelSource::File> CheckFileIdentity(ModelSource& source, const std::string& file,
                                                    const std::string& identity);

// Thread-safe: each call reads into a buffer of its own, lent until the caller is done with it.
class TensorLoader {
 public:
  // Hashes with the threads of `budget`; `digests` outlives the loader.
  TensorLoader(ThreadBudget& budget, TensorDigests& digests) : hashes_(budget), digests_(digests) {}

  struct Loaded {
    MatrixView view;  // into `bytes`
    std::string sha256;
    BufferPool::Loan bytes;
  };
  // Reads in pieces and looks at `context` between them. With an `identity`, the file must have it before and after.
  // A tensor of this version of the file that was hashed before is not hashed again. InvalidArgument for a record that
  // is no matrix of BF16, F16 or F32 or lies outside its file. The caller holds no thread of the budget.
  absl::StatusOr<Loaded> Load(ModelSource& source, const TensorRecord& tensor, const std::string& identity,
                              const TaskContext& context);
  // Frees the buffers that are not lent.
  void Trim() { buffers_.Trim(); }

 private:
  BufferPool buffers_;
  DigestPool hashes_;
  TensorDigests& digests_;
};

}  // namespace sub1quant

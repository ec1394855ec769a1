// The bytes of one matrix and their digest, from the very version of the file that the coordinator saw.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/buffer_pool.h"
#include "core/digest_pool.h"
#include "quant/codec/codec.h"
#include "quant/model/model_source.h"
#include "worker/executor.h"
#include "worker/executors/tensor_digests.h"

namespace sub1quant {

// The file as it is now; FailedPrecondition "model changed" unless it is there with this identity (any, if empty).
absl::StatusOr<ModelSource::File> CheckFileIdentity(ModelSource& source, const std::string& file,
                                                    const std::string& identity);

// A matrix of the model, ready to be searched or encoded.
class OpenTensor {
 public:
  // Into memory, or with a reader. Valid as long as this object, the source and the task's context.
  const MatrixView& view() const { return view_; }
  const std::string& sha256() const { return sha256_; }
  // After the last use of the view: the file is still what it was.
  absl::Status CheckUnchanged() const;

 private:
  friend class TensorLoader;
  std::shared_ptr<ModelSource> source_;
  std::string file_, identity_;
  std::string sha256_;
  MatrixView view_;
  BufferPool::Loan bytes_;             // of a tensor that is in memory
  std::unique_ptr<RowReader> reader_;  // of one that is not
};

// Thread-safe: each tensor that is read whole has a buffer of its own, lent as long as the OpenTensor lives.
class TensorLoader {
 public:
  TensorLoader(DigestPool& hashes, TensorDigests& digests) : hashes_(hashes), digests_(digests) {}

  // A tensor of this version of the file that was hashed before is not hashed again, and its rows are read when they
  // are asked for if the file is on this machine. Another one is read whole, in pieces between which `context` is
  // looked at, and hashed.
  // FailedPrecondition if the file has not this `identity` (any, if empty); InvalidArgument for a record that is no
  // matrix of BF16, F16 or F32 or lies outside its file. The caller holds no thread of the pool's budget.
  absl::StatusOr<OpenTensor> Open(std::shared_ptr<ModelSource> source, const TensorRecord& tensor,
                                  const std::string& identity, const TaskContext& context);
  // Frees the buffers that are not lent.
  void Trim() { buffers_.Trim(); }

 private:
  BufferPool buffers_;
  DigestPool& hashes_;
  TensorDigests& digests_;
};

}  // namespace sub1quant

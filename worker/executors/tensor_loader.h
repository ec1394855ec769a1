// The bytes of one matrix and their digest, from the very version of the file that the coordinator saw.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/codec/codec.h"
#include "quant/model/model_source.h"
#include "worker/executor.h"

namespace sub1quant {

// FailedPrecondition "model changed" unless `file` is there with this identity. Returns its size.
absl::StatusOr<uint64_t> CheckFileIdentity(ModelSource& source, const std::string& file, const std::string& identity);

// Keeps its buffer for the next tensor. Used from one thread.
class TensorLoader {
 public:
  struct Loaded {
    MatrixView view;  // into the loader's buffer, until the next Load
    std::string sha256;
  };
  // Reads in pieces and looks at `context` between them. With an `identity`, the file must have it before and after.
  // InvalidArgument for a record that is no matrix of BF16, F16 or F32 or lies outside its file.
  absl::StatusOr<Loaded> Load(ModelSource& source, const TensorRecord& tensor, const std::string& identity,
                              const TaskContext& context);

 private:
  std::vector<char> buffer_;
};

}  // namespace sub1quant

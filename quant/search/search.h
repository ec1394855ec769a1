// Search: one matrix × candidate formats → exact error sum of each. The step that the budget allocation decides on.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/exact_sum.h"
#include "quant/codec/codec.h"
#include "quant/codec/implementations.h"

namespace sub1quant {

// One candidate of one matrix. Sums, not ratios: `bpw` and `mse` are made where they are shown.
struct CandidateRow {
  std::string method;
  int64_t bits = 0;  // nominal
  ExactSum error;
  friend bool operator==(const CandidateRow&, const CandidateRow&) = default;
};

// Rows in the order of `methods`. Equal to encoding with every codec and taking its `error`, but the shared parts are
// computed once; neither `threads` nor `implementation` changes a bit. A method that must refuse this matrix
// (docs/formats.md §1) is an error naming method, row and column.
// `kept`: null, or filled with what each method's Encode can take over, empty bytes where there is nothing.
absl::StatusOr<std::vector<CandidateRow>> SearchMatrix(const MatrixView& matrix, int group_size,
                                                       const std::vector<std::string>& methods, int threads,
                                                       const Implementation& implementation = BestImplementation(),
                                                       std::vector<KeptChoices>* kept = nullptr);

}  // namespace sub1quant

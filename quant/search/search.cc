#include "quant/search/search.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/status.h"
#include "quant/codec/family.h"
#include "quant/codec/implementations.h"
#include "quant/codec/weight_tile.h"

namespace sub1quant {
namespace {

// The candidates of one family. Their sums stand together in the order below, `rows` says whose each is.
struct Part {
  std::unique_ptr<TileEvaluator> evaluator;
  std::vector<size_t> rows;
  std::vector<uint8_t*> choices;  // where they are kept, as `rows`; null where they are not
};

absl::StatusOr<std::vector<Part>> Plan(const std::vector<std::string>& methods, int group_size) {
  std::vector<Part> parts;
  size_t planned = 0;
  for (const Family* family : Families()) {
    Part part;
    std::vector<std::string> mine;
    for (size_t i = 0; i < methods.size(); ++i) {
      if (family->Find(methods[i]) == nullptr) continue;
      mine.push_back(methods[i]);
      part.rows.push_back(i);
    }
    if (mine.empty()) continue;
    SUB1QUANT_ASSIGN_OR_RETURN(part.evaluator, family->NewEvaluator(mine, group_size));
    planned += mine.size();
    parts.push_back(std::move(part));
  }
  if (planned == methods.size()) return parts;
  for (const std::string& method : methods)
    if (FindCodec(method) == nullptr)
      return absl::InvalidArgumentError(
          absl::StrCat("unknown method '", method, "', known are ", absl::StrJoin(KnownMethods(), ", ")));
  return absl::InternalError("a method belongs to two families");
}

void MakeRoom(int64_t groups, const std::vector<std::string>& methods, std::vector<KeptChoices>* kept,
              std::vector<Part>& parts) {
  if (kept != nullptr) {
    kept->resize(methods.size());
    for (size_t i = 0; i < methods.size(); ++i)
      (*kept)[i].bytes.resize(static_cast<size_t>(groups * FindCodec(methods[i])->ChoiceBytes()));
  }
  for (Part& part : parts) {
    for (const size_t row : part.rows) {
      const bool keeps = kept != nullptr && !(*kept)[row].bytes.empty();
      part.choices.push_back(keeps ? (*kept)[row].bytes.data() : nullptr);
    }
  }
}

// The first group that cannot be encoded, whichever method refuses it.
absl::Status CheckTile(const std::vector<Part>& parts, const std::string& first_method, const WeightTile& tile) {
  for (int lane = 0; lane < tile.lanes; ++lane) {
    if (tile.absmax[lane] <= kNeverRefused) continue;
    SUB1QUANT_RETURN_IF_ERROR(Annotate(CheckFinite(tile, lane), first_method));
    for (const Part& part : parts) SUB1QUANT_RETURN_IF_ERROR(part.evaluator->Check(tile, lane));
  }
  return absl::OkStatus();
}

// `sums`: room for the sums of one family.
void EvaluateTile(const std::vector<Part>& parts, const WeightTile& tile, const Implementation& implementation,
                  float (*sums)[kTileLanes], ExactSum* totals) {
  for (const Part& part : parts) {
    part.evaluator->Evaluate(tile, implementation, sums, part.choices.data());
    for (size_t i = 0; i < part.rows.size(); ++i)
      for (int lane = 0; lane < tile.lanes; ++lane) totals[part.rows[i]].Add(sums[i][lane]);
  }
}

}  // namespace

absl::StatusOr<std::vector<CandidateRow>> SearchMatrix(const MatrixView& matrix, int group_size,
                                                       const std::vector<std::string>& methods, int threads,
                                                       const Implementation& implementation,
                                                       std::vector<KeptChoices>* kept) {
  SUB1QUANT_RETURN_IF_ERROR(CheckMatrix(matrix, group_size));
  if (methods.empty()) return absl::InvalidArgumentError("no candidate methods");
  SUB1QUANT_ASSIGN_OR_RETURN(std::vector<Part> parts, Plan(methods, group_size));
  MakeRoom(matrix.rows * GroupsPerRow(matrix.cols, group_size), methods, kept, parts);
  std::vector<CandidateRow> rows(methods.size());
  for (size_t i = 0; i < methods.size(); ++i) {
    rows[i].method = methods[i];
    rows[i].bits = FindCodec(methods[i])->NominalBits(matrix.rows, matrix.cols, group_size);
  }
  // Per block: its totals, and room for the sums of one tile.
  const auto blocks = static_cast<size_t>(RowBlockCount(matrix));
  std::vector<ExactSum> totals(blocks * methods.size());
  const auto scratch = std::make_unique<float[][kTileLanes]>(blocks * methods.size());
  auto evaluate = [&](int64_t block, const WeightTile& tile) -> absl::Status {
    SUB1QUANT_RETURN_IF_ERROR(CheckTile(parts, methods.front(), tile));
    const size_t at = static_cast<size_t>(block) * methods.size();
    EvaluateTile(parts, tile, implementation, &scratch[at], &totals[at]);
    return absl::OkStatus();
  };
  SUB1QUANT_RETURN_IF_ERROR(ForEachTile(matrix, group_size, threads, implementation, evaluate));
  for (size_t i = 0; i < totals.size(); ++i) rows[i % methods.size()].error.Add(totals[i]);
  for (size_t i = 0; kept != nullptr && i < rows.size(); ++i) (*kept)[i].error = rows[i].error;
  return rows;
}

}  // namespace sub1quant

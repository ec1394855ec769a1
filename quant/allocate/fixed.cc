#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/allocate/problem.h"
#include "quant/allocate/relaxation.h"

namespace sub1quant {
namespace {

absl::StatusOr<int> OptionOf(const std::vector<allocate::Option>& options, const TableRow& row,
                             const std::string& method) {
  for (size_t j = 0; j < options.size(); ++j)
    if (options[j].candidate->method == method) return static_cast<int>(j);
  std::string known;
  for (const Candidate& candidate : row.candidates)
    absl::StrAppend(&known, known.empty() ? "" : ", ", candidate.method);
  return absl::NotFoundError(
      absl::StrCat("allocation: matrix ", row.index, " '", row.key, "' has no candidate '", method, "', only ", known));
}

}  // namespace

// There is no target: the bound is what the best choice of the same size could have, the target that size.
absl::StatusOr<Allocation> AllocateFixed(const CandidateTable& table, const std::vector<std::string>& methods) {
  SUB1QUANT_ASSIGN_OR_RETURN(const allocate::Problem problem, allocate::MakeProblem(table));
  if (methods.size() != table.rows.size())
    return absl::InvalidArgumentError(
        absl::StrCat("allocation: ", methods.size(), " formats for ", table.rows.size(), " matrices"));
  allocate::Choice choice;
  for (size_t i = 0; i < methods.size(); ++i) {
    SUB1QUANT_ASSIGN_OR_RETURN(const int option, OptionOf(problem.rows[i], table.rows[i], methods[i]));
    choice.push_back(option);
  }
  const double bits = allocate::TotalBits(problem, choice);
  const allocate::Relaxation relaxation = allocate::Relax(problem, bits);
  return allocate::MakeAllocation(problem, choice, bits / static_cast<double>(problem.total_params), bits,
                                  static_cast<double>(relaxation.bound));
}

}  // namespace sub1quant

#include "server/flow/allocate.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "core/status.h"
#include "quant/allocate/allocate.h"
#include "server/flow/search.h"

namespace sub1quant {
namespace {

absl::StatusOr<Decision> DecideFixed(const JobSpecification& specification, const Inspection& inspection) {
  const std::map<std::string, std::string> given(specification.allocation.begin(), specification.allocation.end());
  Decision decision;
  decision.allocator = "fixed";
  for (const InspectedTensor& tensor : inspection.tensors) {
    std::string method = tensor.pinned_method.empty() ? specification.uniform : tensor.pinned_method;
    if (method.empty()) {
      const auto found = given.find(tensor.record.key);
      if (found == given.end())
        return absl::InvalidArgumentError(
            absl::StrCat("--allocation has no format for '", tensor.record.key, "'; pin or exclude it"));
      method = found->second;
    }
    decision.methods.push_back(std::move(method));
  }
  return decision;
}

}  // namespace

absl::StatusOr<Decision> Decide(const JobSpecification& specification, const Inspection& inspection,
                                const std::vector<ScanRow>& scan, int target) {
  if (scan.empty()) return DecideFixed(specification, inspection);
  const CandidateTable table = MakeTable(specification, inspection, scan);
  AllocationOptions options;
  options.target_bpw = specification.target_bpw.at(target);
  const bool optimal = specification.allocator == "optimal";
  SUB1QUANT_ASSIGN_OR_RETURN(const Allocation allocation,
                             optimal ? AllocateOptimal(table, options) : AllocateGreedy(table, options));
  Decision decision;
  decision.allocator = specification.allocator;
  decision.bound_gap = allocation.bound_gap;
  for (size_t i = 0; i < inspection.tensors.size(); ++i) decision.methods.push_back(allocation.chosen[i].method);
  return decision;
}

std::string DecisionToJson(const Decision& decision) {
  Json json;
  json["methods"] = decision.methods;
  json["allocator"] = decision.allocator;
  json["bound_gap"] = decision.bound_gap;
  return json.dump();
}

absl::StatusOr<Decision> DecisionFromJson(const std::string& text) {
  SUB1QUANT_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  try {
    Decision decision;
    decision.methods = json.at("methods").get<std::vector<std::string>>();
    decision.allocator = json.at("allocator");
    decision.bound_gap = json.at("bound_gap");
    return decision;
  } catch (const nlohmann::json::exception& error) {
    return absl::DataLossError(std::string("document of stage allocate: ") + error.what());
  }
}

}  // namespace sub1quant

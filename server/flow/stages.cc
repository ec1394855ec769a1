#include "server/flow/stages.h"

#include "core/check.h"

namespace sub1quant {

bool Searches(const JobSpecification& specification) {
  return specification.quantize && specification.uniform.empty() && specification.allocation.empty();
}

int TargetCount(const JobSpecification& specification) {
  if (!specification.quantize) return 0;
  return Searches(specification) ? static_cast<int>(specification.target_bpw.size()) : 1;
}

std::vector<StageKey> StagesOf(const JobSpecification& specification) {
  const bool base =
      specification.evaluate &&
      (specification.quantize ? specification.baseline : specification.checkpoint_manifest_sha256.empty());
  // Also the order in which workers are given tasks: what an artifact needs comes before scoring.
  std::vector<StageKey> stages = {{kInspect, 0}};
  if (Searches(specification)) stages.push_back({kSearch, 0});
  const int targets = TargetCount(specification);
  for (int target = 0; target < targets; ++target)
    for (const char* name : {kAllocate, kPack, kSeal, kExport}) stages.push_back({name, target});
  if (base) stages.push_back({kScoreBase, 0});
  const bool scores_checkpoint = !specification.quantize && !specification.checkpoint_manifest_sha256.empty();
  if (specification.evaluate)
    for (int target = 0; target < targets + (scores_checkpoint ? 1 : 0); ++target)
      stages.push_back({kScoreQuantized, target});
  stages.push_back({kAggregate, 0});
  return stages;
}

std::vector<StageKey> DependenciesOf(const JobSpecification& specification, const StageKey& stage) {
  const auto& [name, target] = stage;
  if (name == kInspect) return {};
  if (name == kSearch || name == kScoreBase) return {{kInspect, 0}};
  if (name == kAllocate) return {{Searches(specification) ? kSearch : kInspect, 0}};
  if (name == kPack) return {{kAllocate, target}};
  if (name == kSeal) return {{kPack, target}};
  if (name == kExport) return {{kSeal, target}};
  if (name == kScoreQuantized) return {specification.quantize ? StageKey{kSeal, target} : StageKey{kInspect, 0}};
  SUB1QUANT_CHECK(name == kAggregate);
  std::vector<StageKey> all = StagesOf(specification);
  all.pop_back();
  return all;
}

}  // namespace sub1quant

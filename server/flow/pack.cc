#include "server/flow/pack.h"

#include "absl/strings/str_cat.h"
#include "core/check.h"
#include "server/flow/action_key.h"

namespace sub1quant {
namespace {

// Of one CPU core: for the order of tasks and the time left, nothing else.
constexpr double kPackWeightsPerSecond = 5e8;

}  // namespace

std::vector<PlannedTask> PlanPack(const JobSpecification& specification, const Inspection& inspection,
                                  const Decision& decision) {
  SUB1QUANT_CHECK(decision.methods.size() == inspection.tensors.size());
  std::vector<PlannedTask> tasks;
  for (size_t i = 0; i < decision.methods.size(); ++i) {
    const InspectedTensor& tensor = inspection.tensors[i];
    PackTask task;
    task.model = {specification.model_root, specification.model_path};
    task.tensor = tensor.record;
    task.file_identity = tensor.file_identity;
    task.group_size = specification.group_size;
    task.method = decision.methods[i];
    PlannedTask planned;
    planned.cost = static_cast<double>(tensor.record.elements()) / kPackWeightsPerSecond;
    planned.description = absl::StrCat(tensor.record.key, " as ", task.method);
    planned.task = std::move(task);
    planned.action_key = ActionKeyOf(planned.task);
    tasks.push_back(std::move(planned));
  }
  return tasks;
}

}  // namespace sub1quant

#include "server/flow/export.h"

#include "server/flow/action_key.h"

namespace sub1quant {
namespace {

// Reading and writing about half a byte a weight: for the time left, nothing else.
constexpr double kExportWeightsPerSecond = 5e8;

}  // namespace

std::vector<PlannedTask> PlanExport(const JobSpecification& specification, const std::string& manifest_sha256,
                                    double model_parameters) {
  ExportTask task;
  task.model = {specification.model_root, specification.model_path};
  task.manifest_sha256 = manifest_sha256;
  PlannedTask planned;
  planned.cost = model_parameters / kExportWeightsPerSecond;
  planned.description = "checkpoint.pt";
  planned.task = std::move(task);
  planned.action_key = ActionKeyOf(planned.task);
  return {planned};
}

}  // namespace sub1quant

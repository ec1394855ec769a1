#include "worker/executors/search.h"

#include <utility>

#include "core/status.h"

namespace sub1quant {

absl::StatusOr<SearchResult> SearchExecutor::Execute(const SearchTask& task, TaskContext& context) {
  SUB1QUANT_RETURN_IF_ERROR(CheckGroupSize(task.group_size));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::shared_ptr<ModelSource> source, resources_.models.Open(task.model));
  SUB1QUANT_ASSIGN_OR_RETURN(const OpenTensor tensor,
                             resources_.tensors.Open(source, task.tensor, task.file_identity, context));
  std::vector<KeptChoices> kept;
  absl::StatusOr<std::vector<CandidateRow>> rows = resources_.cpu.Run([&](int threads) {
    return resources_.coder.Search(tensor.view(), task.group_size, task.methods, threads, &kept);
  });
  if (!rows.ok()) return rows.status();
  SUB1QUANT_RETURN_IF_ERROR(tensor.CheckUnchanged());
  for (size_t i = 0; i < kept.size(); ++i)
    resources_.choices.Keep(tensor.sha256(), tensor.view(), task.group_size, *FindCodec(task.methods[i]),
                            std::move(kept[i]));
  resources_.metrics.TensorDone("search", static_cast<uint64_t>(task.tensor.elements()), task.tensor.bytes, 0);
  return SearchResult{tensor.sha256(), *std::move(rows)};
}

}  // namespace sub1quant

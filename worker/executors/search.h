// search: one matrix × candidate formats → bits and exact error of each.
#pragma once

#include "worker/executors/resources.h"

namespace sub1quant {

// Thread-safe.
class SearchExecutor {
 public:
  explicit SearchExecutor(const Resources& resources) : resources_(resources) {}
  absl::StatusOr<SearchResult> Execute(const SearchTask& task, TaskContext& context);

 private:
  Resources resources_;
};

}  // namespace sub1quant

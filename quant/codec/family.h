// A family of formats that share the work on a group. All are listed once, in registry.cc; a family chooses among its
// implementations (scalar, instruction sets) behind its own group-level functions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "quant/codec/codec.h"
#include "quant/codec/weight_group.h"

namespace sub1quant {

// The error sums of some methods of one family, computed together. Thread-safe.
class GroupEvaluator {
 public:
  virtual ~GroupEvaluator() = default;
  // S (docs/formats.md §7) of each method, in the order given to NewEvaluator. InvalidArgument `method: why: row,
  // group` for a group that one of them must refuse.
  virtual absl::Status Evaluate(const WeightGroup& group, float* sums) const = 0;
};

// Lives as long as the process.
class Family {
 public:
  virtual ~Family() = default;
  virtual const Codec* Find(const std::string& method) const = 0;  // nullptr if the method is not of this family
  // Every method is of this family. InvalidArgument for a group size that one of them refuses.
  virtual absl::StatusOr<std::unique_ptr<GroupEvaluator>> NewEvaluator(const std::vector<std::string>& methods,
                                                                       int group_size) const = 0;
};

const std::vector<const Family*>& Families();

}  // namespace sub1quant

// A family of formats that share the work on a group. All are listed once, in registry.cc; what a
// family does to a tile of groups is a few functions, which every instruction set provides (implementations.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "quant/codec/codec.h"
#include "quant/codec/weight_tile.h"

namespace sub1quant {

// The error sums of some methods of one family, computed together. Thread-safe.
class TileEvaluator {
 public:
  virtual ~TileEvaluator() = default;
  // InvalidArgument `method: why: row, group` for a group that one of the methods must refuse; it is finite.
  virtual absl::Status Check(const WeightTile& tile, int lane) const = 0;
  // S (docs/formats.md §7) of each method, in the order given to NewEvaluator, for every lane. All lanes have passed
  // Check. `choices`: null, or for each method null or where KeptChoices::bytes of the matrix go.
  virtual void Evaluate(const WeightTile& tile, const Implementation& implementation, float (*sums)[kTileLanes],
                        uint8_t* const* choices) const = 0;
};

// Lives as long as the process.
class Family {
 public:
  virtual ~Family() = default;
  virtual const Codec* Find(const std::string& method) const = 0;  // nullptr if the method is not of this family
  // Every method is of this family. InvalidArgument for a group size that one of them refuses.
  virtual absl::StatusOr<std::unique_ptr<TileEvaluator>> NewEvaluator(const std::vector<std::string>& methods,
                                                                      int group_size) const = 0;
};

const std::vector<const Family*>& Families();

}  // namespace sub1quant

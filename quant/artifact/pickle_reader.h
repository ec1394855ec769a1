// Reads the pickle of a checkpoint without executing anything: an allow-list of opcodes, and of the globals that a dict
// of tensors needs; every other name is refused by name. Depth, number of values and size are bounded; no value can
// contain itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/model/tensor.h"

namespace sub1quant {

struct PickleValue;
using PicklePointer = std::shared_ptr<const PickleValue>;

struct PickleValue {
  enum class Kind { kNone, kBool, kInt, kFloat, kString, kDict, kList, kTuple, kGlobal, kStorage, kTensor };

  Kind kind = Kind::kNone;
  int64_t integer = 0;               // kInt, kBool; elements of kStorage; offset in elements of kTensor
  double number = 0;                 // kFloat
  std::string text;                  // kString; "module.name" of kGlobal; record name of kStorage
  std::vector<PicklePointer> items;  // kList, kTuple; key, value, key, value … of kDict; {storage} of kTensor
  DType dtype = DType::kUnknown;     // kStorage, kTensor
  std::vector<int64_t> shape;        // kTensor, always contiguous
  int depth = 0;                     // containers below this one
  bool shared = false;               // stands inside another value: frozen

  // The value of a string key, or nullptr; of a dict with a key twice the last one, as in Python.
  const PickleValue* Find(const std::string& key) const;
};

struct PickleLimits {
  size_t max_bytes = size_t{64} << 20;
  size_t max_values = 4000000;
  int max_depth = 32;
};

absl::StatusOr<PicklePointer> ReadPickle(const std::string& bytes, const PickleLimits& limits = {});

}  // namespace sub1quant

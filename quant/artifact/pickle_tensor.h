// The globals a checkpoint may name, and what calling them means here.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "quant/artifact/pickle_reader.h"

namespace sub1quant {

// PermissionDenied naming any other global than the five that a dict of byte and half tensors needs.
absl::Status CheckGlobal(const std::string& name);
// ('storage', class, record, device, elements) → kStorage.
absl::StatusOr<PickleValue> StorageFromId(const PickleValue& id);
// _rebuild_tensor_v2 → kTensor, OrderedDict() → an empty kDict, torch.Size((…)) → kTuple.
absl::StatusOr<PickleValue> CallGlobal(const PickleValue& function, const PickleValue& arguments);

}  // namespace sub1quant

#include "quant/artifact/pickle_tensor.h"

#include "absl/strings/str_cat.h"
#include "core/status.h"

namespace sub1quant {
namespace {

using Kind = PickleValue::Kind;

constexpr char kRebuild[] = "torch._utils._rebuild_tensor_v2";
constexpr char kByteStorage[] = "torch.ByteStorage";
constexpr char kHalfStorage[] = "torch.HalfStorage";
constexpr char kOrderedDict[] = "collections.OrderedDict";
constexpr char kSize[] = "torch.Size";

constexpr int64_t kMaxElements = int64_t{1} << 48;
constexpr size_t kMaxDimensions = 8;

absl::Status Bad(const std::string& problem) { return absl::InvalidArgumentError(problem); }

// A tuple or list of non-negative integers.
absl::Status Integers(const PickleValue& value, const char* what, std::vector<int64_t>* out) {
  if (value.kind != Kind::kTuple || value.items.size() > kMaxDimensions)
    return Bad(absl::StrCat("tensor ", what, ": a tuple of at most ", kMaxDimensions, " expected"));
  for (const PicklePointer& item : value.items) {
    if (item->kind != Kind::kInt || item->integer < 0 || item->integer > kMaxElements)
      return Bad(absl::StrCat("tensor ", what, ": integers from 0 to 2^48 expected"));
    out->push_back(item->integer);
  }
  return absl::OkStatus();
}

// Checks strides and bounds; strides of dimensions of size 1 are free.
absl::Status CheckPlace(const PickleValue& tensor, const std::vector<int64_t>& strides, int64_t storage_elements) {
  if (strides.size() != tensor.shape.size()) return Bad("tensor: shape and strides of different length");
  int64_t elements = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && strides[i] != elements) return Bad("tensor: not contiguous");
    if (tensor.shape[i] == 0 || elements > kMaxElements / tensor.shape[i])
      return Bad("tensor: empty or of more than 2^48 elements");
    elements *= tensor.shape[i];
  }
  if (tensor.integer > storage_elements || elements > storage_elements - tensor.integer)
    return Bad(absl::StrCat("tensor: ", elements, " elements at ", tensor.integer, " lie outside its storage of ",
                            storage_elements));
  return absl::OkStatus();
}

// _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, backward_hooks[, metadata]).
absl::StatusOr<PickleValue> RebuildTensor(const PickleValue& arguments) {
  if (arguments.kind != Kind::kTuple || arguments.items.size() < 6 || arguments.items.size() > 7)
    return Bad("tensor: 6 or 7 arguments expected");
  const PickleValue& storage = *arguments.items[0];
  const PickleValue& offset = *arguments.items[1];
  if (storage.kind != Kind::kStorage) return Bad("tensor: no storage");
  if (offset.kind != Kind::kInt || offset.integer < 0) return Bad("tensor: offset below 0");
  PickleValue tensor;
  tensor.kind = Kind::kTensor;
  tensor.dtype = storage.dtype;
  tensor.integer = offset.integer;
  tensor.items.push_back(arguments.items[0]);
  std::vector<int64_t> strides;
  SUB1QUANT_RETURN_IF_ERROR(Integers(*arguments.items[2], "shape", &tensor.shape));
  SUB1QUANT_RETURN_IF_ERROR(Integers(*arguments.items[3], "strides", &strides));
  SUB1QUANT_RETURN_IF_ERROR(CheckPlace(tensor, strides, storage.integer));
  return tensor;
}

absl::StatusOr<PickleValue> MakeSize(const PickleValue& arguments) {
  if (arguments.items.size() != 1 || arguments.items[0]->kind != Kind::kTuple)
    return Bad("torch.Size: a tuple expected");
  return *arguments.items[0];
}

}  // namespace

absl::Status CheckGlobal(const std::string& name) {
  for (const char* allowed : {kRebuild, kByteStorage, kHalfStorage, kOrderedDict, kSize})
    if (name == allowed) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("global '", name, "' is refused: a checkpoint holds dicts, numbers and byte or half tensors only"));
}

absl::StatusOr<PickleValue> StorageFromId(const PickleValue& id) {
  if (id.kind != Kind::kTuple || id.items.size() != 5) return Bad("persistent id: five fields expected");
  const PickleValue &tag = *id.items[0], &type = *id.items[1], &record = *id.items[2], &elements = *id.items[4];
  if (tag.kind != Kind::kString || tag.text != "storage") return Bad("persistent id: not a storage");
  if (type.kind != Kind::kGlobal || (type.text != kByteStorage && type.text != kHalfStorage))
    return Bad("persistent id: byte or half storage expected");
  if (record.kind != Kind::kString || record.text.empty()) return Bad("persistent id: no record name");
  if (elements.kind != Kind::kInt || elements.integer < 0 || elements.integer > kMaxElements)
    return Bad("persistent id: number of elements out of range");
  PickleValue storage;
  storage.kind = Kind::kStorage;
  storage.dtype = type.text == kByteStorage ? DType::kU8 : DType::kF16;
  storage.text = record.text;
  storage.integer = elements.integer;
  return storage;
}

absl::StatusOr<PickleValue> CallGlobal(const PickleValue& function, const PickleValue& arguments) {
  if (function.kind != Kind::kGlobal || arguments.kind != Kind::kTuple) return Bad("calls what is no function");
  if (function.text == kRebuild) return RebuildTensor(arguments);
  if (function.text == kSize) return MakeSize(arguments);
  if (function.text == kOrderedDict && arguments.items.empty()) {
    PickleValue dict;
    dict.kind = Kind::kDict;
    return dict;
  }
  return Bad("'" + function.text + "' cannot be called like this");
}

}  // namespace sub1quant

#include "quant/artifact/pickle_writer.h"

#include <bit>

#include "core/check.h"
#include "quant/artifact/pickle_opcodes.h"

namespace sub1quant {

PickleWriter::PickleWriter() {
  Byte(pickle::kProto);
  Byte(2);
}

void PickleWriter::Little(uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) Byte(static_cast<uint8_t>(value >> (8 * i)));
}

bool PickleWriter::Recall(const std::string& what) {
  const auto found = memo_.find(what);
  if (found == memo_.end()) return false;
  Byte(found->second < 256 ? pickle::kBinGet : pickle::kLongBinGet);
  Little(found->second, found->second < 256 ? 1 : 4);
  return true;
}

void PickleWriter::Remember(const std::string& what) {
  const auto id = static_cast<uint32_t>(memo_.size());
  memo_.emplace(what, id);
  Byte(id < 256 ? pickle::kBinPut : pickle::kLongBinPut);
  Little(id, id < 256 ? 1 : 4);
}

void PickleWriter::BeginDict() {
  Byte(pickle::kEmptyDict);
  Byte(pickle::kMark);
}
void PickleWriter::EndDict() { Byte(pickle::kSetItems); }
void PickleWriter::BeginList() {
  Byte(pickle::kEmptyList);
  Byte(pickle::kMark);
}
void PickleWriter::EndList() { Byte(pickle::kAppends); }
void PickleWriter::None() { Byte(pickle::kNone); }
void PickleWriter::Bool(bool value) { Byte(value ? pickle::kNewTrue : pickle::kNewFalse); }

void PickleWriter::String(const std::string& text) {
  if (Recall("s" + text)) return;
  SUB1QUANT_CHECK(text.size() <= 0xffffffff);
  Byte(pickle::kBinUnicode);
  Little(text.size(), 4);
  out_ += text;
  Remember("s" + text);
}

void PickleWriter::Int(int64_t value) {
  if (value >= 0 && value < 256) {
    Byte(pickle::kBinInt1);
    Little(static_cast<uint64_t>(value), 1);
  } else if (value >= 0 && value < 65536) {
    Byte(pickle::kBinInt2);
    Little(static_cast<uint64_t>(value), 2);
  } else if (value >= INT32_MIN && value <= INT32_MAX) {
    Byte(pickle::kBinInt);
    Little(static_cast<uint64_t>(value), 4);
  } else {
    Byte(pickle::kLong1);
    Byte(8);
    Little(static_cast<uint64_t>(value), 8);
  }
}

void PickleWriter::Float(double value) {
  const uint64_t bits = std::bit_cast<uint64_t>(value);
  Byte(pickle::kBinFloat);
  for (int i = 7; i >= 0; --i) Byte(static_cast<uint8_t>(bits >> (8 * i)));
}

void PickleWriter::Value(const Json& json) {
  if (json.is_object()) {
    BeginDict();
    for (const auto& item : json.items()) {
      String(item.key());
      Value(item.value());
    }
    EndDict();
  } else if (json.is_array()) {
    BeginList();
    for (const Json& item : json) Value(item);
    EndList();
  } else if (json.is_string()) {
    String(json.get<std::string>());
  } else if (json.is_number_integer()) {
    Int(json.get<int64_t>());
  } else if (json.is_number_float()) {
    Float(json.get<double>());
  } else if (json.is_boolean()) {
    Bool(json.get<bool>());
  } else {
    None();
  }
}

void PickleWriter::Global(const std::string& module, const std::string& name) {
  const std::string line = module + "\n" + name + "\n";
  if (Recall("c" + line)) return;
  Byte(pickle::kGlobal);
  out_ += line;
  Remember("c" + line);
}

void PickleWriter::IntTuple(const std::vector<int64_t>& values) {
  if (values.size() > 3) Byte(pickle::kMark);
  for (int64_t value : values) Int(value);
  constexpr uint8_t kBySize[] = {pickle::kEmptyTuple, pickle::kTuple1, pickle::kTuple2, pickle::kTuple3};
  Byte(values.size() > 3 ? static_cast<uint8_t>(pickle::kTuple) : kBySize[values.size()]);
}

void PickleWriter::Tensor(DType dtype, const std::vector<int64_t>& shape, const std::string& storage) {
  SUB1QUANT_CHECK(dtype == DType::kU8 || dtype == DType::kF16);
  std::vector<int64_t> strides(shape.size(), 1);
  int64_t elements = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = elements;
    elements *= shape[i];
  }
  Global("torch._utils", "_rebuild_tensor_v2");
  Byte(pickle::kMark);
  Byte(pickle::kMark);
  String("storage");
  Global("torch", dtype == DType::kU8 ? "ByteStorage" : "HalfStorage");
  String(storage);
  String("cpu");
  Int(elements);
  Byte(pickle::kTuple);
  Byte(pickle::kBinPersId);
  Int(0);  // offset in the storage
  IntTuple(shape);
  IntTuple(strides);
  Bool(false);                           // requires_grad
  Global("collections", "OrderedDict");  // no backward hooks
  Byte(pickle::kEmptyTuple);
  Byte(pickle::kReduce);
  Byte(pickle::kTuple);
  Byte(pickle::kReduce);
}

std::string PickleWriter::Finish() {
  Byte(pickle::kStop);
  return std::move(out_);
}

}  // namespace sub1quant
